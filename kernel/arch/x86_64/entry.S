/*
 * Where a BOOTBOOT loader enters the kernel, on every core, in any order, on a stack of 1 KiB or none to speak
 * of, caches perhaps off. The boot processor goes on to kernel_entry on a stack of its own; the others draw a
 * ticket and wait, each on a cache line of its own, until their page tables, stack and struct cpu are ready.
 * No stack is used before then, and no memory but this image.
 *
 * Registers: ebx ticket, esi local APIC id; r15 time stamp of the entry.
 */
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

        /* Which core: the x2APIC id of leaf 0xb where there is one, else the initial id of leaf 1. */
        xorl    %eax, %eax
        cpuid
        cmpl    $0xb, %eax
        jb      1f
        movl    $0xb, %eax
        xorl    %ecx, %ecx
        cpuid
        testl   %ebx, %ebx
        jz      1f
        movl    %edx, %esi
        jmp     2f
1:      movl    $1, %eax
        cpuid
        movl    %ebx, %esi
        shrl    $24, %esi
2:
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
3:      pause
        cmpl    $0, START_SLOT_GO(%rdi)
        je      3b

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

        .section .bss
        .balign 16
early_stack:
        .skip   EARLY_STACK_SIZE
