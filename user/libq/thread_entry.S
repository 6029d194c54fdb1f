/*
 * Where a thread begins.
 */
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
