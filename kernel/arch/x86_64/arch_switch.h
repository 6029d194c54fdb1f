/*
 * Switching from one thread to another: inline, so that the compiler saves only what is in use.
 */
#ifndef QUIRE_X86_ARCH_SWITCH_H
#define QUIRE_X86_ARCH_SWITCH_H

#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/segments.h"
#include "kernel/arch/x86_64/vectors.h"
#include "kernel/sched/thread.h"

/* What user mode sees of a CPU, from or to a thread of the kernel, which has none of it. */
void user_registers_switch(struct thread *from, struct thread *to);

/*
 * Run `to` on its stack, with its user registers, in place of `from`; returns when somebody switches to
 * `from` again, with the thread that ran before that. The queue of this CPU is locked.
 *
 * On the stack of a thread that does not run lie the address where it goes on, and its rbp; that of a new one
 * is laid by arch_thread_prepare. rdi goes through with the thread that ran before.
 */
static inline __attribute__((always_inline)) struct thread *
arch_thread_switch(struct cpu *cpu, struct thread *from, struct thread *to)
{
    cpu->kernel_stack = to->stack_top;
    cpu->arch.tss.rsp[0] = to->stack_top;
    if (__builtin_expect(from->vectors != NULL && to->vectors != NULL, 1)) {
        vectors_switch(from->vectors, to->vectors);
        segments_switch(&from->arch, &to->arch);
    } else {
        user_registers_switch(from, to);
    }
    __asm__ volatile("pushq %%rbp\n\t"
                     "pushq $1f\n\t"
                     "movq %%rsp, %c2(%0)\n\t"
                     "movq %c2(%1), %%rsp\n\t"
                     "ret\n"
                     "1:\tpopq %%rbp"
                     : "+D"(from), "+S"(to)
                     : "i"(THREAD_STACK_POINTER)
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc");
    return from;
}

#endif
