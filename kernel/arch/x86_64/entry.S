/*
 * Where a BOOTBOOT loader enters the kernel, on every core, in any order, on a stack of 1 KiB or none to speak
 * of, caches perhaps off. The boot processor goes on to kernel_entry on a stack of its own; the others draw a
 * ticket and sleep, each in a slot of its own, until page tables, stack and struct cpu are ready for it and an NMI
 * wakes it. Nothing but this image is used: the loader's GDT, IDT and stack lie in memory that may be called free.
 *
 * Registers: ebx ticket, esi local APIC id; r15 time stamp of the entry.
 */
#include "kernel/arch/x86_64/core_id.inc"
#include "kernel/arch/x86_64/offsets.h"

        .section .text.entry, "ax"
        .globl _start
        .type _start, @function
_start:
        cli
        cld
        rdtsc
        shlq    $32, %rdx
        orq     %rdx, %rax
        movq    %rax, %r15

        /* Caches on: CD=0, NW=0 (SDM vol. 3A 11.5.1). The reference loader leaves CD=1 on every core. */
        movq    %cr0, %rax
        andl    $0x9fffffff, %eax
        movq    %rax, %cr0

        CORE_ID
        movzwl  bootboot + 0x0c, %eax           /* bspid */
        movzwl  %si, %edx
        cmpl    %eax, %edx
        jne     secondary

        leaq    early_stack + EARLY_STACK_SIZE, %rsp
        xorl    %ebp, %ebp
        movq    %r15, %rdi
        movl    %esi, %esi
        call    kernel_entry
        ud2

secondary:
        movl    $1, %ebx
        lock xaddl %ebx, start_arrivals
        cmpl    $START_SLOTS, %ebx              /* also true once ARRIVALS_CLOSED is set */
        jae     park
        movl    %ebx, %edi
        shlq    $START_SLOT_SHIFT, %rdi
        addq    $start_slots, %rdi
        movl    %esi, START_SLOT_ID(%rdi)
        leaq    (1 << START_SLOT_SHIFT)(%rdi), %rsp

        /* Segments and one gate of our own; every core writes the same into the gate. */
        lgdt    wait_gdt_register
        pushq   $SEL_KERNEL_CODE
        pushq   $3f
        lretq
3:      movl    $SEL_KERNEL_DATA, %eax
        movl    %eax, %ss
        leaq    wait_nmi, %rax
        movw    %ax, wait_idt + 16 * 2
        movw    $SEL_KERNEL_CODE, wait_idt + 16 * 2 + 2
        movw    $0x8e00, wait_idt + 16 * 2 + 4
        shrq    $16, %rax
        movw    %ax, wait_idt + 16 * 2 + 6
        shrq    $16, %rax
        movl    %eax, wait_idt + 16 * 2 + 8
        lidt    wait_idt_register

        /*
         * An NMI between the look and HLT would be slept over: the boot processor sends it again until the core
         * is up.
         */
4:      cmpl    $0, START_SLOT_GO(%rdi)
        jne     5f
        hlt
        jmp     4b
5:
        /* NXE before the tables that use it (the reference loader sets it on the boot processor only). */
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x800, %eax
        wrmsr
        movq    START_SLOT_CPU(%rdi), %rdx
        movq    START_SLOT_STACK(%rdi), %rsp
        movq    START_SLOT_ROOT(%rdi), %rax
        movq    %rax, %cr3
        xorl    %ebp, %ebp
        movq    %rdx, %rdi
        call    cpu_entry_secondary
        ud2

        /* A core that came too late, or is one too many: this text and the loader's tables stay, so halt here. */
park:   cli
        hlt
        jmp     park
        .size _start, . - _start

wait_nmi:
        iretq

        .section .rodata
        .balign 8
wait_gdt:
        .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
wait_gdt_register:
        .word   . - wait_gdt - 1
        .quad   wait_gdt
wait_idt_register:
        .word   16 * 3 - 1
        .quad   wait_idt

        .section .bss
        .balign 16
wait_idt:
        .skip   16 * 3
early_stack:
        .skip   EARLY_STACK_SIZE
