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

/*
 * leaf_zero_open: the same through a large leaf, which is empty before and after. rdi: the leaf, rsi: what it is to
 * say, rdx: where, rcx: how many words. INVLPG forgets the whole page, whatever the address in it (SDM vol. 3A,
 * 4.10.4.1).
 */
        .globl leaf_zero_open
        .type leaf_zero_open, @function
leaf_zero_open:
        movq    %rsi, (%rdi)
        movq    %rdi, %r8
        movq    %rdx, %rdi
        movq    %rcx, %rsi
        call    arch_zero_open                  /* leaves rdx and r8 as they are */
        movq    $0, (%r8)
        invlpg  (%rdx)
        ret
        .size leaf_zero_open, . - leaf_zero_open
