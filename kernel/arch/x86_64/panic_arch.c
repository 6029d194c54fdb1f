/*
 * An exception that ends the kernel, in words and registers. Page fault error code: SDM vol. 3A 4.7.
 */
#include "kernel/debug/panic_arch.h"

#include "kernel/arch/paging.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"

#define FAULT_PRESENT 1u
#define FAULT_WRITE   2u
#define FAULT_FETCH   16u

void panic_arch_describe(const struct trap_frame *frame)
{
    if (frame->vector == VECTOR_PAGE_FAULT) {
        const char *what = (frame->code & FAULT_FETCH) != 0   ? "executing"
                           : (frame->code & FAULT_WRITE) != 0 ? "writing"
                                                              : "reading";
        const char *why = (frame->code & FAULT_PRESENT) != 0 ? "not allowed" : "not mapped";
        panic_print("\n\033[91mKERNEL PANIC: page fault %s %016lx, %s\033[0m", what, cr2_read(), why);
    } else {
        panic_print("\n\033[91mKERNEL PANIC: %s, code %lx\033[0m", trap_name(frame->vector), frame->code);
    }
}

void panic_arch_registers(const struct trap_frame *f)
{
    panic_print("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    panic_print("rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
    panic_print("r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
    panic_print("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
    panic_print("rip %016lx cs %lx ss %lx rflags %lx", f->rip, f->cs, f->ss, f->rflags);
    panic_print("cr0 %lx cr2 %lx cr3 %lx cr4 %lx", cr0_read(), cr2_read(), cr3_read(), cr4_read());
    if (f->vector == VECTOR_PAGE_FAULT) {
        panic_print("translation of %016lx:", cr2_read());
        paging_explain(paging_loaded(), cr2_read(), panic_print);
    }
    panic_backtrace(f->rip, f->rbp);
}
