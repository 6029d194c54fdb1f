/*
 * Entry of exceptions and interrupts. Each vector's stub brings the stack to one form (struct trap_frame in
 * trap.h) and calls trap_dispatch(frame).
 *
 * Vectors that can strike anywhere, also between SYSCALL and the switch of GS and stack (#DB, NMI, #DF, #MC),
 * run on stacks of their own (IST) and do not trust GS: the last word of such a stack holds the address of this
 * CPU's struct cpu. They set GS base from it and put the old one back, whatever it was.
 */
#include "kernel/arch/x86_64/offsets.h"

        .macro  save_registers
        pushq   %rax
        pushq   %rbx
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        .endm

        .macro  restore_registers
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rbx
        popq    %rax
        .endm

        /* User mode may have set AC, which would open user memory to the kernel; no flag is cleared by the gate. */
        .macro  close_user_memory
        cmpb    $0, smap_in_use
        je      9f
        clac
9:
        .endm

        .text
        .globl trap_common
        .type trap_common, @function
trap_common:
        cld
        close_user_memory
        testb   $3, 24(%rsp)                    /* CS: from user mode? */
        jz      1f
        swapgs
1:
trap_registers:
        save_registers
        /* Do not speculate past the choice of GS with the user's (SDM vol. 3A, swapgs note). */
        lfence
        xorl    %ebp, %ebp
        movq    %rsp, %rdi
        call    trap_dispatch
        .globl trap_return
trap_return:
        restore_registers
        testb   $3, 24(%rsp)
        jz      2f
        swapgs
2:      addq    $16, %rsp                       /* vector and error code */
        iretq
        .globl trap_common_end
trap_common_end:
        .size trap_common, . - trap_common

        /*
         * In and out for a vector with a stack of its own; each has its copy, so that a breakpoint in one is none in
         * the others. In C, trap_dispatch answers whether the handler of an NMI was interrupted. Then the way back is
         * not IRET, which would let the next NMI in, onto the stack that is in use (SDM vol. 3A 6.7.1): rip and rflags
         * go onto the interrupted stack, which is the kernel's and has no red zone, and are taken from there.
         */
        .macro  paranoid name
        .globl  trap_\name
        .type   trap_\name, @function
trap_\name:
        cld
        close_user_memory
        save_registers
        movl    $0xc0000101, %ecx               /* GS base */
        rdmsr
        shlq    $32, %rdx
        movl    %eax, %ebx
        orq     %rdx, %rbx                      /* rbx: GS base to put back */
        movq    %rsp, %rdi                      /* top word of this stack: struct cpu */
        orq     $(INTERRUPT_STACK_SIZE - 1), %rdi
        movq    -7(%rdi), %rax
        movq    %rax, %rdx
        shrq    $32, %rdx
        wrmsr
        lfence
        xorl    %ebp, %ebp
        movq    %rsp, %rdi
        call    trap_dispatch
        movzbl  %al, %r12d                      /* r12: back into the handler of an NMI */
        movl    $0xc0000101, %ecx
        movq    %rbx, %rdx
        shrq    $32, %rdx
        movl    %ebx, %eax
        wrmsr
        testl   %r12d, %r12d
        jnz     8f
        restore_registers
        addq    $16, %rsp
        iretq
8:      restore_registers
        addq    $16, %rsp
        pushq   %rax                            /* now 8: rip, 24: rflags, 32: rsp */
        movq    32(%rsp), %rax
        subq    $16, %rax
        pushq   8(%rsp)
        popq    8(%rax)
        pushq   24(%rsp)
        popq    (%rax)
        movq    %rax, 32(%rsp)
        popq    %rax
        movq    24(%rsp), %rsp
        popfq
        ret
        .globl  trap_\name\()_end
trap_\name\()_end:
        .size trap_\name, . - trap_\name
        .endm

        paranoid nmi
        paranoid double_fault
        paranoid machine_check
        paranoid debug_in_kernel

        /*
         * #DB has a stack of its own because it can strike in the kernel's entry. From user mode it is an exception
         * like any other, which may switch threads, so it moves to the thread's stack. The scratch word of the system
         * call entry is free: this was user mode. No load through GS before it is known that it is the kernel's, also
         * not by speculation.
         */
        .globl trap_debug
        .type trap_debug, @function
trap_debug:
        testb   $3, 24(%rsp)
        jz      trap_debug_in_kernel
        swapgs
        lfence
        movq    %rax, %gs:CPU_USER_STACK
        movq    %rsp, %rax
        movq    %gs:CPU_KERNEL_STACK, %rsp
        pushq   48(%rax)
        pushq   40(%rax)
        pushq   32(%rax)
        pushq   24(%rax)
        pushq   16(%rax)
        pushq   8(%rax)
        pushq   (%rax)
        movq    %gs:CPU_USER_STACK, %rax
        cld
        close_user_memory
        jmp     trap_registers
        .size trap_debug, . - trap_debug

        /* Stubs of equal size, so that the IDT is filled by arithmetic. Vectors with an error code: SDM 6.3.1. */
        .balign 16
        .globl trap_stubs
trap_stubs:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     vector == 8
        pushq   $vector
        jmp     trap_double_fault
        .elseif (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
        pushq   $vector
        jmp     trap_common
        .elseif vector == 1
        pushq   $0
        pushq   $vector
        jmp     trap_debug
        .elseif vector == 2
        pushq   $0
        pushq   $vector
        jmp     trap_nmi
        .elseif vector == 18
        pushq   $0
        pushq   $vector
        jmp     trap_machine_check
        .else
        pushq   $0
        pushq   $vector
        jmp     trap_common
        .endif
        .set    vector, vector + 1
        .endr
