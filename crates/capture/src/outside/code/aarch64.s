// What a stopped thread runs, AArch64. Assembled into aarch64.bytes; a test assembles it again and compares.
// The block of data starts DATA bytes after `entry`; its layout is in ../block.rs.
//
// All registers are free at `entry`. Their values of before are in a signal frame in the block, from which the kernel
// takes them at the end: no branch to an address leaves all registers as they are here.
.set DATA, 0x10000
.set DONE, 0x00
.set RESULT, 0x08
.set IS_INITIALIZED, 0x18
.set ENSURE, 0x20
.set RELEASE, 0x28
.set RUN, 0x30
.set ADD_CALL, 0x38
.set DIRECTLY, 0x40
.set MASK, 0x48
.set BLOCKED, 0x50
.set PENDING, 0x58
.set ENDING, 0x60
.set WAITED, 0x68
.set RETURNED, 0x78
.set INTERRUPTED_AT, 0x180
.set TEXT, 0x2000
.set FRAME, 0x1000
// In the frame, as Linux lays it out: struct rt_sigframe.
.set FRAME_MASK, 168
.set FRAME_X0, 312
.set FRAME_PC, 568
.set FRAME_VECTORS, 608

entry:
    adr x19, entry + DATA
    sub x9, sp, #128
    and sp, x9, #-16
    add x22, x19, #FRAME
    add x10, x22, #FRAME_VECTORS
    mrs x9, fpsr
    stur w9, [x10, #-8]
    mrs x9, fpcr
    stur w9, [x10, #-4]
    stp q0, q1, [x10, #0]
    stp q2, q3, [x10, #32]
    stp q4, q5, [x10, #64]
    stp q6, q7, [x10, #96]
    stp q8, q9, [x10, #128]
    stp q10, q11, [x10, #160]
    stp q12, q13, [x10, #192]
    stp q14, q15, [x10, #224]
    stp q16, q17, [x10, #256]
    stp q18, q19, [x10, #288]
    stp q20, q21, [x10, #320]
    stp q22, q23, [x10, #352]
    stp q24, q25, [x10, #384]
    stp q26, q27, [x10, #416]
    stp q28, q29, [x10, #448]
    stp q30, q31, [x10, #480]
    mov x0, #0                      // rt_sigprocmask(SIG_BLOCK, blocked, mask, 8)
    add x1, x19, #BLOCKED
    add x2, x19, #MASK
    mov x3, #8
    mov x8, #135
    svc #0
    mov x20, #-2                    // there is no interpreter
    ldr x9, [x19, #IS_INITIALIZED]
    blr x9
    cbz w0, ended
    ldr x9, [x19, #DIRECTLY]
    cbz x9, leave_call
    ldr x9, [x19, #ENSURE]
    blr x9
    mov w21, w0
    cbz w0, release_and_leave       // it had the interpreter's lock already: it may be anywhere in its C code
    add x0, x19, #TEXT
    ldr x9, [x19, #RUN]
    blr x9
    sxtw x20, w0
    mov w0, w21
    ldr x9, [x19, #RELEASE]
    blr x9
ended:
    str x20, [x19, #RESULT]
    mov x9, #1
    stlr x9, [x19]
    b back
release_and_leave:
    ldr x9, [x19, #RELEASE]
    blr x9
leave_call:
    adr x0, callback
    add x1, x19, #TEXT
    ldr x9, [x19, #ADD_CALL]
    blr x9
    sxtw x20, w0
    cbnz w0, ended
back:
    ldr x9, [x19, #WAITED]
    cbz x9, unblock
    add x0, x19, #PENDING           // rt_sigpending(pending, 8)
    mov x1, #8
    mov x8, #136
    svc #0
    cbnz w0, unblock
    ldr x9, [x19, #PENDING]
    ldr x10, [x19, #MASK]
    bic x9, x9, x10
    ldr x10, [x19, #ENDING]
    ands x9, x9, x10
    b.eq unblock
    ldr x9, [x19, #INTERRUPTED_AT]  // the call ends as a signal would have ended it
    str x9, [x22, #FRAME_PC]
    mov x9, #-4
    str x9, [x22, #FRAME_X0]
unblock:
    ldr x9, [x19, #MASK]
    str x9, [x22, #FRAME_MASK]
    mov x9, #1
    str x9, [x19, #RETURNED]
    mov sp, x22
    mov x8, #139                    // rt_sigreturn
    svc #0

// int callback(void *text): the interpreter makes this call between two instructions.
callback:
    stp x29, x30, [sp, #-32]!
    str x19, [sp, #16]
    adr x19, entry + DATA
    ldr x9, [x19, #RUN]
    blr x9
    sxtw x0, w0
    str x0, [x19, #RESULT]
    mov x9, #1
    stlr x9, [x19]
    ldr x19, [sp, #16]
    mov x0, #0
    ldp x29, x30, [sp], #32
    ret
