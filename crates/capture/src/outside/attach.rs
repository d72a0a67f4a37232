//! Calling into a process with ptrace.
//!
//! ```text
//! look: stop the main thread -- it waits in the kernel: it will run the text itself
//!                            -- it waits for the interpreter's lock, or is in its code: it will leave a call with it
//!                            -- elsewhere: let go, look again later
//! then: mmap and mprotect made by the thread, the block written, registers set to its code, let go
//! ```
//!
//! The thread stands still for these steps only, well under a millisecond; what it does afterwards it does as an ordinary
//! thread of its process, which nobody holds (`block`). Other threads never stop. Where a step fails, the thread gets the
//! registers back that it had; an interrupted system call is made again.
//!
//! A thread of ours is the tracer of one look. However it ends, the kernel lets go of the process, and delivers a signal
//! that came meanwhile.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{
    Error, arch,
    block::{self, Progress, Resumption},
    elf::Python,
    target::Target,
};

/// How long a thread may take to stop: one that waits for a disk does not stop before the disk has answered.
const TO_STOP: Duration = Duration::from_millis(500);
/// How long a system call of ours may take.
const TO_STEP: Duration = Duration::from_secs(5);
/// Between two looks, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_micros(300), Duration::from_millis(20));
/// How long the last instructions in the block may take after they have said that they are the last.
const TO_LEAVE: Duration = Duration::from_millis(100);

/// A block of ours in a process.
pub(super) struct Block {
    at: u64,
    memory: File,
    /// How long the thread stood still, in all looks.
    pub stopped: Duration,
}

/// Memory of the process, and a system call instruction in it.
struct Tracee<'t> {
    target: &'t Target,
    pid: Pid,
    memory: File,
    system_call: u64,
}

/// What a look at the thread came to.
enum Look {
    /// The block is there and the thread on its way.
    Done(u64),
    /// The thread is where nobody may call into it.
    Unsafe,
    /// A signal came between; it has been delivered.
    Signal,
}

/// Brings `text` into the process and lets its interpreter run it. Waits for a safe moment as long as `go_on` says.
pub(super) fn attach(
    target: &Target,
    python: &Python,
    text: &str,
    mut go_on: impl FnMut() -> Result<(), Error>,
) -> Result<Block, Error> {
    if !arch::is_supported() {
        return Err(Error::Platform);
    }
    let tracee = Tracee::new(target)?;
    let mut stopped = Duration::ZERO;
    let mut pause = PAUSES.0;
    loop {
        let (look, took) = on_a_thread(|| tracee.look(python, text));
        stopped += took;
        match look? {
            Look::Done(at) => return Ok(Block { at, memory: tracee.memory, stopped }),
            Look::Signal => {}
            Look::Unsafe => {
                go_on()?;
                thread::sleep(pause);
                pause = (pause * 2).min(PAUSES.1);
            }
        }
        go_on()?;
    }
}

impl Block {
    /// What the process has written into it; `None` when it is gone.
    pub fn progress(&self) -> Option<Progress> {
        let mut numbers = [0; block::NUMBERS];
        self.memory.read_exact_at(&mut numbers, self.at + arch::DATA).ok()?;
        Some(Progress::parse(&numbers))
    }

    /// Gives the memory back, once no thread is in it. What goes wrong costs the process some pages.
    pub fn remove(self, target: &Target) {
        if !self.progress().is_some_and(|progress| progress.is_over) {
            return;
        }
        thread::sleep(TO_LEAVE);
        for _ in 0..10 {
            let Ok(tracee) = Tracee::new(target) else { return };
            if !matches!(on_a_thread(|| tracee.unmap(self.at)).0, Ok(Look::Unsafe | Look::Signal)) {
                return;
            }
            thread::sleep(PAUSES.1);
        }
    }
}

