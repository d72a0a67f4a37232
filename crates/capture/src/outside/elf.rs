//! Where the functions of CPython are in a process: symbols of its program or of the library that it has mapped.
//!
//! The files are those of the process, not those that have their names now: after an upgrade the old ones are deleted,
//! and in a container they are elsewhere. What is in them is not trusted: every offset is checked against the file.

use std::{
    fs::{self, File},
    io::Read as _,
    ops::Range,
};

use object::{
    Endianness, Object as _, ObjectSymbol as _,
    elf::PT_LOAD,
    read::elf::{ElfFile64, ProgramHeader as _},
};

use super::{
    Error, arch,
    target::{Mapping, Target},
};

/// Bytes of the largest program that is looked at.
const MAX_FILE: u64 = 1 << 30;

/// Functions that are called while the list of pending calls is changed; not every version has all of them.
const LOCKING: &[&str] = &[
    "Py_AddPendingCall",
    "Py_MakePendingCalls",
    "_PyEval_AddPendingCall",
    "_PyEval_MakePendingCalls",
    "make_pending_calls",
    "_make_pending_calls",
    "PyThread_acquire_lock",
    "PyThread_acquire_lock_timed",
    "PyThread_release_lock",
    "PyMutex_Lock",
    "PyMutex_Unlock",
    "_PyMutex_LockTimed",
    "_PyMutex_TryUnlock",
];

/// Addresses in the process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Python {
    pub is_initialized: u64,
    pub ensure: u64,
    pub release: u64,
    pub run_simple_string: u64,
    pub add_pending_call: u64,
    /// The interpreter's code.
    pub code: Range<u64>,
    /// What in it keeps the list of calls, and locks it meanwhile.
    pub locking: Vec<Range<u64>>,
    /// The interpreter's own state, with the condition variables on which threads wait for its lock.
    pub state: Range<u64>,
}

impl Python {
    /// Whether a thread that computes at this address may leave a call with the interpreter: it is in the interpreter's own
    /// code, so in no other library's, and does not hold the lock of the list.
    pub fn may_leave_call(&self, at: u64) -> bool {
        self.code.contains(&at) && !self.locking.iter().any(|function| function.contains(&at))
    }

    /// Whether a thread that waits in the kernel may run Python at once. One that waits for the interpreter's lock may not:
    /// it would wait for that lock a second time, and the thread that wakes the waiters of a condition variable of the C
    /// library may wait until earlier ones have left it, which this thread then never does.
    pub fn may_run(&self, lock: Option<u64>) -> bool {
        !lock.is_some_and(|lock| self.state.contains(&lock))
    }
}

/// Finds CPython in a process.
pub(super) fn python(target: &Target) -> Result<Python, Error> {
    let mut seen: Vec<&str> = Vec::new();
    // One line per file: the first part of it that is code.
    let mut files: Vec<&Mapping> = target
        .mappings
        .iter()
        .filter(|mapping| {
            let is_first =
                mapping.executable && mapping.path.starts_with('/') && !seen.contains(&mapping.path.as_str());
            if is_first {
                seen.push(&mapping.path);
            }
            is_first
        })
        .collect();
    let is_program = |mapping: &Mapping| target.program.to_str() == Some(mapping.path.as_str());
    let order = |mapping: &Mapping| match mapping.path.rsplit('/').next() {
        Some(name) if name.starts_with("libpython") => 0,
        _ if is_program(mapping) => 1,
        _ => 2,
    };
    files.retain(|mapping| order(mapping) < 2 || mapping.path.contains("ython"));
    files.sort_by_key(|mapping| order(mapping));
    let mut other_machine = false;
    let mut old = false;
    for mapping in files {
        let Some(bytes) = read(target, mapping, is_program(mapping)) else { continue };
        match find(&bytes, mapping) {
            Found::Python(python) => return Ok(python),
            Found::Old => old = true,
            Found::OtherMachine => other_machine = true,
            Found::Nothing => {}
        }
    }
    let program = || target.program.clone();
    if old {
        let version = match target.version {
            Some((major, minor)) if (major, minor) < (3, 8) => format!("{major}.{minor}"),
            _ => "before 3.8".to_owned(),
        };
        return Err(Error::TooOld { pid: target.pid, version });
    }
    Err(match other_machine {
        true => Error::Architecture { pid: target.pid, program: program() },
        false => Error::NotPython { pid: target.pid, program: program() },
    })
}

