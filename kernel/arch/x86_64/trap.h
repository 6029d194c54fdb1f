/*
 * Exceptions and interrupts: the frame that traps.S builds, the vectors, and who handles an interrupt.
 */
#ifndef QUIRE_X86_TRAP_H
#define QUIRE_X86_TRAP_H

#include <stdbool.h>
#include <stdint.h>

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t code;
    uint64_t rip, cs, rflags, rsp, ss;
};

#define VECTOR_DEBUG         1
#define VECTOR_NMI           2
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_PAGE_FAULT    14
#define VECTOR_MACHINE_CHECK 18
#define VECTOR_EXCEPTIONS    32

/* Interrupts of our own; a higher number is a higher priority in the local APIC (SDM vol. 3A 10.8.3). */
#define VECTOR_DEVICES  0x30 /* and up: lines of the I/O APIC */
#define VECTOR_TIMER    0xf0
#define VECTOR_KICK     0xf1
#define VECTOR_FLUSH    0xf2
#define VECTOR_SPURIOUS 0xff

static inline bool trap_from_user(const struct trap_frame *frame)
{
    return (frame->cs & 3) != 0;
}

/* "page fault", "divide error", ...; never NULL. */
const char *trap_name(uint64_t vector);

/* A fault inside the copy routines for user memory: let them answer false. False when it was elsewhere. */
bool trap_recover_user_copy(struct trap_frame *frame);

/* Call handler() for a device vector; one handler a vector, set at boot. */
void trap_set_handler(unsigned vector, void (*handler)(void));

/* From the assembly. True when the handler of an NMI was interrupted, which must go on without IRET. */
bool trap_dispatch(struct trap_frame *frame);

/*
 * For tests of the entry code: gets each exception before anybody else; true when it has dealt with it. NULL
 * but in a kernel under test. Set before any strikes.
 */
extern bool (*trap_hook)(struct trap_frame *frame);

#endif
