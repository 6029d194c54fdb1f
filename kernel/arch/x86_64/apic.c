/*
 * The local APIC; see apic.h. Register numbers are offsets in the memory form; the MSR of the x2APIC form is
 * 0x800 + offset / 16 (SDM vol. 3A 10.12.1.2).
 */
#include "kernel/arch/x86_64/apic.h"

#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/log.h"
#include "kernel/mm/device.h"

#define APIC_ID            0x20
#define APIC_TASK_PRIORITY 0x80
#define APIC_END           0xb0
#define APIC_SPURIOUS      0xf0
#define APIC_COMMAND       0x300
#define APIC_COMMAND_HIGH  0x310
#define APIC_TIMER         0x320
#define APIC_LINT0         0x350
#define APIC_LINT1         0x360
#define APIC_ERROR_VECTOR  0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0

#define SPURIOUS_ENABLE   (1u << 8)
#define LVT_MASKED        (1u << 16)
#define LVT_NMI           (4u << 8)
#define TIMER_DEADLINE    (2u << 17)
#define TIMER_DIVIDE_BY_1 0xbu
#define COMMAND_NMI       (4u << 8)
#define COMMAND_INIT      (5u << 8)
#define COMMAND_STARTUP   (6u << 8)
#define COMMAND_SELF      (1u << 18)
#define COMMAND_ASSERT    (1u << 14)
#define COMMAND_PENDING   (1u << 12)
#define BASE_ENABLE       (1u << 11)
#define BASE_X2APIC       (1u << 10)

/* Set once at boot. */
static volatile uint32_t *registers;
static bool by_msr; /* x2APIC */

static uint32_t apic_read(unsigned offset)
{
    if (by_msr) {
        return (uint32_t)msr_read(0x800 + offset / 16);
    }
    return registers[offset / 4];
}

static void apic_write(unsigned offset, uint32_t value)
{
    if (by_msr) {
        msr_write(0x800 + offset / 16, value);
    } else {
        registers[offset / 4] = value;
    }
}

enum error apic_find(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) & 0x000ffffffffff000u;
    bool already_x2 = (msr_read(MSR_APIC_BASE) & BASE_X2APIC) != 0;
    if (already_x2 && features[FEATURE_x2apic].masked) {
        log_warn("nofeature: the firmware has switched x2apic on already; it stays on");
        features[FEATURE_x2apic].masked = false;
    }
    by_msr = feature_used(FEATURE_x2apic);
    if (by_msr) {
        return ERR_NONE;
    }
    registers = device_map(paddr(base), PAGE_SIZE, MAP_READ | MAP_WRITE | MAP_UNCACHED);
    return registers != NULL ? ERR_NONE : ERR_NO_MEMORY;
}

void apic_setup(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | BASE_ENABLE;
    msr_write(MSR_APIC_BASE, base);
    if (by_msr) {
        msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
    }
    apic_write(APIC_TASK_PRIORITY, 0);
    apic_write(APIC_LINT0, LVT_MASKED); /* the 8259 stays masked */
    apic_write(APIC_LINT1, LVT_NMI);
    apic_write(APIC_ERROR_VECTOR, LVT_MASKED);
    apic_write(APIC_TIMER, LVT_MASKED);
    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_END, 0);
}

uint32_t apic_id(void)
{
    uint32_t id = apic_read(APIC_ID);
    return by_msr ? id : id >> 24;
}

void apic_end_of_interrupt(void)
{
    apic_write(APIC_END, 0);
}

static void command(uint32_t id, uint32_t low)
{
    if (by_msr) {
        /* One MSR; it does not order earlier stores by itself (SDM vol. 3A 10.12.3). */
        __asm__ volatile("mfence; lfence" : : : "memory");
        msr_write(0x800 + APIC_COMMAND / 16, (uint64_t)id << 32 | low);
        return;
    }
    /* The one before may be on its way still. */
    while ((registers[APIC_COMMAND / 4] & COMMAND_PENDING) != 0) {
        cpu_pause();
    }
    registers[APIC_COMMAND_HIGH / 4] = id << 24;
    registers[APIC_COMMAND / 4] = low;
}

void apic_send(uint32_t id, uint8_t vector)
{
    command(id, COMMAND_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
    command(id, COMMAND_ASSERT | COMMAND_NMI);
}

/* The half of the command that names the destination is put back as it was found. */
static void command_in_nmi(uint32_t id, uint32_t low)
{
    uint32_t high = !by_msr ? registers[APIC_COMMAND_HIGH / 4] : 0;
    command(id, low);
    if (!by_msr) {
        while ((registers[APIC_COMMAND / 4] & COMMAND_PENDING) !=
               0) { /* so that who was interrupted need not wait */
            cpu_pause();
        }
        registers[APIC_COMMAND_HIGH / 4] = high;
    }
}

void apic_send_in_nmi(uint32_t id, uint8_t vector)
{
    command_in_nmi(id, COMMAND_ASSERT | vector);
}

void apic_send_nmi_in_nmi(uint32_t id)
{
    command_in_nmi(id, COMMAND_ASSERT | COMMAND_NMI);
}

void apic_send_init(uint32_t id)
{
    command(id, COMMAND_ASSERT | COMMAND_INIT);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
    command(id, COMMAND_ASSERT | COMMAND_STARTUP | page);
}

/* By the shorthand "self", which leaves the half of the command alone that names a destination (SDM vol.
 * 3A 10.6.1). */
void apic_send_self(uint8_t vector)
{
    apic_write(APIC_COMMAND, COMMAND_SELF | COMMAND_ASSERT | vector);
}

void apic_timer_count_start(void)
{
    apic_write(APIC_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
}

uint32_t apic_timer_count_elapsed(void)
{
    return UINT32_MAX - apic_read(APIC_TIMER_CURRENT);
}

void apic_timer_once(uint32_t ticks)
{
    apic_write(APIC_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, ticks);
}

void apic_timer_deadline(uint64_t stamp)
{
    apic_write(APIC_TIMER, TIMER_DEADLINE | VECTOR_TIMER);
    /* The mode has to be set before the deadline (SDM vol. 3A 10.5.4.1). */
    __asm__ volatile("mfence" : : : "memory");
    msr_write(MSR_TSC_DEADLINE, stamp);
}