/// Runs a look on a thread of its own, which is the tracer meanwhile.
fn on_a_thread<T: Send>(
    look: impl FnOnce() -> (Result<T, Error>, Duration) + Send,
) -> (Result<T, Error>, Duration) {
    thread::scope(|scope| scope.spawn(look).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

impl<'t> Tracee<'t> {
    fn new(target: &'t Target) -> Result<Self, Error> {
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", target.pid));
        let memory = memory.map_err(|error| target.not_permitted(error))?;
        let number = i32::try_from(target.pid).map_err(|_| Error::NoProcess { pid: target.pid })?;
        let mut tracee = Self { target, pid: Pid::from_raw(number), memory, system_call: 0 };
        tracee.system_call =
            tracee.find_system_call().ok_or_else(|| tracee.failed("no system call is in its code"))?;
        Ok(tracee)
    }

    fn failed(&self, what: impl ToString) -> Error {
        match self.target.is_there() {
            true => Error::Attach { pid: self.target.pid, what: what.to_string() },
            false => Error::Ended { pid: self.target.pid },
        }
    }

    /// Where the instruction is: the kernel maps one into every process, the C library has some.
    fn find_system_call(&self) -> Option<u64> {
        const AT_MOST: u64 = 1 << 21;
        let mut code: Vec<_> = self.target.mappings.iter().filter(|mapping| mapping.executable).collect();
        code.sort_by_key(|mapping| (mapping.path != "[vdso]", !mapping.path.contains("/libc")));
        code.iter().find_map(|mapping| {
            let n_bytes = mapping.end.saturating_sub(mapping.start).min(AT_MOST);
            let mut bytes = vec![0; usize::try_from(n_bytes).ok()?];
            self.memory.read_exact_at(&mut bytes, mapping.start).ok()?;
            let at = bytes.windows(arch::SYSTEM_CALL.len()).position(|part| part == arch::SYSTEM_CALL)?;
            Some(mapping.start + at as u64)
        })
    }

    /// Stops the thread and, if that is safe, sends it into a block of ours. The time is that of the stop.
    fn look(&self, python: &Python, text: &str) -> (Result<Look, Error>, Duration) {
        self.stopped(|before| {
            let mut next = [0; 4];
            // At the end of a mapping there are fewer; then it is no system call.
            let _ = self.memory.read_exact_at(&mut next, arch::instruction(before));
            let waits = arch::waited(before, next);
            let directly = waits.is_some() && python.may_run(arch::lock(before));
            let computes = waits.is_none() && python.may_leave_call(arch::instruction(before));
            let resumption = match waits {
                Some(waits) => waits,
                None if computes => Resumption { registers: *before, interrupted_at: None },
                None => return Ok(Look::Unsafe),
            };
            let data = block::data(python, text, directly, &resumption);
            let data = data.ok_or_else(|| self.failed("the path of the folder is too long"))?;
            // Never writable and executable at once: programs forbid that to themselves.
            const PRIVATE_ANONYMOUS: u64 = 0x22;
            const READ_EXECUTE: u64 = 5;
            const READ_WRITE: u64 = 3;
            let mapping = [0, block::BYTES, READ_EXECUTE, PRIVATE_ANONYMOUS, u64::MAX, 0];
            let at = match self.system_call(before, arch::MMAP, mapping, "mmap")? {
                Ok(at) => at.cast_unsigned(),
                Err(signal) => return Ok(signal),
            };
            let write = || -> Result<Option<Look>, Error> {
                let writable = [at + arch::DATA, block::BYTES - arch::DATA, READ_WRITE, 0, 0, 0];
                if let Err(signal) = self.system_call(before, arch::MPROTECT, writable, "mprotect")? {
                    return Ok(Some(signal));
                }
                self.write_code(at)?;
                self.memory.write_all_at(&data, at + arch::DATA).map_err(|error| self.failed(error))?;
                Ok(None)
            };
            match write() {
                Ok(None) => {}
                other => {
                    let _ = self.system_call(before, arch::MUNMAP, [at, block::BYTES, 0, 0, 0, 0], "munmap");
                    return other.map(|signal| signal.unwrap_or(Look::Signal));
                }
            }
            ptrace::setregs(self.pid, arch::start(before, at)).map_err(|error| self.failed(error))?;
            Ok(Look::Done(at))
        })
    }

    fn unmap(&self, at: u64) -> (Result<Look, Error>, Duration) {
        self.stopped(|before| {
            if (at..at + block::BYTES).contains(&arch::instruction(before)) {
                return Ok(Look::Unsafe);
            }
            let unmapped =
                self.system_call(before, arch::MUNMAP, [at, block::BYTES, 0, 0, 0, 0], "munmap")?;
            Ok(unmapped.map_or_else(|signal| signal, |_| Look::Done(at)))
        })
    }

    /// Stops the thread for `work`, which gets its registers, and lets it go.
    fn stopped(
        &self,
        work: impl FnOnce(&arch::Registers) -> Result<Look, Error>,
    ) -> (Result<Look, Error>, Duration) {
        if let Err(error) = ptrace::seize(self.pid, ptrace::Options::empty()) {
            let error = match error {
                Errno::ESRCH => Error::Ended { pid: self.target.pid },
                error => self.target.not_permitted(format!("ptrace: {}", error.desc())),
            };
            return (Err(error), Duration::ZERO);
        }
        let start = Instant::now();
        let stop = ptrace::interrupt(self.pid)
            .map_err(|error| self.failed(error))
            .and_then(|()| self.wait_for_stop());
        let look = match stop {
            Ok(true) => match ptrace::getregs(self.pid) {
                Ok(before) => work(&before),
                Err(error) => Err(self.failed(error)),
            },
            Ok(false) => Ok(Look::Unsafe),
            Err(error) => Err(error),
        };
        // Where a signal came the thread has been let go already; elsewhere failing means that it has ended.
        let _ = ptrace::detach(self.pid, None);
        (look, start.elapsed())
    }

    /// Waits until the thread has stopped because we asked for it; false where it does not.
    fn wait_for_stop(&self) -> Result<bool, Error> {
        loop {
            match self.wait(TO_STOP)? {
                Stop::Asked => return Ok(true),
                Stop::Signal(signal) => {
                    ptrace::cont(self.pid, signal).map_err(|error| self.failed(error))?;
                }
                Stop::Group => return Err(Error::Stopped { pid: self.target.pid }),
                Stop::Never | Stop::NamelessSignal => return Ok(false),
            }
        }
    }

    fn wait(&self, limit: Duration) -> Result<Stop, Error> {
        const ASKED: i32 = 128; // PTRACE_EVENT_STOP
        let start = Instant::now();
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) if start.elapsed() > limit => return Ok(Stop::Never),
                // A thread that slept gets a busy processor sooner than one that offered its turn to others.
                Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_micros(10)),
                Ok(WaitStatus::PtraceEvent(_, Signal::SIGTRAP, ASKED)) => return Ok(Stop::Asked),
                Ok(WaitStatus::PtraceEvent(_, _, ASKED)) => return Ok(Stop::Group),
                Ok(WaitStatus::Stopped(_, signal)) => return Ok(Stop::Signal(signal)),
                // A signal without a name (SIGRTMIN and later).
                Err(Errno::EINVAL) => return Ok(Stop::NamelessSignal),
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => return Err(Error::Ended { pid: self.target.pid }),
            }
        }
    }

    /// Lets the stopped thread make a system call, and gives it its registers back. A signal that comes between is
    /// delivered as if nothing had been, and the thread is let go.
    fn system_call(
        &self,
        before: &arch::Registers,
        number: u64,
        arguments: [u64; 6],
        name: &str,
    ) -> Result<Result<i64, Look>, Error> {
        let failed = |error: Errno| self.failed(format!("{name}: {}", error.desc()));
        ptrace::setregs(self.pid, arch::system_call(before, self.system_call, number, arguments))
            .map_err(failed)?;
        let stop = ptrace::step(self.pid, None).map_err(failed).and_then(|()| self.wait(TO_STEP));
        let after = ptrace::getregs(self.pid);
        ptrace::setregs(self.pid, *before).map_err(failed)?;
        match stop? {
            Stop::Signal(Signal::SIGTRAP) => {}
            Stop::Signal(signal) => {
                let _ = ptrace::detach(self.pid, signal);
                return Ok(Err(Look::Signal));
            }
            // The end of this thread of ours lets the process go, and the kernel delivers the signal.
            Stop::NamelessSignal | Stop::Asked | Stop::Group => return Ok(Err(Look::Signal)),
            Stop::Never => return Err(self.failed(format!("{name} takes too long"))),
        }
        match arch::returned(&after.map_err(failed)?) {
            error @ -4095..0 => Err(failed(Errno::from_raw(-(error as i32)))),
            value => Ok(Ok(value)),
        }
    }

    /// Writes the code, word by word: only a tracer may write where the process itself may not.
    fn write_code(&self, at: u64) -> Result<(), Error> {
        for (i, word) in arch::CODE.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            let address = (at + 8 * i as u64) as ptrace::AddressType;
            ptrace::write(self.pid, address, i64::from_le_bytes(bytes))
                .map_err(|error| self.failed(error))?;
        }
        Ok(())
    }
}

