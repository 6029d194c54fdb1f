/*
 * Setting up one CPU; see cpu.h.
 */
#include "kernel/arch/x86_64/cpu.h"

#include "arch_tlb.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/machine_check.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/segments.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/arch/x86_64/vectors.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

_Static_assert(offsetof(struct cpu, self) == CPU_SELF, "offsets.h");
_Static_assert(offsetof(struct cpu, kernel_stack) == CPU_KERNEL_STACK, "offsets.h");
_Static_assert(offsetof(struct cpu, user_stack) == CPU_USER_STACK, "offsets.h");
_Static_assert(offsetof(struct cpu, pending) == CPU_PENDING, "offsets.h");
_Static_assert(offsetof(struct cpu, number) == CPU_NUMBER, "offsets.h");
_Static_assert(offsetof(struct cpu, locks_held) == CPU_LOCKS_HELD, "offsets.h");
_Static_assert(offsetof(struct thread, stack_pointer) == THREAD_STACK_POINTER, "offsets.h");

_Static_assert(ERR_NO_CALL == ERROR_NO_CALL, "offsets.h");

extern const char trap_stubs[];
extern const char syscall_entry[];

/* An interrupt gate of long mode, SDM vol. 3A 6.14.1. */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

/* The same for all CPUs. */
static struct gate idt[256] __attribute__((aligned(16)));

uint8_t smap_in_use; /* for traps.S */

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static void idt_fill(void)
{
    static const uint8_t ist[VECTOR_EXCEPTIONS] = {
        [VECTOR_DEBUG] = IST_DEBUG,
        [VECTOR_NMI] = IST_NMI,
        [VECTOR_DOUBLE_FAULT] = IST_DOUBLE_FAULT,
        [VECTOR_MACHINE_CHECK] = IST_MACHINE_CHECK,
    };
    for (unsigned i = 0; i < 256; i++) {
        uint64_t target = (uint64_t)(uintptr_t)trap_stubs + (uint64_t)16 * i;
        bool user = i == 3; /* INT3 may come from user mode */
        idt[i] = (struct gate){
            .offset_low = (uint16_t)target,
            .selector = SEL_KERNEL_CODE,
            .ist = i < VECTOR_EXCEPTIONS ? ist[i] : 0,
            .type = user ? 0xee : 0x8e,
            .offset_middle = (uint16_t)(target >> 16),
            .offset_high = (uint32_t)(target >> 32),
        };
    }
}

/* Flat segments (only access rights matter in long mode) and the TSS; SDM vol. 3A 3.4.5, 8.2.3. */
static void gdt_fill(struct arch_cpu *arch)
{
    uint64_t tss = (uint64_t)(uintptr_t)&arch->tss;
    arch->gdt[0] = 0;
    arch->gdt[1] = 0x00af9b000000ffff;
    arch->gdt[2] = 0x00cf93000000ffff;
    arch->gdt[3] = 0x00cff3000000ffff;
    arch->gdt[4] = 0x00affb000000ffff;
    arch->gdt[5] =
        (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (tss >> 24 & 0xff) << 56;
    arch->gdt[6] = tss >> 32;
    arch->tss.io_map = sizeof(struct tss);
}

static void tables_load(struct cpu *cpu)
{
    struct table_register gdtr = {sizeof(cpu->arch.gdt) - 1, (uint64_t)(uintptr_t)cpu->arch.gdt};
    struct table_register idtr = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};
    __asm__ volatile("lgdt %0" : : "m"(gdtr) : "memory");
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                     :
                     : "i"(SEL_KERNEL_CODE)
                     : "rax", "memory");
    /* In long mode the kernel needs none but SS; what is left in the others, user mode would see. */
    __asm__ volatile("mov %0, %%ss; mov %1, %%ds; mov %1, %%es; mov %1, %%fs; mov %1, %%gs"
                     :
                     : "r"(SEL_KERNEL_DATA), "r"(0)
                     : "memory");
    cpu->arch.gdt[5] &= ~((uint64_t)2 << 40); /* not busy, for LTR */
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
    __asm__ volatile("lidt %0" : : "m"(idtr) : "memory"); /* last: an NMI needs the stacks of the TSS */
    msr_write(MSR_GS_BASE, (uint64_t)(uintptr_t)cpu);
    msr_write(MSR_KERNEL_GS_BASE, 0);
}

