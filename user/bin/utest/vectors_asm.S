/*
 * Vector registers that are full while time passes.
 *
 * vectors_hold(const uint8_t in[16][32], uint8_t out[16][32], uint64_t turns): loads xmm0..15, runs `turns` empty
 * turns, stores them. vectors_hold_wide is the same with ymm0..15, and needs AVX.
 * In: rdi = in, rsi = out, rdx = turns. The rows are 32 bytes apart in both.
 */
    .text
    .macro each operation, set, base
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \operation \number, \set, \base
    .endr
    .endm
    .macro load number, set, base
    .ifc \set, x
    movups 32*\number(\base), %xmm\number
    .else
    vmovups 32*\number(\base), %ymm\number
    .endif
    .endm
    .macro store number, set, base
    .ifc \set, x
    movups %xmm\number, 32*\number(\base)
    .else
    vmovups %ymm\number, 32*\number(\base)
    .endif
    .endm

    .globl vectors_hold
    .type vectors_hold, @function
vectors_hold:
    each load, x, %rdi
1:  decq %rdx
    jnz 1b
    each store, x, %rsi
    ret
    .size vectors_hold, . - vectors_hold

    .globl vectors_hold_wide
    .type vectors_hold_wide, @function
vectors_hold_wide:
    each load, y, %rdi
1:  decq %rdx
    jnz 1b
    each store, y, %rsi
    vzeroupper
    ret
    .size vectors_hold_wide, . - vectors_hold_wide
