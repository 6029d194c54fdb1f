/*
 * arch_zero_open: clearing much memory with interrupts on. REP STOSQ takes interrupts between any two of its rounds,
 * with RDI and RCX saying how far it has come (SDM vol. 2B, REP), so they wait for nothing however much is cleared.
 * When one has found that something else is to run (trap.c), it goes back not to clear_open but to clear_end.
 *
 * rdi: where, rsi: how many words. Returns the words that are left.
 */
        .text
        .globl arch_zero_open, clear_open, clear_end
        .type arch_zero_open, @function
arch_zero_open:
        movq    %rsi, %rcx
        xorl    %eax, %eax
        sti
        nop                                     /* STI lets them in after this one (SDM vol. 2B) */
clear_open:
        rep stosq
clear_end:
        cli
        movq    %rcx, %rax
        ret
        .size arch_zero_open, . - arch_zero_open