/* Shared by all interrupt stacks until there is memory for real ones. */
static uint8_t early_interrupt_stack[INTERRUPT_STACK_SIZE] __attribute__((aligned(INTERRUPT_STACK_SIZE)));

void cpu_early(struct cpu *cpu)
{
    uint64_t tops[IST_COUNT];
    for (unsigned i = 0; i < IST_COUNT; i++) {
        tops[i] = (uint64_t)(uintptr_t)early_interrupt_stack + INTERRUPT_STACK_SIZE;
    }
    cpu->self = cpu;
    idt_fill();
    gdt_fill(&cpu->arch);
    cpu_set_interrupt_stacks(cpu, tops);
    tables_load(cpu);
}

void cpu_set_interrupt_stacks(struct cpu *cpu, const uint64_t *stack_tops)
{
    for (unsigned i = 0; i < IST_COUNT; i++) {
        uint64_t *last = (uint64_t *)(uintptr_t)(stack_tops[i] - 8);
        *last = (uint64_t)(uintptr_t)cpu;
        cpu->arch.tss.ist[i] = stack_tops[i] - 16;
    }
}

void cpu_set_kernel_stack(struct cpu *cpu, uint64_t top)
{
    cpu->kernel_stack = top;
    cpu->arch.tss.rsp[0] = top;
}

/* PAT: the reset value but for entry 4, which becomes write-combining (SDM vol. 3A 11.12). */
#define PAT_VALUE 0x0007040100070406u

static void control_registers_setup(void)
{
    cr0_write((cr0_read() & ~(uint64_t)(CR0_EM | CR0_TS | CR0_NW | CR0_CD | CR0_AM)) | CR0_MP | CR0_NE |
              CR0_WP);
    /* All of CR4 is ours; only the number of levels stays as the loader's tables have it. */
    uint64_t cr4 = (cr4_read() & CR4_LA57) | CR4_PAE;
    cr4 |= CR4_DE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= feature_used(FEATURE_smep) ? CR4_SMEP : 0;
    cr4 |= feature_used(FEATURE_smap) ? CR4_SMAP : 0;
    cr4 |= feature_used(FEATURE_umip) ? CR4_UMIP : 0;
    segments_fsgsbase = feature_used(FEATURE_fsgsbase);
    cr4 |= segments_fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= feature_used(FEATURE_xsave) ? CR4_OSXSAVE : 0;
    arch_tlb_tagged = feature_used(FEATURE_pcid);
    if (arch_tlb_tagged) {
        cr3_write(cr3_read() & ~(PAGE_SIZE - 1)); /* must be of PCID 0 meanwhile, SDM vol. 3A 4.10.1 */
        cr4 |= CR4_PCIDE;
    }
    cr4_write(cr4);
    smap_in_use = feature_used(FEATURE_smap);
    msr_write(MSR_PAT, PAT_VALUE);
}

static void syscall_setup(void)
{
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
    /* SYSRET loads CS from base+16 and SS from base+8. */
    msr_write(MSR_STAR, (uint64_t)(SEL_KERNEL_DATA | 3) << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    msr_write(MSR_LSTAR, (uint64_t)(uintptr_t)syscall_entry);
    msr_write(MSR_CSTAR, 0); /* SYSCALL from compatibility mode: there is no such segment */
    msr_write(MSR_SFMASK,
              RFLAGS_CF | RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC);
}

void cpu_setup(struct cpu *cpu)
{
    cpu->self = cpu;
    gdt_fill(&cpu->arch);
    tables_load(cpu);
    control_registers_setup();
    syscall_setup();
    vectors_setup();
    machine_check_setup();
    arch_tlb_forget_all();
}