/// The content of a mapped file.
fn read(target: &Target, mapping: &Mapping, is_program: bool) -> Option<Vec<u8>> {
    let proc = format!("/proc/{}", target.pid);
    let mut ways = vec![format!("{proc}/map_files/{:x}-{:x}", mapping.start, mapping.end)];
    if is_program {
        ways.push(format!("{proc}/exe"));
    }
    if !mapping.path.ends_with(" (deleted)") {
        ways.push(format!("{proc}/root{}", mapping.path));
    }
    ways.into_iter().find_map(|path| {
        // A link in another root may lead to a pipe.
        let length =
            fs::metadata(&path).ok().filter(|found| found.is_file() && found.len() <= MAX_FILE)?.len();
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(length).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Python(Python),
    /// A Python without what 3.8 brought.
    Old,
    OtherMachine,
    Nothing,
}

/// Finds the interpreter's functions in an ELF file, given one mapping of that file into the process.
fn find(bytes: &[u8], mapping: &Mapping) -> Found {
    let Ok(file) = ElfFile64::<Endianness>::parse(bytes) else {
        return if bytes.starts_with(b"\x7fELF\x01") { Found::OtherMachine } else { Found::Nothing };
    };
    if file.architecture() != arch::ARCHITECTURE {
        return Found::OtherMachine;
    }
    let endian = file.endian();
    let loaded = file.elf_program_headers().iter().find_map(|header| {
        let (offset, size) = (header.p_offset(endian), header.p_filesz(endian));
        let holds = header.p_type(endian) == PT_LOAD
            && mapping.offset < offset.checked_add(size)?
            && mapping.end.wrapping_sub(mapping.start).checked_add(mapping.offset)? > offset;
        holds.then(|| header.p_vaddr(endian).wrapping_sub(offset))
    });
    let Some(loaded) = loaded else { return Found::Nothing };
    // Address in the process = address in the file + bias.
    let bias = mapping.start.wrapping_sub(mapping.offset).wrapping_sub(loaded);
    let symbol = |name: &str| {
        let mut symbols = file.dynamic_symbols().chain(file.symbols());
        let found = symbols.find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))?;
        Some((found.address().wrapping_add(bias), found.size()))
    };
    let function = |name| symbol(name).map(|(address, _)| address);
    let python = || {
        let whole = |(start, n_bytes): (u64, u64)| start..start.saturating_add(n_bytes);
        let locking = LOCKING.iter().filter_map(|name| symbol(name)).map(whole).collect();
        Some(Python {
            is_initialized: function("Py_IsInitialized")?,
            ensure: function("PyGILState_Ensure")?,
            release: function("PyGILState_Release")?,
            run_simple_string: function("PyRun_SimpleString")?,
            add_pending_call: function("Py_AddPendingCall")?,
            code: mapping.start..mapping.end,
            locking,
            state: whole(symbol("_PyRuntime")?),
        })
    };
    if function("PyRun_SimpleString").is_none() {
        return Found::Nothing;
    }
    // The one is in 3.8 to 3.11 and the other since 3.11.
    if function("PyCode_NewWithPosOnlyArgs").is_none() && function("Py_Version").is_none() {
        return Found::Old;
    }
    python().map_or(Found::Nothing, Found::Python)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Mapping {
        Mapping {
            start: 0x5555_0000_0000,
            end: 0x5555_1000_0000,
            executable: true,
            offset: 0,
            path: "/p".to_owned(),
        }
    }

    /// This test's own program is an ELF file with thousands of symbols, none of Python.
    #[test]
    fn damaged_files_are_survived() {
        let path = std::env::current_exe().expect("a program");
        let whole = fs::read(path).expect("readable");
        assert_eq!(find(&whole, &mapping()), Found::Nothing);
        // The header, and a middle to point into, of every length and with every byte of the header changed.
        let start = &whole[..4096];
        for length in 0..start.len() {
            find(&start[..length], &mapping());
        }
        for at in 0..1024 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = start.to_vec();
                changed[at] = value;
                find(&changed, &mapping());
            }
        }
        for at in 0..64 {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            find(&changed, &mapping());
        }
    }

    #[test]
    fn other_files_are_not_python() {
        assert_eq!(find(b"#!/bin/sh\n", &mapping()), Found::Nothing);
        assert_eq!(find(b"\x7fELF\x01\x01\x01", &mapping()), Found::OtherMachine);
    }
}
