/*
 * SYSCALL entry and SYSRET exit (SDM vol. 2B; the mask of flags and the targets are set in cpu.c).
 *
 * In: rax number, rdi rsi rdx r10 r8 r9 arguments, rcx user rip, r11 user rflags. Interrupts are off (SFMASK).
 * Out: rax error, rdx result; rcx and r11 hold the user's rip and rflags, other argument registers are 0, the
 * callee-saved ones as they were. rip is canonical on the way back: user space ends a page below the hole.
 */
#include "kernel/arch/x86_64/offsets.h"
#include "syscall_numbers.h"

        .text
        .globl syscall_entry
        .type syscall_entry, @function
syscall_entry:
        swapgs
        movq    %rsp, %gs:CPU_USER_STACK
        movq    %gs:CPU_KERNEL_STACK, %rsp
        pushq   %gs:CPU_USER_STACK
        pushq   %r11
        pushq   %rcx
        pushq   %rbp
        pushq   %r9
        pushq   %r8
        pushq   %r10
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        xorl    %ebp, %ebp
        cmpq    trace_call_limit, %rax
        jae     syscall_unusual
        /* By arithmetic too: a speculated path past the check must not call by a number that fails it. */
        sbbq    %rdx, %rdx
        andq    %rdx, %rax
        movq    %rsp, %rdi
        call    *syscall_decoders(,%rax,8)
called:
        cmpl    $0, %gs:CPU_PENDING
        jne     pending
return_to_user:
        addq    $48, %rsp
        popq    %rbp
        popq    %rcx
        popq    %r11
        popq    %rsp
        xorl    %edi, %edi
        xorl    %esi, %esi
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r10d, %r10d
        swapgs
        sysretq
pending:
        pushq   %rax
        pushq   %rdx
        call    thread_before_user
        popq    %rdx
        popq    %rax
        jmp     return_to_user
        .size syscall_entry, . - syscall_entry

/* Part of the entry: no such call; or tracing is on, and each call comes here. */
        .type syscall_unusual, @function
syscall_unusual:
        cmpq    $SYS_COUNT, %rax
        jae     no_call
        sbbq    %rdx, %rdx
        andq    %rdx, %rax
        movq    %rsp, %rdi
        movq    %rax, %rsi
        call    syscall_traced
        jmp     called
no_call:
        movl    $ERROR_NO_CALL, %eax
        xorl    %edx, %edx
        jmp     called
        .size syscall_unusual, . - syscall_unusual

/*
 * arch_enter_user(entry rdi, stack rsi, argument rdx): the first way to user mode, all registers clean.
 */
        .globl arch_enter_user
        .type arch_enter_user, @function
arch_enter_user:
        movq    %rdi, %rcx
        movl    $0x202, %r11d                   /* IF and the bit that is always set */
        movq    %rsi, %rsp
        movq    %rdx, %rdi
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %ebp, %ebp
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r10d, %r10d
        xorl    %r12d, %r12d
        xorl    %r13d, %r13d
        xorl    %r14d, %r14d
        xorl    %r15d, %r15d
        swapgs
        sysretq
        .size arch_enter_user, . - arch_enter_user

/*
 * First steps of a new thread: the thread that ran before comes in rdi; start and its argument, which
 * arch_thread_prepare left, are next on the stack.
 */
        .globl thread_first_steps
        .type thread_first_steps, @function
thread_first_steps:
        xorl    %ebp, %ebp
        popq    %r12
        call    thread_arrived
        movq    (%rsp), %rdi
        call    *%r12
        ud2
        .size thread_first_steps, . - thread_first_steps

/*
 * Copies with a user address on one side (arch_copy_from_user, arch_copy_to_user): rdi to, rsi from, rdx bytes.
 * A page fault between user_copy_start and user_copy_end goes on at user_copy_fault, which answers false.
 * The first routine is for CPUs without SMAP, the second opens user access for the time of the copy.
 */
        .globl user_copy_plain, user_copy_smap, user_copy_start, user_copy_end, user_copy_fault
        .type user_copy_plain, @function
user_copy_smap:
        stac
        movq    %rdx, %rcx
user_copy_start:
        rep movsb
        clac
        movl    $1, %eax
        ret
user_copy_plain:
        movq    %rdx, %rcx
        rep movsb
user_copy_end:
        movl    $1, %eax
        ret
user_copy_fault:
        xorl    %eax, %eax
        ret
        .size user_copy_plain, . - user_copy_plain
