//! Calling into a process with gdb, which stops all of its threads for some hundred milliseconds.
//!
//! gdb calls into a thread only where that is safe: in one that waits in the kernel directly, in one that computes or waits
//! for the interpreter's lock by leaving a call that the interpreter makes between two instructions.

use std::{
    fs, io,
    ops::Range,
    process::{Command, Output, Stdio},
};

use super::{Error, arch, elf, target::Target};

/// Bytes of the memory that holds the text of a call.
const PAGE: usize = 1 << 15;

/// Lets the interpreter run a text. The address of the memory that is to be given back once the call was made.
pub(super) fn call(target: &Target, text: &str) -> Result<Option<u64>, Error> {
    if text.len() >= PAGE {
        return Err(Error::Attach { pid: target.pid, what: "the path of the folder is too long".to_owned() });
    }
    let quoted = quoted(text);
    let state = elf::python(target).map_or(0..0, |python| python.state);
    let leaves = match cfg!(target_arch = "x86_64") {
        true => {
            let Range { start, end } = state;
            let waits = arch::LOCK_WAITS.map(|call| format!("$orig_rax == {call}")).join(" || ");
            format!("$orig_rax == -1 || (({waits}) && $rdi >= {start} && $rdi < {end})")
        }
        false => leaves(target.pid, &state).to_string(),
    };
    let script = format!(
        "\
handle all nostop noprint pass
set unwindonsignal on
if {leaves}
  set $page = (unsigned long)mmap(0L, {PAGE}L, 3L, 34L, -1L, 0L)
  set {{char[{n_bytes}]}} $page = \"{quoted}\"
  set $failed = (int)Py_AddPendingCall((long)&PyRun_SimpleString, $page)
  printf \"heaplake page %lu %d\\n\", $page, $failed
else
  set $state = (int)PyGILState_Ensure()
  set $failed = (int)PyRun_SimpleString(\"{quoted}\")
  call (void)PyGILState_Release($state)
  printf \"heaplake done %d\\n\", $failed
end
",
        n_bytes = text.len() + 1,
    );
    let output = run(target, &script)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words =
        said.lines().filter_map(|line| line.strip_prefix("heaplake ")).flat_map(str::split_whitespace);
    match (words.next(), words.next(), words.next()) {
        (Some("done"), Some("0"), _) => Ok(None),
        (Some("page"), Some(page), Some("0")) => Ok(page.parse().ok()),
        (Some(_), ..) => Err(Error::Attach { pid: target.pid, what: "it did not run the script".to_owned() }),
        (None, ..) => Err(failed(target, &output)),
    }
}

/// Gives the memory back that [`call`] took. What goes wrong costs the process some pages.
pub(super) fn unmap(target: &Target, page: u64) {
    let script = format!("handle all nostop noprint pass\ncall (int)munmap({page}L, {PAGE}L)\n");
    let _ = run(target, &script);
}

/// Runs gdb with a script, from a file that only we can write.
fn run(target: &Target, script: &str) -> Result<Output, Error> {
    let failed = |source| Error::Output { path: std::env::temp_dir(), source };
    let file = tempfile::NamedTempFile::new().map_err(failed)?;
    fs::write(&file, script).map_err(failed)?;
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load no"])
        .args(["-p", &target.pid.to_string(), "-x"])
        .arg(file.path())
        .env_remove("DEBUGINFOD_URLS")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    gdb.map_err(|source: io::Error| Error::NoGdb { source })
}

fn failed(target: &Target, output: &Output) -> Error {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if said.contains("ptrace") || said.contains("not permitted") {
        return target.not_permitted("ptrace: Operation not permitted");
    }
    if said.contains("No symbol \"Py") {
        return Error::NotPython { pid: target.pid, program: target.program.clone() };
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Error::Attach { pid: target.pid, what: format!("gdb: {last}") }
}

/// Whether the main thread is to leave a call, where no register says so: it computes, or waits for a lock in `state`.
fn leaves(pid: u32, state: &Range<u64>) -> u8 {
    let call = fs::read_to_string(format!("/proc/{pid}/task/{pid}/syscall")).unwrap_or_default();
    waits_in(&call, state).into()
}

/// Whether a thread computes or waits for a lock in `state`, by what the kernel says of its system call.
fn waits_in(call: &str, state: &Range<u64>) -> bool {
    let mut words = call.split_ascii_whitespace();
    match words.next() {
        Some("running") => true,
        Some(number) if number.parse().is_ok_and(|call| arch::LOCK_WAITS.contains(&call)) => {
            let lock = words.next().and_then(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
            lock.is_some_and(|lock| state.contains(&lock))
        }
        _ => false,
    }
}

/// A text as it stands between the quotes of gdb.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_for_the_interpreter_leaves_a_call() {
        let state = 0x1000..0x2000;
        assert!(waits_in("running\n", &state));
        for call in arch::LOCK_WAITS {
            assert!(waits_in(&format!("{call} 0x1fff 0x189 0x0 0x7ffc 0x0 0x0 0x7ffd 0x7f2e\n"), &state));
            for other in [format!("{call} 0x2000 0x189\n"), call.to_string()] {
                assert!(!waits_in(&other, &state), "{other}");
            }
        }
        for call in ["0 0x1000 0x5\n", ""] {
            assert!(!waits_in(call, &state), "{call}");
        }
    }

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\\x27\n\"b\""), "a\\\\x27\\n\\\"b\\\"");
    }
}
