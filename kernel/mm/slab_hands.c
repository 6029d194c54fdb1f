/*
 * The hands of the CPUs: their tables, and who is in them.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/frame_platform.h"
#include "kernel/mm/heap.h"
#include "lib/text.h"

struct slab_hands slab_no_hands;
struct slab_seat slab_seats[CPU_MAX];

void heap_admit(struct cpu *cpu)
{
    cpu->hands = &slab_no_hands;
}

/*
 * Give this CPU its table; NULL when there is no memory for it. Makes ready what the hands get magazines
 * from, too: that takes slabs_lock, for which nobody may wait who is in his hands.
 */
static struct slab_hands *make_table(struct cpu *cpu)
{
    pfn_t frame;
    slab_cache_prepare(&slab_magazines);
    if (frame_alloc(0, FRAME_KERNEL, &frame) != ERR_NONE) {
        return NULL;
    }
    struct slab_hands *hands = memset(aperture_at(pfn_to_paddr(frame)), 0, PAGE_SIZE);
    struct slab_seat *seat = &slab_seats[cpu->number];
    spin_lock(&slabs_lock);
    seat->cpu = cpu;
    __atomic_store_n(&seat->hands, hands, __ATOMIC_RELEASE);
    __atomic_store_n(&cpu->hands, hands, __ATOMIC_RELEASE);
    spin_unlock(&slabs_lock);
    return hands;
}

struct slab_hands *slab_hands_enter(struct cpu *cpu)
{
    struct slab_hands *hands;
    if (slab_table(cpu->number) == NULL && make_table(cpu) == NULL) {
        return NULL;
    }
    while ((hands = slab_hands_try(cpu)) == &slab_no_hands) {
        slab_hands_leave(cpu);
        while (__atomic_load_n(&cpu->hands, __ATOMIC_RELAXED) == &slab_no_hands) {
            arch_spin_wait();
        }
    }
    return hands;
}

void slab_hands_steal(void)
{
    for (unsigned i = 0; i < CPU_MAX; i++) {
        if (slab_table(i) != NULL) {
            __atomic_store_n(&slab_seats[i].cpu->hands, &slab_no_hands, __ATOMIC_RELAXED);
        }
    }
    frame_platform_barrier();
    for (unsigned i = 0; i < CPU_MAX; i++) {
        while (slab_table(i) != NULL &&
               __atomic_load_n(&slab_seats[i].cpu->hands_busy, __ATOMIC_ACQUIRE) != 0) {
            arch_spin_wait();
        }
    }
}

void slab_hands_return(void)
{
    for (unsigned i = 0; i < CPU_MAX; i++) {
        struct slab_hands *hands = slab_table(i);
        if (hands != NULL) {
            __atomic_store_n(&slab_seats[i].cpu->hands, hands, __ATOMIC_RELEASE);
        }
    }
}

void slab_hands_count(struct system_slab *out)
{
    *out = (struct system_slab){.name = "hands", .bytes = sizeof(struct slab_hands)};
    for (unsigned i = 0; i < CPU_MAX; i++) {
        out->in_use += slab_table(i) != NULL;
    }
    out->used = out->in_use * out->bytes;
    out->slabs = out->frames = out->in_use;
}
