/*
 * System calls with every register known before and read after.
 *
 * registers_call(const uint64_t before[16], uint64_t after[17]): loads all general registers but rsp from
 * `before` (order: rax rbx rcx rdx rsi rdi rbp - r8 .. r15, rsp's place is not used), makes a system call, and
 * stores all of them in `after`, with rflags as number 16. In: rdi = before, rsi = after.
 */
#include "syscall_numbers.h"

    .text
    .globl registers_call
    .type registers_call, @function
registers_call:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rsi
    movq (%rdi), %rax
    movq 8(%rdi), %rbx
    movq 16(%rdi), %rcx
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rsi
    movq 48(%rdi), %rbp
    movq 64(%rdi), %r8
    movq 72(%rdi), %r9
    movq 80(%rdi), %r10
    movq 88(%rdi), %r11
    movq 96(%rdi), %r12
    movq 104(%rdi), %r13
    movq 112(%rdi), %r14
    movq 120(%rdi), %r15
    movq 40(%rdi), %rdi
    syscall
    .globl registers_return
registers_return:
    pushfq
    pushq %rdi
    movq 16(%rsp), %rdi
    movq %rax, (%rdi)
    movq %rbx, 8(%rdi)
    movq %rcx, 16(%rdi)
    movq %rdx, 24(%rdi)
    movq %rsi, 32(%rdi)
    popq %rax
    movq %rax, 40(%rdi)
    movq %rbp, 48(%rdi)
    movq %r8, 64(%rdi)
    movq %r9, 72(%rdi)
    movq %r10, 80(%rdi)
    movq %r11, 88(%rdi)
    movq %r12, 96(%rdi)
    movq %r13, 104(%rdi)
    movq %r14, 112(%rdi)
    movq %r15, 120(%rdi)
    popq %rax
    movq %rax, 128(%rdi)
    popq %rsi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .size registers_call, . - registers_call

/*
 * registers_flags(uint64_t flags): sets these bits of rflags, makes the system call null, and returns the rflags
 * that it comes back with; direction and the other bits are clear again after. In: rdi.
 */
    .globl registers_flags
    .type registers_flags, @function
registers_flags:
    pushfq
    orq %rdi, (%rsp)
    xorl %eax, %eax
    popfq
    syscall
    pushfq
    pushq $2
    popfq
    popq %rax
    ret
    .size registers_flags, . - registers_flags

/*
 * The first instructions of a thread that looks at the state it was given. In: rdi = uint64_t state[16 + 32 + 1].
 * Stores the general registers (as above, rdi as 0, rsp's place 0), then xmm0..15, then mxcsr; then ends the
 * thread after setting state[49] to 1.
 */
    .globl registers_fresh
    .type registers_fresh, @function
registers_fresh:
    movq %rax, (%rdi)
    movq %rbx, 8(%rdi)
    movq %rcx, 16(%rdi)
    movq %rdx, 24(%rdi)
    movq %rsi, 32(%rdi)
    movq %rbp, 48(%rdi)
    movq %r8, 64(%rdi)
    movq %r9, 72(%rdi)
    movq %r10, 80(%rdi)
    movq %r11, 88(%rdi)
    movq %r12, 96(%rdi)
    movq %r13, 104(%rdi)
    movq %r14, 112(%rdi)
    movq %r15, 120(%rdi)
    movups %xmm0, 128(%rdi)
    movups %xmm1, 144(%rdi)
    movups %xmm2, 160(%rdi)
    movups %xmm3, 176(%rdi)
    movups %xmm4, 192(%rdi)
    movups %xmm5, 208(%rdi)
    movups %xmm6, 224(%rdi)
    movups %xmm7, 240(%rdi)
    movups %xmm8, 256(%rdi)
    movups %xmm9, 272(%rdi)
    movups %xmm10, 288(%rdi)
    movups %xmm11, 304(%rdi)
    movups %xmm12, 320(%rdi)
    movups %xmm13, 336(%rdi)
    movups %xmm14, 352(%rdi)
    movups %xmm15, 368(%rdi)
    stmxcsr 384(%rdi)
    movq $1, 392(%rdi)
    movl $SYS_THREAD_EXIT, %eax
    syscall
    ud2
    .size registers_fresh, . - registers_fresh
