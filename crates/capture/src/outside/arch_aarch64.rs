//! What is particular to AArch64.

use super::block::Resumption;

pub(super) const ARCHITECTURE: object::Architecture = object::Architecture::Aarch64;
pub(super) type Registers = nix::libc::user_regs_struct;

/// What the thread runs.
pub(super) const CODE: &[u8] = include!("code/aarch64.bytes");
/// Where its data starts: the next page, of whatever size pages are.
pub(super) const DATA: u64 = 0x1_0000;
/// The instruction `svc #0`.
pub(super) const SYSTEM_CALL: &[u8] = &[0x01, 0x00, 0x00, 0xd4];
pub(super) const MMAP: u64 = 222;
pub(super) const MPROTECT: u64 = 226;
pub(super) const MUNMAP: u64 = 215;

const EPOLL_PWAIT: u64 = 22;
const FUTEX: u64 = 98;
const NANOSLEEP: u64 = 101;
const CLOCK_NANOSLEEP: u64 = 115;
/// Calls that wait: read, write, readv, pselect6, ppoll, waitid, accept, connect, sendto, recvfrom, sendmsg, recvmsg,
/// accept4, wait4, and those above.
const WAITS: &[u64] = &[
    63,
    64,
    65,
    72,
    73,
    95,
    202,
    203,
    206,
    207,
    211,
    212,
    242,
    260,
    EPOLL_PWAIT,
    NANOSLEEP,
    CLOCK_NANOSLEEP,
];
const RESTART_SYSCALL: u64 = 128;
/// The calls in which a thread may wait for a lock, the word of memory as their first argument. One that was stopped before in
/// its wait, by a signal or by another tracer, waits in the second; other calls that go on in it have no address of the interpreter.
pub(super) const LOCK_WAITS: [u64; 2] = [FUTEX, RESTART_SYSCALL];
const TIMER_ABSTIME: u64 = 1;
const EINTR: i64 = -4;

pub(super) fn is_supported() -> bool {
    true
}

pub(super) fn instruction(registers: &Registers) -> u64 {
    registers.pc
}

/// How a thread goes on that was stopped while it waited in the kernel; `None` where it did not wait.
///
/// `next` is its next instruction. Here the kernel has put a thread back before its system call by the time a tracer sees
/// it, and a sleep goes on for the rest of its time by a call of its own. What cannot be made again has failed with EINTR.
pub(super) fn waited(registers: &Registers, next: [u8; 4]) -> Option<Resumption> {
    let call = registers.regs[8];
    let mut again = *registers;
    // Or it is about to make the call, which for these calls is as safe.
    let is_wait = WAITS.contains(&call) || (call == FUTEX && matches!(registers.regs[1] & 0x7f, 0 | 9));
    if next == SYSTEM_CALL && is_wait {
        let sleeps = call == NANOSLEEP || (call == CLOCK_NANOSLEEP && registers.regs[1] & TIMER_ABSTIME == 0);
        if sleeps {
            again.regs[8] = RESTART_SYSCALL;
        }
        return Some(Resumption { registers: again, interrupted_at: Some(registers.pc.wrapping_add(4)) });
    }
    // Without a time limit; its first argument is overwritten by now, so that it cannot be made again.
    let failed = registers.regs[0].cast_signed() == EINTR && call == EPOLL_PWAIT;
    failed.then_some(Resumption { registers: again, interrupted_at: None })
}

/// The word of memory on which a thread waits that has stopped in the kernel, where it waits for a lock.
pub(super) fn lock(registers: &Registers) -> Option<u64> {
    LOCK_WAITS.contains(&registers.regs[8]).then_some(registers.regs[0])
}

/// The registers with which a thread makes a system call at `at`.
pub(super) fn system_call(before: &Registers, at: u64, number: u64, arguments: [u64; 6]) -> Registers {
    let mut registers = *before;
    registers.regs[..6].copy_from_slice(&arguments);
    registers.regs[8] = number;
    registers.pc = at;
    registers
}

pub(super) fn returned(registers: &Registers) -> i64 {
    registers.regs[0].cast_signed()
}

/// The registers with which a thread runs the code at `at`.
pub(super) fn start(before: &Registers, at: u64) -> Registers {
    Registers { pc: at, ..*before }
}

/// Puts the registers where the kernel takes them from at the end: a `struct rt_sigframe` with a record for the vector
/// registers, which the code fills.
pub(super) fn put_registers(put: &mut impl FnMut(usize, u64), registers: &Registers) {
    const FRAME: usize = 0x1000;
    const FPSIMD_MAGIC: u64 = 0x4650_8001;
    const FPSIMD_BYTES: u64 = 528;
    for (i, &value) in registers.regs.iter().enumerate() {
        put(FRAME + 312 + 8 * i, value);
    }
    put(FRAME + 560, registers.sp);
    put(FRAME + 568, registers.pc);
    put(FRAME + 576, registers.pstate);
    put(FRAME + 592, FPSIMD_BYTES << 32 | FPSIMD_MAGIC);
}
