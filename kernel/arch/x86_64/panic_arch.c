/*
 * An exception that ends the kernel, in words and registers. Page fault error code: SDM vol. 3A 4.7. Opcodes
 * of the first and last instructions of a function: SDM vol. 2, PUSH, POP, RET, JMP.
 */
#include "kernel/debug/panic_arch.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/paging.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/symbols.h"

#define FAULT_PRESENT 1u
#define FAULT_WRITE   2u
#define FAULT_FETCH   16u

#define PUSH_RBP 0x55u
#define POP_RBP  0x5du
#define RET      0xc3u
#define JMP      0xe9u

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
    panic_backtrace(f->rip, panic_arch_caller(f), f->rbp);
}

static bool readable(uint64_t address)
{
    return arch_translate(arch_kernel_root(), address).present;
}

/*
 * Where rbp is the frame of the caller, as before the first instruction is done and after the last pop, the
 * chain from rbp on begins with the caller's caller. The caller itself is on top of the stack.
 */
uint64_t panic_arch_caller(const struct trap_frame *f)
{
    uint64_t offset;
    if (symbol_find(f->rip, &offset) == NULL || !readable(f->rip) || !readable(f->rip - 1)) {
        return 0;
    }
    const uint8_t *code = (const uint8_t *)(uintptr_t)f->rip;
    uint64_t place = f->rsp;
    if (offset == 1 && code[-1] == PUSH_RBP) {
        place += sizeof(uint64_t);
    } else if (offset != 0 && code[0] != RET && !(code[0] == JMP && code[-1] == POP_RBP)) {
        return 0;
    }
    if (place % 8 != 0 || !readable(place)) {
        return 0;
    }
    return *(const uint64_t *)(uintptr_t)place;
}