/// Why a thread stopped.
enum Stop {
    /// We asked for it.
    Asked,
    /// A signal is about to be delivered.
    Signal(Signal),
    /// The same, and there is no name for it.
    NamelessSignal,
    /// The whole process is stopped.
    Group,
    /// It has not stopped in time.
    Never,
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use object::{Object as _, ObjectSection as _};

    /// The bytes of the code are those that the assembler makes of `code/*.s`.
    #[test]
    fn the_code_is_what_its_source_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let code: [(&str, &[u8]); 2] =
            [("x86_64", include!("code/x86_64.bytes")), ("aarch64", include!("code/aarch64.bytes"))];
        let mut n_checked = 0;
        for (name, bytes) in code {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/outside/code/{name}.s"));
            let wrapper = folder.path().join("code.rs");
            let text = format!("#![no_std]\ncore::arch::global_asm!(include_str!({source:?}));\n");
            std::fs::write(&wrapper, text).expect("written");
            let object = folder.path().join(name);
            let output = Command::new("rustc")
                .args([
                    "--crate-type",
                    "lib",
                    "--emit",
                    "obj",
                    "--target",
                    &format!("{name}-unknown-linux-gnu"),
                    "-o",
                ])
                .args([&object, &wrapper])
                .output()
                .expect("rustc runs");
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("can't find crate for `core`") {
                continue;
            }
            assert!(output.status.success(), "{said}");
            let file = std::fs::read(object).expect("an object file");
            let file = object::File::parse(&*file).expect("ELF");
            let text = file.section_by_name(".text").expect("code").data().expect("bytes");
            assert_eq!(text, bytes, "{name}: assemble the source again");
            n_checked += 1;
        }
        assert!(n_checked > 0);
    }
}
