/*
 * All cores enter here at once. The stack pointer at entry says which one it is; the stack has to be used before
 * anything else is, to see that it is there.
 */
    .section .text.entry, "ax"
    .globl _start
_start:
    movq %rsp, %rdi
    pushq $0
    call foreign_main
1:  cli
    hlt
    jmp 1b
