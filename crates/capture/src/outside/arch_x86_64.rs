//! What is particular to x86-64.

use super::block::Resumption;

pub(super) const ARCHITECTURE: object::Architecture = object::Architecture::X86_64;
pub(super) type Registers = nix::libc::user_regs_struct;

/// What the thread runs.
pub(super) const CODE: &[u8] = include!("code/x86_64.bytes");
/// Where its data starts: the next page.
pub(super) const DATA: u64 = 0x1000;
/// The instruction `syscall`.
pub(super) const SYSTEM_CALL: &[u8] = &[0x0f, 0x05];
pub(super) const MMAP: u64 = 9;
pub(super) const MPROTECT: u64 = 10;
pub(super) const MUNMAP: u64 = 11;

const FUTEX: u64 = 202;
const RESTART_SYSCALL: u64 = 219;
/// The calls in which a thread may wait for a lock, the word of memory as their first argument. One that was stopped before in
/// its wait, by a signal or by another tracer, waits in the second; other calls that go on in it have no address of the interpreter.
pub(super) const LOCK_WAITS: [u64; 2] = [FUTEX, RESTART_SYSCALL];
const EPOLL_WAIT: u64 = 232;
const EPOLL_PWAIT: u64 = 281;
// What the kernel returns from a system call that it means to make again.
const EINTR: i64 = -4;
const ERESTARTSYS: i64 = -512;
const ERESTARTNOHAND: i64 = -514;
const ERESTART_RESTARTBLOCK: i64 = -516;

/// Whether the processor and the kernel have the instructions of [`CODE`].
pub(super) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("xsave")
}

pub(super) fn instruction(registers: &Registers) -> u64 {
    registers.rip
}

/// How a thread goes on that was stopped while it waited in the kernel; `None` where it did not wait.
///
/// A call that the kernel cannot make again has failed with EINTR by now, as it does whenever a process is stopped and
/// goes on. Where it has no time limit, it is made again nevertheless.
pub(super) fn waited(registers: &Registers, _next: [u8; 4]) -> Option<Resumption> {
    let call = u64::try_from(registers.orig_rax.cast_signed()).ok()?;
    let again = |number| {
        let registers = Registers { rax: number, rip: registers.rip.wrapping_sub(2), ..*registers };
        Resumption { registers, interrupted_at: Some(registers.rip.wrapping_add(2)) }
    };
    match registers.rax.cast_signed() {
        ERESTARTSYS | ERESTARTNOHAND => Some(again(call)),
        ERESTART_RESTARTBLOCK => Some(again(RESTART_SYSCALL)),
        EINTR if matches!(call, EPOLL_WAIT | EPOLL_PWAIT) && (registers.r10 as i32) < 0 => Some(again(call)),
        EINTR => Some(Resumption { registers: *registers, interrupted_at: None }),
        _ => None,
    }
}

/// The word of memory on which a thread waits that has stopped in the kernel, where it waits for a lock.
pub(super) fn lock(registers: &Registers) -> Option<u64> {
    LOCK_WAITS.contains(&registers.orig_rax).then_some(registers.rdi)
}

/// The registers with which a thread makes a system call at `at`.
pub(super) fn system_call(before: &Registers, at: u64, number: u64, arguments: [u64; 6]) -> Registers {
    let [rdi, rsi, rdx, r10, r8, r9] = arguments;
    Registers { rip: at, rax: number, orig_rax: u64::MAX, rdi, rsi, rdx, r10, r8, r9, ..*before }
}

pub(super) fn returned(registers: &Registers) -> i64 {
    registers.rax.cast_signed()
}

/// The registers with which a thread runs the code at `at`.
pub(super) fn start(before: &Registers, at: u64) -> Registers {
    Registers { rip: at, orig_rax: u64::MAX, ..*before }
}

/// Puts the registers where the code takes them from.
pub(super) fn put_registers(put: &mut impl FnMut(usize, u64), r: &Registers) {
    let order = [
        r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
        r.r14, r.r15, r.rip, r.eflags,
    ];
    for (i, value) in order.into_iter().enumerate() {
        put(0x80 + 8 * i, value);
    }
}
