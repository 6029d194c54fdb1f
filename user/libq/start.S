/*
 * The first instructions of a program. In: rdi = address of its startup block (abi/startup.h), rsp = top of its
 * stack. Nothing else is defined.
 */
    .text
    .globl _start
    .type _start, @function
_start:
    xorl %ebp, %ebp
    andq $-16, %rsp
    call program_begin
    ud2
    .size _start, . - _start
