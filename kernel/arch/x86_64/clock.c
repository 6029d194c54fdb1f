/*
 * The monotonic clock; see clock.h.
 *
 * Measuring: read the reference and the counter together, wait some milliseconds, read them again. An
 * interruption of this CPU (by a hypervisor, say) between the two reads of a pair would spoil it, so each
 * pair is taken several times and the one that took the shortest counts.
 */
#include "kernel/arch/x86_64/clock.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/device.h"
#include "kernel/sched/cpu.h"
#include "lib/text.h"

#define NS_PER_SECOND   1000000000u
#define MEASURE_NS      20000000u
#define PAIR_TRIES      8
#define PATIENCE_STAMPS 1000000000u /* 20 ms many times over, on any machine of today */
#define TIMER_MOST_NS   ((uint64_t)3600 * NS_PER_SECOND)

/* IA-PC HPET specification 1.0a, 2.3: capabilities with the period in femtoseconds, configuration, counter.
 */
#define HPET_CAPABILITIES  0x000
#define HPET_CONFIGURATION 0x010
#define HPET_COUNTER       0x0f0
#define HPET_ENABLE        1u
#define HPET_WIDE          (1u << 13)
#define FS_PER_SECOND      1000000000000000u
#define HPET_PERIOD_MOST   100000000u

#define PM_TIMER_HZ 3579545u

/* The 8254: channel 2 counts down from 65536, mode 0, read by latching. */
#define PIT_HZ      1193182u
#define PIT_CHANNEL 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE    0x61

/* A counter of known rate. */
struct reference {
    const char *name;
    uint64_t hz;
    uint64_t mask; /* bits that count */
    uint64_t (*read)(void);
};

struct clock_scale clock_scale;

static uint64_t measured_for; /* stamps */
static uint64_t tsc_hz;
static uint64_t timer_hz; /* ticks of the local APIC's timer */
static enum { PREFER_BEST, PREFER_HPET, PREFER_TSC } preferred;

/* While the clock is external: what it showed when that began, and the HPET then. Set before. */
static uint64_t external_base, external_start, external_multiplier;
static const char *source_name = "none";
static volatile uint64_t *hpet;

/* a * b / c, of 128 bits between; the result has to fit, else the CPU faults. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low, high;
    __asm__("mulq %3; divq %4" : "=a"(low), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
    return low;
}

void clock_set_origin(uint64_t stamp)
{
    clock_scale.origin = stamp;
}

bool clock_prefer(const char *name, size_t length)
{
    preferred = text_matches(name, length, "hpet")  ? PREFER_HPET
                : text_matches(name, length, "tsc") ? PREFER_TSC
                                                    : PREFER_BEST;
    return preferred != PREFER_BEST;
}

uint64_t clock_hz(void)
{
    return tsc_hz;
}

const char *clock_source(void)
{
    return source_name;
}

uint64_t clock_waited(void)
{
    return (uint64_t)((unsigned __int128)measured_for * clock_scale.multiplier >> 32);
}

volatile uint64_t *clock_hpet(void)
{
    return hpet;
}

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 8];
}

uint64_t clock_read_external(void)
{
    return external_base +
           (uint64_t)((unsigned __int128)(hpet_read() - external_start) * external_multiplier >> 32);
}

/* A counter of 64 bits does not come round in the life of a machine; one of 32 does, and cannot be a clock.
 */
static bool hpet_can_be_clock(void)
{
    return hpet != NULL && (hpet[HPET_CAPABILITIES / 8] & HPET_WIDE) != 0;
}

bool clock_distrust_tsc(const char *why)
{
    if (clock_scale.external) {
        return true;
    }
    if (!hpet_can_be_clock()) {
        log_warn("clock: %s, and there is no HPET of 64 bits to use instead", why);
        return false;
    }
    uint64_t period = hpet[HPET_CAPABILITIES / 8] >> 32; /* femtoseconds */
    external_multiplier = mul_div(period, (uint64_t)1 << 32, 1000000);
    external_base = arch_clock();
    external_start = hpet_read();
    __atomic_store_n(&clock_scale.external, true, __ATOMIC_SEQ_CST);
    log_info("clock: by the HPET from now on: %s", why);
    return true;
}

static void decide(void)
{
    bool hypervisor = (cpuid(1, 0).ecx >> 31 & 1) != 0;
    if (preferred == PREFER_HPET) {
        clock_distrust_tsc("clock=hpet");
    } else if (preferred == PREFER_BEST && !feature_used(FEATURE_invtsc) && !hypervisor) {
        clock_distrust_tsc("this CPU's time stamp counter has no constant rate");
    }
}

static uint64_t pm_timer_read(void)
{
    return port_read32((uint16_t)acpi_machine.pm_timer);
}

static uint64_t pit_read(void)
{
    port_write8(PIT_COMMAND, 0x80); /* latch channel 2 */
    uint8_t low = port_read8(PIT_CHANNEL);
    return 0xffff - (uint64_t)(low | port_read8(PIT_CHANNEL) << 8);
}

