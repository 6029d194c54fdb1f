/*
 * The way of a core from a start-up interrupt to the kernel: copied to a page below 1 MiB by start.c, which fills in
 * the words that are named trampoline_base_*, trampoline_root and trampoline_cr4. The core begins in real mode at
 * offset 0 of the page, CS being its segment, and goes to long mode in one step (SDM vol. 3A 9.8.5, with PE and PG
 * set together).
 *
 * Registers: none are kept until start_arrived, which is in the image: esi local APIC id, rdi the mailbox.
 */
#include "kernel/arch/x86_64/core_id.inc"
#include "kernel/arch/x86_64/offsets.h"

        .section .rodata.trampoline, "a"
        .balign 16
        .globl trampoline_start, trampoline_end, trampoline_gdt, trampoline_long
        .globl trampoline_base_gdt, trampoline_base_far, trampoline_root, trampoline_cr4
        .code16
trampoline_start:
        cli
        cld
        movw    %cs, %ax
        movw    %ax, %ds
        lgdtl   gdt_register - trampoline_start
        movl    trampoline_cr4 - trampoline_start, %eax
        movl    %eax, %cr4
        movl    trampoline_root - trampoline_start, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx               /* EFER: LME and NXE, before tables that use no-execute */
        rdmsr
        orl     $0x900, %eax
        wrmsr
        movl    $0x80000011, %eax               /* CR0: PG, ET, PE; caches on (CD=0, NW=0) */
        movl    %eax, %cr0
        ljmpl   *(trampoline_base_far - trampoline_start)

        .code64
trampoline_long:
        movl    $SEL_KERNEL_DATA, %eax
        movl    %eax, %ss
        movl    %eax, %ds
        movl    %eax, %es
        movq    $start_arrived, %rax
        jmp     *%rax

        .balign 8
trampoline_gdt:
        .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_register:
        .word   . - trampoline_gdt - 1
trampoline_base_gdt:
        .long   0
trampoline_base_far:
        .long   0
        .word   SEL_KERNEL_CODE
        .balign 4
trampoline_root:
        .long   0
trampoline_cr4:                                 /* PAE, and LA57 where tables have five levels */
        .long   0
trampoline_end:

        .text
        .globl start_arrived
        .type start_arrived, @function
start_arrived:
        CORE_ID
        movq    $start_mailbox, %rdi
        /* Read what is prepared before it is claimed: from then on the mailbox may be the next one's. */
        movq    MAILBOX_CPU(%rdi), %rdx
        movq    MAILBOX_STACK(%rdi), %rsp
        movq    MAILBOX_ROOT(%rdi), %rbx
        /* One that was given up, and comes while another one is expected, must not take its place. */
        leal    MAILBOX_OPEN(%rsi), %eax
        movl    $MAILBOX_CLAIMED, %ecx
        lock cmpxchgl %ecx, MAILBOX_STATE(%rdi)
        jne     3f
        movq    %rbx, %cr3
        xorl    %ebp, %ebp
        movq    %rdx, %rdi
        call    cpu_entry_secondary
        ud2
3:      cli
        hlt
        jmp     3b
        .size start_arrived, . - start_arrived
