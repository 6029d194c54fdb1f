/*
 * The watchdog; see watchdog.h. HPET timers: IA-PC HPET specification 1.0a, 2.3.8 and 2.3.9.
 */
#include "kernel/arch/x86_64/watchdog.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic_arch.h"
#include "kernel/sched/thread.h"

#define HPET_CAPABILITIES     (0x000 / 8)
#define HPET_COUNTER          (0x0f0 / 8)
#define HPET_TIMER_CONFIG     (0x100 / 8)
#define HPET_TIMER_COMPARATOR (0x108 / 8)
#define TIMER_ENABLE          (1u << 2)
#define TIMER_PERIODIC        (1u << 3)
#define TIMER_CAN_PERIODIC    (1u << 4)
#define TIMER_SET_VALUE       (1u << 6)
#define TIMER_ROUTE_SHIFT     9
#define FS_PER_SECOND         1000000000000000u

/* Pins below are those of ISA devices. */
#define PIN_LOWEST 16u

/* What the boot processor saw of each CPU last time. Its NMI handler's own. */
static struct {
    uint64_t interrupts;
    uint64_t switches;
    bool asked;
    bool told;
} seen[CPU_MAX];

static uint64_t period; /* seconds; 0 while it is off */
static uint64_t next_look;

static void tell(const struct trap_frame *frame)
{
    const struct cpu *cpu = arch_this_cpu();
    log_past_locks("\ncpu %u hangs: no interrupt for %lu s, thread '%s'", cpu->number, period,
                   cpu->current->name);
    backtrace_print(frame->rip, panic_arch_caller(frame), frame->rbp, log_past_locks);
}

/* An interrupt that reached it, or another thread that ran, is a sign of life. */
static bool shows_life(unsigned number)
{
    const struct cpu *cpu = cpus[number];
    uint64_t interrupts = __atomic_load_n(&cpu->interrupts, __ATOMIC_RELAXED);
    uint64_t switches = __atomic_load_n(&cpu->switches, __ATOMIC_RELAXED);
    bool life = !seen[number].asked || interrupts != seen[number].interrupts ||
                switches != seen[number].switches ||
                __atomic_load_n(&cpu->current, __ATOMIC_RELAXED) == cpu->idle;
    seen[number].interrupts = interrupts;
    seen[number].switches = switches;
    return life;
}

static void ask(unsigned number, const struct trap_frame *frame)
{
    struct cpu *cpu = cpus[number];
    if (!shows_life(number)) {
        if (!seen[number].told && cpu == arch_this_cpu()) {
            tell(frame);
        } else if (!seen[number].told) {
            __atomic_store_n(&cpu->arch.hang_asked, 1, __ATOMIC_SEQ_CST);
            apic_send_nmi_in_nmi(cpu->apic_id);
        }
        seen[number].told = true;
        return;
    }
    seen[number].told = false;
    seen[number].asked = __atomic_load_n(&cpu->current, __ATOMIC_RELAXED) != cpu->idle;
    if (seen[number].asked) {
        apic_send_in_nmi(cpu->apic_id, VECTOR_KICK);
    }
}

bool watchdog_nmi(const struct trap_frame *frame)
{
    struct cpu *cpu = arch_this_cpu();
    if (__atomic_exchange_n(&cpu->arch.hang_asked, 0, __ATOMIC_SEQ_CST) != 0) {
        tell(frame);
        return true;
    }
    if (period == 0 || !cpu->boot || arch_clock() < next_look) {
        return false;
    }
    next_look = arch_clock() + period * 900000000; /* the timer's next one is not before that */
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        ask(i, frame);
    }
    return true;
}

/* A pin that the timer can reach and that we have an I/O APIC for, routed to the boot processor. */
static bool route(uint64_t config, unsigned *pin)
{
    uint32_t reachable = (uint32_t)(config >> 32);
    for (*pin = PIN_LOWEST; *pin < 32; (*pin)++) {
        if ((reachable >> *pin & 1) != 0 && ioapic_route_nmi(*pin, arch_this_cpu()->apic_id) == ERR_NONE) {
            return true;
        }
    }
    return false;
}

void watchdog_start(uint64_t seconds)
{
    unsigned pin;
    volatile uint64_t *hpet = clock_hpet();
    uint64_t config = hpet != NULL ? hpet[HPET_TIMER_CONFIG] : 0;
    if ((config & TIMER_CAN_PERIODIC) == 0 || !route(config, &pin)) {
        log_warn("watchdog: this machine has no HPET timer that could be an NMI");
        return;
    }
    uint64_t ticks = seconds * (FS_PER_SECOND / (hpet[HPET_CAPABILITIES] >> 32));
    next_look = 0;
    period = seconds;
    hpet[HPET_TIMER_CONFIG] =
        (uint64_t)pin << TIMER_ROUTE_SHIFT | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET_VALUE;
    hpet[HPET_TIMER_COMPARATOR] = hpet[HPET_COUNTER] + ticks;
    hpet[HPET_TIMER_COMPARATOR] = ticks;
    log_info("watchdog: a CPU that takes no interrupt for %lu s is reported, by HPET and NMI", seconds);
}