static bool hpet_find(struct reference *r)
{
    hpet = acpi_machine.hpet == 0
               ? NULL
               : device_map(paddr(acpi_machine.hpet), PAGE_SIZE, MAP_READ | MAP_WRITE | MAP_UNCACHED);
    if (hpet == NULL) {
        return false;
    }
    uint64_t capabilities = hpet[HPET_CAPABILITIES / 8];
    uint64_t period = capabilities >> 32;
    if (period == 0 || period > HPET_PERIOD_MOST) {
        return false;
    }
    hpet[HPET_CONFIGURATION / 8] |= HPET_ENABLE;
    bool wide = (capabilities & HPET_WIDE) != 0;
    *r = (struct reference){"hpet", FS_PER_SECOND / period, wide ? UINT64_MAX : UINT32_MAX, hpet_read};
    return true;
}

static bool pm_timer_find(struct reference *r)
{
    uint64_t mask = acpi_machine.pm_timer_32 ? UINT32_MAX : 0xffffff;
    *r = (struct reference){"pm-timer", PM_TIMER_HZ, mask, pm_timer_read};
    return acpi_machine.pm_timer != 0;
}

static bool pit_find(struct reference *r)
{
    port_write8(PIT_GATE, (port_read8(PIT_GATE) & ~2u) | 1); /* gate on, speaker off */
    port_write8(PIT_COMMAND, 0xb0);                          /* channel 2, both bytes, mode 0 */
    port_write8(PIT_CHANNEL, 0xff);
    port_write8(PIT_CHANNEL, 0xff);
    *r = (struct reference){"pit", PIT_HZ, 0xffff, pit_read};
    return true;
}

/* Wait until the reference has gone on by this much; false when it does not move as any clock would. */
static bool reference_wait(const struct reference *r, uint64_t from, uint64_t ticks)
{
    uint64_t start = tsc_read();
    while (((r->read() - from) & r->mask) < ticks) {
        if (tsc_read() - start > PATIENCE_STAMPS) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

/* The best clock that this machine has, and that runs. */
static struct reference reference_find(void)
{
    static bool (*const finders[])(struct reference *) = {hpet_find, pm_timer_find, pit_find};
    for (unsigned i = 0; i < sizeof(finders) / sizeof(finders[0]); i++) {
        struct reference r;
        if (finders[i](&r)) {
            if (reference_wait(&r, r.read(), 1)) {
                return r;
            }
            log_warn("clock: the %s does not count", r.name);
        }
    }
    panic("this machine has no clock to measure time by");
}

struct pair {
    uint64_t stamp, reference, ticks;
};

static struct pair pair_read(const struct reference *r)
{
    struct pair best = {0};
    uint64_t shortest = UINT64_MAX;
    for (unsigned i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = tsc_read();
        uint64_t value = r->read();
        uint64_t ticks = apic_timer_count_elapsed();
        uint64_t after = tsc_read();
        if (after - before < shortest) {
            shortest = after - before;
            best = (struct pair){before + (after - before) / 2, value, ticks};
        }
    }
    return best;
}

void clock_measure(void)
{
    uint64_t start = tsc_read();
    struct reference r = reference_find();
    uint64_t wanted = r.hz * (MEASURE_NS / 1000) / (NS_PER_SECOND / 1000);
    apic_timer_count_start();
    struct pair first = pair_read(&r);
    if (!reference_wait(&r, first.reference, wanted)) {
        panic("the %s has stopped", r.name);
    }
    struct pair last = pair_read(&r);
    apic_timer_once(0);
    measured_for = tsc_read() - start;
    uint64_t elapsed = (last.reference - first.reference) & r.mask;
    tsc_hz = mul_div(last.stamp - first.stamp, r.hz, elapsed);
    timer_hz = mul_div(last.ticks - first.ticks, r.hz, elapsed);
    clock_scale.multiplier = mul_div(NS_PER_SECOND, (uint64_t)1 << 32, tsc_hz);
    source_name = r.name;
    log_info("clock: time stamp counter %lu kHz by %s, timer %s %lu kHz", tsc_hz / 1000, r.name,
             feature_used(FEATURE_tscdeadline) ? "tsc-deadline" : "local apic", timer_hz / 1000);
    decide();
}

void arch_timer_set(uint64_t deadline)
{
    struct cpu *cpu = arch_this_cpu();
    bool by_stamp = feature_used(FEATURE_tscdeadline) && !clock_scale.external;
    if (deadline == cpu->timer_armed) {
        return;
    }
    cpu->timer_armed = deadline;
    if (deadline == UINT64_MAX) {
        if (by_stamp) {
            apic_timer_deadline(0);
        } else {
            apic_timer_once(0);
        }
        return;
    }
    /* At most an hour ahead, so that the products fit; a tick that comes too early sets the timer again. */
    uint64_t now = arch_clock();
    uint64_t delay = deadline > now ? deadline - now : 0;
    delay = delay < TIMER_MOST_NS ? delay : TIMER_MOST_NS;
    if (by_stamp) {
        apic_timer_deadline(tsc_read() + mul_div(delay, tsc_hz, NS_PER_SECOND) + 1);
    } else {
        uint64_t ticks = mul_div(delay, timer_hz, NS_PER_SECOND) + 1;
        apic_timer_once(ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX);
    }
}
