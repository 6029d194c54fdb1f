/*
 * Device memory; see device.h.
 */
#include "kernel/mm/device.h"

#include "kernel/sched/spinlock.h"
#include "kernel/mm/layout.h"

#define RECENT 32

struct device_mapping {
    uint64_t physical, bytes, virtual;
    unsigned flags;
};

static struct spinlock device_lock = SPINLOCK("device map", LOCK_KERNEL_MAP);

/* Guarded by device_lock. */
static struct device_mapping recent[RECENT];
static unsigned recent_count;
static uint64_t used;

static uint64_t find_again(uint64_t physical, uint64_t bytes, unsigned flags)
{
    for (unsigned i = 0; i < recent_count && i < RECENT; i++) {
        const struct device_mapping *m = &recent[i];
        if (m->flags == flags && physical >= m->physical && physical + bytes <= m->physical + m->bytes) {
            return m->virtual + (physical - m->physical);
        }
    }
    return 0;
}

static uint64_t map_new(uint64_t physical, uint64_t bytes, unsigned flags)
{
    /* The same offset in 2 MiB as the physical address, so that large leaves fit; a gap page between any two.
     */
    uint64_t large = 2 * MIB;
    uint64_t virtual = align_up(DEVICES_BASE + used + PAGE_SIZE, large) + physical % large;
    if (virtual + bytes > DEVICES_BASE + DEVICES_SIZE ||
        arch_map(arch_kernel_root(), virtual, paddr(physical), bytes, flags | MAP_LARGE) != ERR_NONE) {
        return 0;
    }
    used = virtual + bytes - DEVICES_BASE;
    recent[recent_count++ % RECENT] = (struct device_mapping){physical, bytes, virtual, flags};
    return virtual;
}

void *device_map(paddr_t physical, uint64_t bytes, unsigned flags)
{
    uint64_t first = align_down(physical.value, PAGE_SIZE);
    uint64_t end = align_up(physical.value + bytes, PAGE_SIZE);
    if (bytes == 0 || end <= first || end > (uint64_t)1 << 52) {
        return NULL;
    }
    spin_lock(&device_lock);
    uint64_t virtual = find_again(first, end - first, flags);
    if (virtual == 0) {
        virtual = map_new(first, end - first, flags);
    }
    spin_unlock(&device_lock);
    return virtual == 0 ? NULL : (void *)(uintptr_t)(virtual + physical.value % PAGE_SIZE);
}
