/*
 * The hand-over of the reference loaders at their roughest, put together from keys of the environment, so
 * that one image tests all of it:
 *
 *   rough.level=1      fixed addresses, 4 GiB identity map, the kernel read-only, NX off everywhere
 *   rough.level=2      (default) symbols honoured, 16 GiB identity map, NX on for the boot processor only
 *   rough.rsdt=1       acpi_ptr is the RSDT
 *   rough.headless=1   no framebuffer
 *   rough.open=1       the environment's text has no NUL, and garbage follows at once
 *   rough.order=SEED   the cores enter one after the other in an order that follows from the seed
 *   rough.rotate=1     the boot processor does not have the index of its place in the MADT
 *   rough.lost=INDEX   this core is counted, but never comes
 *   rough.late=INDEX   this core comes long after the others
 *
 * In all of them caches are off, write protection is off and the protocol's pages are read-only, garbage lies
 * behind the environment, the bundle and the kernel's bss, the size of the bundle is rounded up to pages, and
 * the memory map calls free what is still in use: the page that cores start from, with their GDT, and the
 * boot processor's IDT, which is the firmware's.
 */
#include "boot/policy.h"

#include "boot/handover.h"
#include "lib/environment.h"
#include "lib/text.h"
#include "lib/units.h"

#define CR0_ROUGH    0xc0000011u /* PG CD ET PE */
#define CR4_ROUGH    0x00000368u /* PCE OSFXSR MCE PAE DE */
#define ORDER_ROUNDS 50000u
#define LATE_ROUNDS  30000000u

static uint64_t number_of(const char *text, size_t size, const char *key, uint64_t absent)
{
    const char *value;
    size_t length;
    uint64_t number;
    bool is_there =
        environment_get(text, size, key, &value, &length) && text_to_number(value, length, &number);
    return is_there ? number : absent;
}

/* Numerical Recipes' linear congruential generator; the upper bits are the useful ones. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill_garbage(uint8_t *from, uint64_t bytes)
{
    uint32_t state = 1;
    for (uint64_t i = 0; i < bytes; i++) {
        from[i] = (uint8_t)next_random(&state);
    }
}

static void fill_page_tail(uint8_t *base, uint64_t used)
{
    fill_garbage(base + used, align_up(used, PAGE_SIZE) - used);
}

static void spoil_contents(struct handover *handover, bool is_open)
{
    const struct layout *layout = &handover->layout;
    const struct elf64_segment *last = &layout->segments[layout->segment_count - 1];
    size_t length = environment_length(handover->environment, ENVIRONMENT_SIZE);
    size_t kept = length + !is_open;
    fill_garbage((uint8_t *)handover->environment + kept, ENVIRONMENT_SIZE - kept);
    if (is_open) {
        handover->environment[length] = '\x80'; /* no text, whatever comes next */
    }
    fill_page_tail(handover->bundle_data, handover->bundle_size);
    fill_page_tail(handover->kernel, last->address + last->memory_bytes - layout->base);
    handover->bootboot->initrd_size = align_up(handover->bundle_size, PAGE_SIZE);
}

/* Call the start page free, and merge it with its neighbours as a loader would that knows nothing of it. */
static void free_start_page(struct handover *handover)
{
    struct bootboot *bootboot = handover->bootboot;
    size_t count = (bootboot->size - offsetof(struct bootboot, map)) / sizeof(bootboot->map[0]);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct bootboot_map_entry entry = bootboot->map[i];
        struct bootboot_map_entry *before = &bootboot->map[kept > 0 ? kept - 1 : 0];
        if (entry.address == (uintptr_t)handover->start) {
            entry.size_and_type |= BOOTBOOT_MAP_FREE;
        }
        uint64_t end_before = before->address + (before->size_and_type & ~15ull);
        if (kept > 0 && end_before == entry.address &&
            ((before->size_and_type ^ entry.size_and_type) & 15) == 0) {
            before->size_and_type += entry.size_and_type & ~15ull;
        } else {
            bootboot->map[kept++] = entry;
        }
    }
    bootboot->size = (uint32_t)(offsetof(struct bootboot, map) + kept * sizeof(bootboot->map[0]));
}

static void spoil_cores(struct handover *handover, bool is_static)
{
    struct table_register live;
    __asm__ volatile("sidt %0" : "=m"(live));
    handover->start->cr4 = CR4_ROUGH;
    for (size_t i = 0; i < handover->core_count; i++) {
        struct start_slot *slot = &handover->slots[i];
        bool is_boot_core = i == handover->boot_core;
        slot->efer = EFER_LME | (is_boot_core && !is_static ? EFER_NXE : 0);
        slot->idtr = is_boot_core && !is_static ? live : (struct table_register){0xffff, 0};
    }
}

static void spoil_order(struct handover *handover)
{
    const char *text = handover->environment;
    uint32_t seed = (uint32_t)number_of(text, ENVIRONMENT_SIZE, "rough.order", 0);
    bool is_ordered = seed != 0;
    uint64_t lost = number_of(text, ENVIRONMENT_SIZE, "rough.lost", UINT64_MAX);
    uint64_t late = number_of(text, ENVIRONMENT_SIZE, "rough.late", UINT64_MAX);
    uint64_t turn = number_of(text, ENVIRONMENT_SIZE, "rough.rotate", 0);
    uint64_t count = handover->bootboot->numcores;
    for (size_t i = 0; i < handover->core_count; i++) {
        struct start_slot *slot = &handover->slots[i];
        slot->index = (slot->index + turn) % count;
        slot->stack = 0 - slot->index * handover->layout.stack;
        slot->delay = is_ordered ? next_random(&seed) % ORDER_ROUNDS : 0;
        slot->delay = slot->index == late ? LATE_ROUNDS : slot->delay;
        slot->state = slot->index == lost ? SLOT_REFUSED : slot->state;
    }
}

static void finish(struct handover *handover)
{
    bool is_open = number_of(handover->environment, ENVIRONMENT_SIZE, "rough.open", 0) != 0;
    spoil_order(handover);
    spoil_cores(handover, handover->policy.is_static);
    free_start_page(handover);
    spoil_contents(handover, is_open);
    handover->bootboot->extensions = 0; /* no other loader knows of them */
}

void policy_choose(struct policy *policy, const char *text, size_t size)
{
    bool is_static = number_of(text, size, "rough.level", 2) == 1;
    *policy = (struct policy){
        .is_static = is_static,
        .prefers_rsdt = number_of(text, size, "rough.rsdt", 0) != 0,
        .is_headless = number_of(text, size, "rough.headless", 0) != 0,
        .are_pages_constant = true,
        .is_kernel_constant = is_static,
        .identity_bytes = is_static ? 4 * GIB : 16 * GIB,
        .cr0 = CR0_ROUGH,
        .finish = finish,
    };
}
