/*
 * The code of the start page (boot/start.h). It is copied there and runs at any page below 1 MiB: everything is
 * addressed relative to the page.
 *
 *   ebp/rbp   address of the page          esi/rsi   the slot of this processor
 *
 * No stack is used before the kernel's own is loaded. A processor without a slot, or with one that has been
 * refused, parks for good.
 */
#include "boot/start.h"

#define CR0_PROTECTED   1
#define CR0_PAGING      0x80000000
#define MSR_EFER        0xc0000080
#define EFER_LONG_MODE  0x100
#define LEAF_APIC       1
#define LEAF_TOPOLOGY   0xb

    .section .rdata, "dr"
    .balign 16
    .globl start_code, start_join, start_code_end

start_code:
/* A start-up interrupt begins here: real mode, cs is the page. */
    .code16
    cli
    cld
    xorl %ebp, %ebp
    movw %cs, %bp
    movw %bp, %ds
    shll $4, %ebp
    lgdtl START_GDTR
    movl %cr0, %eax
    orl $CR0_PROTECTED, %eax
    movl %eax, %cr0
    ljmpl *START_FAR32

/* The boot processor comes here: long mode on the loader's page tables, rcx = address of the page. */
    .code64
start_join:
    cli
    cld
    movq %rcx, %rbp
    lgdt START_GDTR(%rbp)
    leaq leave_long_mode(%rip), %rax
    pushq $SELECTOR_CODE32
    pushq %rax
    lretq

    .code32
leave_long_mode:
    movl %cr0, %eax
    andl $~CR0_PAGING, %eax
    movl %eax, %cr0
    movl $MSR_EFER, %ecx
    rdmsr
    andl $~EFER_LONG_MODE, %eax
    wrmsr

/* All meet here: protected mode without paging. START_FAR32 points here. */
    .globl start_protected
start_protected:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl START_CR4(%ebp), %eax
    movl %eax, %cr4
    movl START_CR3(%ebp), %eax
    movl %eax, %cr3

    /* The local APIC id: 32 bits from the topology leaf where there is one, else 8 bits. */
    xorl %eax, %eax
    cpuid
    cmpl $LEAF_TOPOLOGY, %eax
    jb short_id
    movl $LEAF_TOPOLOGY, %eax
    xorl %ecx, %ecx
    cpuid
    movl %edx, %edi
    testl %ebx, %ebx
    jnz find_slot
short_id:
    movl $LEAF_APIC, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %edi

find_slot:
    movl START_SLOTS(%ebp), %esi
    movl START_SLOT_COUNT(%ebp), %ecx
next_slot:
    testl %ecx, %ecx
    jz park
    cmpl %edi, SLOT_APIC_ID(%esi)
    je enter_long_mode
    addl $SLOT_BYTES, %esi
    decl %ecx
    jmp next_slot

enter_long_mode:
    movl $MSR_EFER, %ecx
    movl SLOT_EFER(%esi), %eax
    xorl %edx, %edx
    wrmsr
    movl START_CR0(%ebp), %eax
    movl %eax, %cr0
    ljmpl *START_FAR64(%ebp)

park: /* the same instructions in 32-bit and 64-bit mode */
    cli
    hlt
    jmp park

/* START_FAR64 points here. The upper halves of the registers are undefined after the change of mode. */
    .code64
    .globl start_long
start_long:
    movl %ebp, %ebp
    movl %esi, %esi
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    xorl %eax, %eax
    lldt %ax
    lidt SLOT_IDTR(%rsi)
    fninit
    ldmxcsr START_MXCSR(%rbp)

    movl $SLOT_LISTED, %eax
    movl $SLOT_ANSWERED, %ecx
    lock cmpxchgl %ecx, SLOT_STATE(%rsi)
    jne park
    movl SLOT_OPENS(%rsi), %eax
    lock orl %eax, START_OPEN(%rbp)
wait_open:
    pause
    cmpl $0, START_OPEN(%rbp)
    je wait_open
    cmpl $SLOT_ANSWERED, SLOT_STATE(%rsi)
    jne park
    movl SLOT_DELAY(%rsi), %ecx
wait_delay:
    testl %ecx, %ecx
    jz enter_kernel
    pause
    decl %ecx
    jmp wait_delay

enter_kernel:
    movq SLOT_STACK(%rsi), %rsp
    movq SLOT_INDEX(%rsi), %rdi
    movq START_ENTRY(%rbp), %rax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %ebp, %ebp
    jmpq *%rax
start_code_end:
