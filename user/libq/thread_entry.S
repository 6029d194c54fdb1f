/*
 * Both ends of a thread. Its last act tells the joiner, who may unmap the stack at once: so neither instruction
 * after the signal touches the stack.
 */
#include "syscall_numbers.h"

    .text
/* In: rdi = struct thread *, rsp = top of the new stack. */
    .globl thread_entry
    .type thread_entry, @function
thread_entry:
    xorl %ebp, %ebp
    andq $-16, %rsp
    call thread_run
    ud2
    .size thread_entry, . - thread_entry

/* In: rdi = handle of a notification. Signals bit 0 of it and ends the thread. */
    .globl thread_finish
    .type thread_finish, @function
thread_finish:
    movl $1, %esi
    movl $SYS_NOTIFICATION_SIGNAL, %eax
    syscall
    movl $SYS_THREAD_EXIT, %eax
    syscall
    ud2
    .size thread_finish, . - thread_finish
