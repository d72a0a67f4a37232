// What a stopped thread runs, x86-64. Assembled into x86_64.bytes; a test assembles it again and compares.
// The block of data starts DATA bytes after `entry`; its layout is in ../block.rs.
//
// All registers are free at `entry`: their values of before are in the block, and go back from there at the end.
.set DATA, 0x1000
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
.set REGISTERS, 0x80
.set INTERRUPTED_AT, 0x180
.set TEXT, 0x2000
.set VECTORS, 0x1000
// x87, SSE, AVX, AVX-512: what ordinary code may have in use.
.set COMPONENTS, 0xe7

entry:
    lea rsp, [rsp - 128]            // below lies the red zone
    and rsp, -64
    cld
    lea rbx, [rip + entry + DATA]
    mov eax, COMPONENTS
    xor edx, edx
    xsave64 [rbx + VECTORS]
    mov eax, 14                     // rt_sigprocmask(SIG_BLOCK, blocked, mask, 8)
    xor edi, edi
    lea rsi, [rbx + BLOCKED]
    lea rdx, [rbx + MASK]
    mov r10d, 8
    syscall
    mov r12, -2                     // there is no interpreter
    call [rbx + IS_INITIALIZED]
    test eax, eax
    jz ended
    cmp qword ptr [rbx + DIRECTLY], 0
    je leave_call
    call [rbx + ENSURE]
    mov r13d, eax
    test eax, eax                   // it had the interpreter's lock already: it may be anywhere in its C code
    jz release_and_leave
    lea rdi, [rbx + TEXT]
    call [rbx + RUN]
    movsxd r12, eax
    mov edi, r13d
    call [rbx + RELEASE]
ended:
    mov [rbx + RESULT], r12
    mov qword ptr [rbx + DONE], 1
    jmp back
release_and_leave:
    mov edi, eax
    call [rbx + RELEASE]
leave_call:
    lea rdi, [rip + callback]
    lea rsi, [rbx + TEXT]
    call [rbx + ADD_CALL]
    movsxd r12, eax
    test eax, eax
    jnz ended
back:
    cmp qword ptr [rbx + WAITED], 0
    je unblock
    mov eax, 127                    // rt_sigpending(pending, 8)
    lea rdi, [rbx + PENDING]
    mov esi, 8
    syscall
    test eax, eax
    jnz unblock
    mov rax, [rbx + MASK]
    not rax
    and rax, [rbx + PENDING]
    and rax, [rbx + ENDING]
    jz unblock
    mov rax, [rbx + INTERRUPTED_AT] // the call ends as a signal would have ended it
    mov [rbx + REGISTERS + 0x80], rax
    mov qword ptr [rbx + REGISTERS], -4
unblock:
    mov eax, 14                     // rt_sigprocmask(SIG_SETMASK, mask, NULL, 8)
    mov edi, 2
    lea rsi, [rbx + MASK]
    xor edx, edx
    mov r10d, 8
    syscall
    mov eax, COMPONENTS
    xor edx, edx
    xrstor64 [rbx + VECTORS]
    mov qword ptr [rbx + RETURNED], 1
    push qword ptr [rbx + REGISTERS + 0x88]
    popfq
    mov rax, [rbx + REGISTERS + 0x00]
    mov rcx, [rbx + REGISTERS + 0x10]
    mov rdx, [rbx + REGISTERS + 0x18]
    mov rsi, [rbx + REGISTERS + 0x20]
    mov rdi, [rbx + REGISTERS + 0x28]
    mov rbp, [rbx + REGISTERS + 0x30]
    mov r8, [rbx + REGISTERS + 0x40]
    mov r9, [rbx + REGISTERS + 0x48]
    mov r10, [rbx + REGISTERS + 0x50]
    mov r11, [rbx + REGISTERS + 0x58]
    mov r12, [rbx + REGISTERS + 0x60]
    mov r13, [rbx + REGISTERS + 0x68]
    mov r14, [rbx + REGISTERS + 0x70]
    mov r15, [rbx + REGISTERS + 0x78]
    mov rsp, [rbx + REGISTERS + 0x38]
    mov rbx, [rbx + REGISTERS + 0x08]
    jmp [rip + entry + DATA + REGISTERS + 0x80]

// int callback(void *text): the interpreter makes this call between two instructions.
callback:
    push rbx
    lea rbx, [rip + entry + DATA]
    call [rbx + RUN]
    movsxd rax, eax
    mov [rbx + RESULT], rax
    mov qword ptr [rbx + DONE], 1
    pop rbx
    xor eax, eax
    ret
