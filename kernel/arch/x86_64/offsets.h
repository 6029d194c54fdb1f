/*
 * Numbers that assembly shares with C; checked against the structures in cpu.c.
 */
#ifndef QUIRE_X86_OFFSETS_H
#define QUIRE_X86_OFFSETS_H

#define CPU_SELF         0
#define CPU_KERNEL_STACK 8
#define CPU_USER_STACK   16
#define CPU_PENDING      24
#define CPU_NUMBER       28
#define CPU_LOCKS_HELD   32

#define THREAD_STACK_POINTER 72

#define ERROR_NO_CALL 1 /* ERR_NO_CALL */

/* Selectors; the order is the one that SYSCALL and SYSRET want, SDM vol. 2B. */
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_DATA   0x1b
#define SEL_USER_CODE   0x23
#define SEL_TSS         0x28

/* Interrupt stacks of the TSS; the last word of each holds the address of its struct cpu. */
#define IST_DOUBLE_FAULT  1
#define IST_NMI           2
#define IST_MACHINE_CHECK 3
#define IST_DEBUG         4
#define IST_COUNT         4

/* An interrupt stack is aligned to this, so that traps.S finds its last word. */
#define INTERRUPT_STACK_SIZE 8192

/* Slot in which a waiting core finds its orders, in the first line, with a small stack at its end: 256 bytes.
 */
#define START_SLOT_SHIFT 8
#define START_SLOT_ROOT  0
#define START_SLOT_STACK 8
#define START_SLOT_CPU   16
#define START_SLOT_GO    24
#define START_SLOT_ID    28

#define START_SLOTS 256

/* Set in the count of arrivals once late cores have to park. */
#define ARRIVALS_CLOSED 0x40000000

/* What is prepared for a core that the kernel starts itself: start.c. */
#define MAILBOX_ROOT  0
#define MAILBOX_STACK 8
#define MAILBOX_CPU   16
#define MAILBOX_STATE 24

#define MAILBOX_CLOSED  0
#define MAILBOX_CLAIMED 1
#define MAILBOX_OPEN    2 /* plus the id of the core that it is for */

#define EARLY_STACK_SIZE 16384

#endif
