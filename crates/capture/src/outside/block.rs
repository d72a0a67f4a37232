//! What is brought into the memory of a process: code, data, and the text that the interpreter runs.
//!
//! ```text
//! 0                DATA                   DATA + 0x1000          DATA + 0x2000
//! | code (r-x)     | numbers (rw-)        | vector registers     | text, ended by a zero |
//! ```
//!
//! The code (`code/*.s`) keeps the registers that no tracer sees, blocks signals, calls the interpreter, and goes back to
//! where the thread was stopped, all by itself: nothing is left half done when the capturing program is killed meanwhile.

use super::{arch, elf::Python};

/// Where the text starts in the data.
const TEXT: usize = 0x2000;
/// Bytes of the data: room for a text with a path of any length.
const DATA_BYTES: usize = 0x2000 + 0x6000;
/// Bytes of the whole.
pub(super) const BYTES: u64 = arch::DATA + DATA_BYTES as u64;

// Offsets in the data, known to the code as well.
/// Not 0: the interpreter has run the text, or never will.
const DONE: usize = 0x00;
/// What the interpreter said: 0, or less where it did not run the text.
const RESULT: usize = 0x08;
const FUNCTIONS: usize = 0x18;
/// Not 0: the thread waits in the kernel and may run the text itself.
const DIRECTLY: usize = 0x40;
/// Signals that wait until the thread is back.
const BLOCKED: usize = 0x50;
/// Those that end a system call.
const ENDING: usize = 0x60;
/// Not 0: the thread goes back into a system call.
const WAITED: usize = 0x68;
/// Not 0: the thread is on its last instructions here.
const RETURNED: usize = 0x78;
/// Where the thread goes on if a signal ends the system call.
const INTERRUPTED_AT: usize = 0x180;

/// All signals but those that a wrong instruction raises, SIGKILL and SIGSTOP, and those that threads of the C library
/// send each other.
const BLOCKED_SIGNALS: u64 = {
    let mut set = u64::MAX;
    let open = [4, 5, 6, 7, 8, 9, 11, 19, 31, 32, 33];
    let mut at = 0;
    while at < open.len() {
        set &= !(1 << (open[at] - 1));
        at += 1;
    }
    set
};
/// All but those that are ignored unless a program asks for them: SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
const ENDING_SIGNALS: u64 = !(1 << 16 | 1 << 17 | 1 << 22 | 1 << 27);

/// How the thread goes on.
pub(super) struct Resumption {
    /// Its registers of before, changed so that an interrupted system call is made again.
    pub registers: arch::Registers,
    /// The address of the instruction after an interrupted system call; `None` if the thread was not in a system call.
    pub interrupted_at: Option<u64>,
}

/// The data, or `None` where the text is too long.
pub(super) fn data(python: &Python, text: &str, directly: bool, resumption: &Resumption) -> Option<Vec<u8>> {
    if text.len() >= DATA_BYTES - TEXT {
        return None;
    }
    let mut data = vec![0; TEXT];
    let mut put = |at: usize, value: u64| data[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let functions = [
        python.is_initialized,
        python.ensure,
        python.release,
        python.run_simple_string,
        python.add_pending_call,
    ];
    for (i, function) in functions.into_iter().enumerate() {
        put(FUNCTIONS + 8 * i, function);
    }
    put(DIRECTLY, directly.into());
    put(BLOCKED, BLOCKED_SIGNALS);
    put(ENDING, ENDING_SIGNALS);
    put(WAITED, resumption.interrupted_at.is_some().into());
    put(INTERRUPTED_AT, resumption.interrupted_at.unwrap_or(0));
    arch::put_registers(&mut put, &resumption.registers);
    data.extend(text.as_bytes());
    data.push(0);
    Some(data)
}

/// What the numbers in the process say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// What the interpreter said, once it said something.
    pub result: Option<i64>,
    /// No thread will come back into the block, but for its last instructions.
    pub is_over: bool,
}

/// Bytes from the start of the data that [`Progress::parse`] wants.
pub(super) const NUMBERS: usize = 0x80;

impl Progress {
    pub fn parse(numbers: &[u8; NUMBERS]) -> Self {
        let number = |at: usize| {
            let bytes: [u8; 8] = std::array::from_fn(|i| numbers[at + i]);
            i64::from_le_bytes(bytes)
        };
        let is_done = number(DONE) != 0;
        Self { result: is_done.then(|| number(RESULT)), is_over: is_done && number(RETURNED) != 0 }
    }
}
