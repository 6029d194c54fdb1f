/*
 * From the loader's memory map to a working frame allocator; see boot_memory.h.
 */
#include "kernel/init/boot_memory.h"

#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/init/boot_ram.h"
#include "kernel/init/boot_tables.h"
#include "kernel/init/handover.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame_debug.h"
#include "kernel/mm/frame_table.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/tlb.h"
#include "kernel/mm/window.h"
#include "kernel/mm/zeroed.h"
#include "lib/text.h"

/* A place for the records: the end of the largest free range, which leaves the rest of it in one piece and
 * low memory to those who need it. */
static pfn_t records_place(pages_t pages)
{
    size_t count, largest = 0;
    const struct memory_range *ranges = boot_ram_free(&count);
    for (size_t i = 1; i < count; i++) {
        largest = ranges[i].count.value > ranges[largest].count.value ? i : largest;
    }
    struct memory_range r = ranges[largest];
    /* The other half is for the page tables, if that is where they are. */
    if (pages.value > r.count.value / 2) {
        panic("boot: no range of RAM is large enough for %lu KiB of frame records",
              pages.value * PAGE_SIZE / KIB);
    }
    return pfn(r.first.value + r.count.value - pages.value);
}

static void hold(struct memory_range r, enum frame_class class, const char *what)
{
    enum error error = frame_take(r.first, r.count, class);
    if (error != ERR_NONE) {
        panic("boot: %s at %lx cannot be held (error %d)", what, r.first.value << PAGE_SHIFT, (int)error);
    }
}

/* Record what is in use already. */
static void hold_all(struct memory_range records)
{
    size_t count;
    const struct held_range *held = boot_ram_held(&count);
    for (size_t i = 0; i < count; i++) {
        hold(held[i].frames, FRAME_RESERVED, "what the loader left");
    }
    hold(records, FRAME_METADATA, "the frames' records");
    hold(boot_tables_end(), FRAME_PAGE_TABLE, "the first page tables");
}

/* audit=SECONDS. */
static void start_audits(void)
{
    const char *text;
    size_t length;
    uint64_t seconds;
    if (!handover_option("audit", &text, &length)) {
        return;
    }
    if (!text_to_number(text, length, &seconds) || seconds > 1000000) {
        log_warn("audit: '%.*s' is no number of seconds; ignored", (int)length, text);
        return;
    }
    frame_debug_audit(seconds * 1000000000);
}

/* What is kept for later goes where it is wanted now. */
static enum frame_gift give_back(unsigned asked)
{
    bool retired = asked == 0 && tlb_settle(true); /* others retire all the time */
    bool zeroed = zeroed_give_back();
    enum frame_gift gift = heap_give_back(asked);
    return zeroed || retired ? FRAME_GIFT_MADE : gift;
}

/* What the aperture promises, by the page tables. */
static void check(bool safe)
{
    struct aperture_view view;
    if (!safe) {
        log_info("aperture: shows all RAM");
        return;
    }
    aperture_look(&view);
    if (view.wrong) {
        panic("boot: the aperture shows %lx, which is not the kernel's", view.where.value << PAGE_SHIFT);
    }
    log_info("aperture: shows the kernel's frames, %lu MiB of them", view.bytes / MIB);
}

void boot_memory_start(unsigned processors)
{
    bool safe = !handover_option_is("aperture", "full");
    boot_ram_find();
    if (!safe) {
        boot_ram_limit(pfn(APERTURE_SIZE >> PAGE_SHIFT));
    }
    size_t count;
    const struct memory_range *ram = boot_ram(&count);
    pages_t pages = pages_for_bytes(frame_metadata_bytes(ram, count));
    struct memory_range records = {records_place(pages), pages};
    boot_tables_make(safe);
    boot_tables_records(records.first, pages.value << PAGE_SHIFT);
    enum error error = frame_init(ram, count, frame_table_start(), processors);
    if (error != ERR_NONE) {
        panic("boot: the frame allocator refuses the memory map (error %d)", (int)error);
    }
    if (safe) {
        frame_keep_apart(&aperture_watch, pfn(APERTURE_SIZE >> PAGE_SHIFT));
    } else {
        window_use_aperture();
    }
    if (handover_option_is("frames", "debug")) {
        frame_debug_start();
    }
    if (handover_option_is("tlb", "debug")) {
        tlb_debug_start();
    }
    start_audits();
    frame_ask_before_refusing(give_back);
    frame_tell_untouched(frame_table_untouched);
    hold_all(records);
    check(safe);
    pages_t beyond = boot_ram_beyond(pfn(APERTURE_SIZE >> PAGE_SHIFT));
    if (beyond.value > 0) {
        log_info("memory: %lu MiB of RAM lie beyond the aperture, and are for users only",
                 beyond.value * PAGE_SIZE / MIB);
    }
    log_info("memory: %lu MiB of frames are free; %lu KiB set aside for records of frames",
             frame_count_free().value * PAGE_SIZE / MIB, pages.value * PAGE_SIZE / KIB);
}

void boot_memory_reclaim(void)
{
    size_t count;
    uint64_t pages = 0;
    const struct held_range *held = boot_ram_held(&count);
    for (size_t i = 0; i < count; i++) {
        if (held[i].reason != HELD_LOADER) {
            continue;
        }
        enum error error = frame_unreserve(held[i].frames.first, held[i].frames.count);
        ASSERT(error == ERR_NONE);
        pages += held[i].frames.count.value;
    }
    log_info("memory: %lu KiB of the loader's given back", pages * PAGE_SIZE / KIB);
}

paddr_t boot_memory_bundle(void)
{
    return paddr(handover.info.initrd_ptr);
}
