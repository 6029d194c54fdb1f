/*
 * Machine checks; see machine_check.h.
 *
 * The exception can strike while locks are held, so in it nothing is locked but the bank registers are read:
 * addresses go into a small list of this CPU's, and an interrupt that the CPU sends itself finds them when it
 * can act.
 */
#include "kernel/arch/x86_64/machine_check.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/frame.h"
#include "kernel/sched/cpu.h"

/* SDM vol. 3B 15.3.1. */
#define MCG_CAP_BANKS    0xffu
#define MCG_CAP_CTL      (1u << 8)
#define MCG_CAP_RECOVERY (1u << 24)
#define MCG_STATUS_RIPV  1u

/* SDM vol. 3B 15.3.2.2. */
#define STATUS_VALID     ((uint64_t)1 << 63)
#define STATUS_OVERFLOW  ((uint64_t)1 << 62)
#define STATUS_UNCORRECT ((uint64_t)1 << 61)
#define STATUS_MISC      ((uint64_t)1 << 59)
#define STATUS_ADDRESS   ((uint64_t)1 << 58)
#define STATUS_CORRUPT   ((uint64_t)1 << 57)
#define STATUS_SIGNALED  ((uint64_t)1 << 56)
#define STATUS_ACTION    ((uint64_t)1 << 55)

/* MCi_MISC: how much of the address counts, and what kind it is (15.3.2.4.1). */
#define MISC_LOWEST_BIT(misc) ((misc)&63)
#define MISC_MODE(misc)       ((misc) >> 6 & 7)
#define MISC_PHYSICAL         2u

static unsigned bank_count(void)
{
    return (unsigned)msr_read(MSR_MCG_CAP) & MCG_CAP_BANKS;
}

void machine_check_setup(void)
{
    struct cpuid basic = cpuid(1, 0);
    bool has = (basic.edx & (1u << 7)) != 0 && (basic.edx & (1u << 14)) != 0; /* MCE, MCA */
    if (!has) {
        return;
    }
    if ((msr_read(MSR_MCG_CAP) & MCG_CAP_CTL) != 0) {
        msr_write(MSR_MCG_CTL, ~(uint64_t)0);
    }
    for (unsigned bank = 0; bank < bank_count(); bank++) {
        msr_write(MSR_MC_CTL(bank), ~(uint64_t)0);
        msr_write(MSR_MC_STATUS(bank), 0);
    }
}

/* Does the bank name a physical address to the page at least? */
static bool bank_address(unsigned bank, uint64_t status, uint64_t *address)
{
    if ((status & STATUS_ADDRESS) == 0) {
        return false;
    }
    uint64_t misc = (status & STATUS_MISC) != 0 ? msr_read(MSR_MC_MISC(bank)) : 0;
    if ((status & STATUS_MISC) != 0 &&
        (MISC_MODE(misc) != MISC_PHYSICAL || MISC_LOWEST_BIT(misc) > PAGE_SHIFT)) {
        return false;
    }
    *address = msr_read(MSR_MC_ADDR(bank));
    return true;
}

/* Note an address for machine_check_retire. What finds no room is only told of. */
static void note_bad(uint64_t address)
{
    struct arch_cpu *arch = &arch_this_cpu()->arch;
    if (arch->bad_count < sizeof(arch->bad) / sizeof(arch->bad[0])) {
        arch->bad[arch->bad_count++] = address;
    }
}

/* What one bank says, worst last. */
enum verdict { NOTHING, CONTINUE, LOST, FATAL };

static enum verdict judge(uint64_t status)
{
    if ((status & STATUS_UNCORRECT) == 0) {
        return CONTINUE; /* it was corrected */
    }
    /* Only with software recovery the bits say that no more than the named data is lost (15.6.3). */
    bool recoverable = (msr_read(MSR_MCG_CAP) & MCG_CAP_RECOVERY) != 0 && (status & STATUS_CORRUPT) == 0 &&
                       (status & STATUS_OVERFLOW) == 0 && (status & STATUS_SIGNALED) != 0;
    if (!recoverable) {
        return FATAL;
    }
    return (status & STATUS_ACTION) != 0 ? LOST : CONTINUE;
}

static enum verdict read_bank(unsigned bank, uint64_t *status)
{
    uint64_t address;
    *status = msr_read(MSR_MC_STATUS(bank));
    if ((*status & STATUS_VALID) == 0) {
        return NOTHING;
    }
    enum verdict verdict = judge(*status);
    bool named = bank_address(bank, *status, &address);
    if (named && (*status & STATUS_UNCORRECT) != 0) {
        note_bad(address);
    }
    /* An uncorrected error that must be acted on, and that does not say where, cannot be contained. */
    return verdict == LOST && !named ? FATAL : verdict;
}

bool machine_check_handle(struct trap_frame *frame)
{
    enum verdict worst = NOTHING;
    unsigned worst_bank = 0;
    uint64_t worst_status = 0, status;
    for (unsigned bank = 0; bank < bank_count(); bank++) {
        enum verdict verdict = read_bank(bank, &status);
        if (verdict > worst) {
            worst = verdict;
            worst_bank = bank;
            worst_status = status;
        }
        if (verdict != FATAL && verdict != NOTHING) {
            msr_write(MSR_MC_STATUS(bank), 0);
        }
    }
    bool resumes = (msr_read(MSR_MCG_STATUS) & MCG_STATUS_RIPV) != 0;
    bool user = trap_from_user(frame);
    if (worst == FATAL || ((worst == LOST || !resumes) && !user && !trap_recover_user_copy(frame))) {
        panic("machine check at %lx: bank %u, status %016lx: %s", frame->rip, worst_bank, worst_status,
              worst == FATAL ? "the machine cannot be trusted any more" : "the kernel needs what is lost");
    }
    msr_write(MSR_MCG_STATUS, 0);
    apic_send_self(VECTOR_KICK);
    return user && (worst == LOST || !resumes);
}

void machine_check_retire(void)
{
    struct arch_cpu *arch = &arch_this_cpu()->arch;
    while (arch->bad_count > 0) {
        uint64_t address = arch->bad[--arch->bad_count];
        enum error error = frame_retire(paddr_to_pfn(paddr(address)), (pages_t){1});
        log_warn("machine check: memory at %lx is bad; %s", address,
                 error == ERR_NONE ? "its frame is never given out again" : "it is no RAM of ours");
    }
}
