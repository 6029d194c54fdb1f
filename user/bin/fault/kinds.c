/* The faults themselves, by memory access, by jump and by instruction. */
#include "user/bin/fault/kinds.h"

#include <stdint.h>

#define KERNEL_ADDRESS        0xffff800000001000ull
#define NON_CANONICAL_ADDRESS 0x0100000000001000ull /* with five levels of page tables too */
#define NON_CANONICAL_HIGH    0x8000000000001000ull

static const uint64_t constant = 1;
static volatile uint8_t data_code[] = {0xc3}; /* ret; volatile, so that it stays writable */

/* The same address, but nothing that a compiler or a checker can know about. */
static uint64_t hidden(uint64_t address)
{
    __asm__("" : "+r"(address));
    return address;
}

static void read_at(uint64_t address)
{
    (void)*(volatile uint64_t *)hidden(address);
}

static void write_at(uint64_t address)
{
    *(volatile uint64_t *)hidden(address) = 1;
}

static void jump_to(uint64_t address)
{
    ((void (*)(void))hidden(address))();
}

static void null_read(void)
{
    read_at(0);
}

static void null_write(void)
{
    write_at(0);
}

static void null_jump(void)
{
    jump_to(0);
}

static void text_write(void)
{
    write_at((uint64_t)null_read);
}

static void constant_write(void)
{
    write_at((uint64_t)&constant);
}

static void data_jump(void)
{
    jump_to((uint64_t)data_code);
}

static void stack_jump(void)
{
    uint8_t code[] = {0xc3};
    __asm__ volatile("" : : "r"(code) : "memory");
    jump_to((uint64_t)code);
}

/* Runs down the stack until there is none left. */
static void stack_overflow(void)
{
    __asm__ volatile("1: pushq %rax\n\t"
                     "jmp 1b");
}

static void kernel_read(void)
{
    read_at(KERNEL_ADDRESS);
}

static void kernel_write(void)
{
    write_at(KERNEL_ADDRESS);
}

static void kernel_jump(void)
{
    jump_to(KERNEL_ADDRESS);
}

static void non_canonical_read(void)
{
    read_at(NON_CANONICAL_ADDRESS);
}

static void non_canonical_jump(void)
{
    jump_to(NON_CANONICAL_HIGH);
}

/* An access through rsp is a stack fault where any other is a general protection fault. */
static void non_canonical_stack(void)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "popq %%rax"
                     :
                     : "r"(NON_CANONICAL_ADDRESS)
                     : "rax", "memory");
}

static void divide_by_zero(void)
{
    __asm__ volatile("xorl %%edx, %%edx\n\t"
                     "movl $1, %%eax\n\t"
                     "xorl %%ecx, %%ecx\n\t"
                     "divl %%ecx"
                     :
                     :
                     : "rax", "rcx", "rdx", "cc");
}

static void privileged_halt(void)
{
    __asm__ volatile("hlt");
}

static void interrupts_off(void)
{
    __asm__ volatile("cli");
}

static void port_read(void)
{
    __asm__ volatile("inb $0x60, %%al" : : : "rax");
}

static void msr_read(void)
{
    __asm__ volatile("rdmsr" : : "c"(0xc0000080u) : "rax", "rdx");
}

static void control_register(void)
{
    __asm__ volatile("movq %%cr3, %%rax" : : : "rax");
}

static void software_interrupt(void)
{
    __asm__ volatile("int $0x80");
}

/* What the kernel's own interrupts use cannot be raised from here either. */
static void timer_interrupt(void)
{
    __asm__ volatile("int $0x20");
}

static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void single_step(void)
{
    __asm__ volatile("pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n\t"
                     "nop"
                     :
                     :
                     : "cc", "memory");
}

static void undefined_instruction(void)
{
    __asm__ volatile("ud2");
}

static void vector_misaligned(void)
{
    static uint8_t bytes[32] __attribute__((aligned(16)));
    __asm__ volatile("movaps (%0), %%xmm0" : : "r"(bytes + 1) : "xmm0", "memory");
}

/* Unmasks the divide-by-zero exception of the x87 unit and divides; fwait delivers it. */
static void x87_divide(void)
{
    uint16_t control = 0x037fu & ~(1u << 2);
    __asm__ volatile("fninit\n\t"
                     "fldcw %0\n\t"
                     "fld1\n\t"
                     "fldz\n\t"
                     "fdivrp\n\t"
                     "fwait"
                     :
                     : "m"(control));
}

const struct fault_kind fault_kinds[] = {
    {"null", "read address 0", null_read},
    {"null-write", "write to address 0", null_write},
    {"null-jump", "jump to address 0", null_jump},
    {"text", "write to its own code", text_write},
    {"rodata", "write to its own constants", constant_write},
    {"data", "jump to its own data", data_jump},
    {"stack-jump", "jump to its own stack", stack_jump},
    {"stack", "overflow the stack", stack_overflow},
    {"kernel", "read memory of the kernel", kernel_read},
    {"kernel-write", "write to memory of the kernel", kernel_write},
    {"kernel-jump", "jump into the kernel", kernel_jump},
    {"noncanonical", "read an address that is not canonical", non_canonical_read},
    {"noncanon-jump", "jump to an address that is not canonical", non_canonical_jump},
    {"noncanon-stack", "pop from a stack that is not canonical", non_canonical_stack},
    {"divide", "divide by zero", divide_by_zero},
    {"privileged", "halt the CPU", privileged_halt},
    {"cli", "switch interrupts off", interrupts_off},
    {"port", "read an I/O port", port_read},
    {"msr", "read a model specific register", msr_read},
    {"cr3", "read the page table register", control_register},
    {"int80", "raise software interrupt 0x80", software_interrupt},
    {"int20", "raise an interrupt that belongs to the kernel", timer_interrupt},
    {"int3", "run into a breakpoint", breakpoint},
    {"step", "set the trap flag", single_step},
    {"ud2", "run an undefined instruction", undefined_instruction},
    {"unaligned", "load a misaligned vector", vector_misaligned},
    {"x87", "divide by zero in the x87 unit with the exception unmasked", x87_divide},
};
const size_t fault_kind_count = sizeof fault_kinds / sizeof fault_kinds[0];
