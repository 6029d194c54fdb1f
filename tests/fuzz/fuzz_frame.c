/*
 * Any bytes as a memory map and a trace of operations, right and wrong ones: the allocator must keep its
 * books straight, never give out a frame twice, and refuse a single frame only when none is free. In half of
 * the inputs the kernel's frames are kept apart: then those are in chunks that are shown to it, all others
 * are not, and a single frame is refused only when no whole chunk is free.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/mm/frame_share.h"
#include "tests/host/frame_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES 4096u
#define CPUS   3u
#define RANGES 4u
#define STEPS  1024u
#define CHUNK  512u
#define ABOVE  (2 * CHUNK) /* frames that the kernel cannot use when apart */

static uint8_t held[FRAMES]; /* 1: held by the trace, 2: no RAM, 3: retired */
static uint64_t held_count, ram_count;

static bool apart, shown[FRAMES / CHUNK], leaving[FRAMES / CHUNK];

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void move(pfn_t first, pages_t count, bool show)
{
    check(first.value % CHUNK == 0 && count.value % CHUNK == 0);
    for (uint64_t c = first.value / CHUNK; c < (first.value + count.value) / CHUNK; c++) {
        check(!leaving[c] && (show || shown[c]));
        shown[c] = show;
        leaving[c] = !show;
    }
}

static void enter(pfn_t first, pages_t count)
{
    move(first, count, true);
}

static void leave(pfn_t first, pages_t count)
{
    move(first, count, false);
}

static void left(void)
{
    memset(leaving, 0, sizeof leaving);
}

static const struct frame_watch watch = {enter, leave, left};

static size_t read_ranges(const uint8_t *data, struct memory_range *out)
{
    uint64_t at = 0;
    size_t count = 0;
    memset(held, 2, sizeof held);
    ram_count = held_count = 0;
    for (unsigned i = 0; i < RANGES; i++, data += 4) {
        uint64_t first = at + 1 + (data[0] | data[1] << 8) % 2048,
                 length = 1 + (data[2] | data[3] << 8) % 2048;
        if (first + length > FRAMES)
            break;
        out[count++] = (struct memory_range){pfn(first), {length}};
        memset(held + first, 0, length);
        ram_count += length;
        at = first + length;
    }
    return count;
}

static void mark(uint64_t first, uint64_t count, uint8_t from, uint8_t to)
{
    for (uint64_t i = first; i < first + count; i++) {
        check(i < FRAMES && held[i] == from);
        held[i] = to;
    }
    held_count += to == 1 ? count : -count;
}

static bool range_is(uint64_t first, uint64_t count, uint8_t what)
{
    bool all = first + count <= FRAMES;
    for (uint64_t i = first; all && i < first + count; i++)
        all = held[i] == what;
    return all;
}

static void taken(uint64_t first, uint64_t count, enum frame_class class)
{
    mark(first, count, 0, 1);
    for (uint64_t c = first / CHUNK; apart && c <= (first + count - 1) / CHUNK; c++)
        check(shown[c] == (class <= FRAME_STACK));
}

/* May a request for a single frame be refused? */
static bool is_used_up(enum frame_class class)
{
    bool whole = false;
    uint64_t end = class <= FRAME_STACK ? FRAMES - ABOVE : FRAMES;
    for (uint64_t c = 0; apart && c < end / CHUNK && !whole; c++)
        whole = range_is(c * CHUNK, CHUNK, 0);
    return apart ? !whole : held_count == ram_count;
}

/* Many single frames at a time: the caches have other ways for them. */
static void take_many(enum frame_class class, size_t count)
{
    pfn_t frames[256];
    size_t got = frame_alloc_batch(0, class, frames, count);
    for (size_t i = 0; i < got; i++)
        taken(frames[i].value, 1, class);
    check(got == count || is_used_up(class));
}

static void give_one(uint64_t frame, unsigned order)
{
    if (frame_free(pfn(frame), order) == ERR_NONE)
        mark(frame, 1u << order, 1, 0);
}

static void give_many(uint64_t frame, uint64_t count)
{
    for (uint64_t i = frame; i < frame + count; i++)
        give_one(i, 0);
}

/* Only what is all held can become another shape, and it stays held. */
static void reshape(uint64_t frame, unsigned order, unsigned part_order, bool join)
{
    enum error error =
        join ? frame_join(pfn(frame), order, part_order) : frame_split(pfn(frame), order, part_order);
    check(error == ERR_BAD_FREE || (error == ERR_NONE && range_is(frame, 1u << order, 1)));
}

static void step(const uint8_t *data)
{
    uint64_t frame = (data[1] | data[2] << 8) % (FRAMES + 8), count = 1 + data[3];
    unsigned order = data[3] % 11;
    pfn_t first;
    frame_host_enter(data[0] >> 4 & 1 ? FRAME_CPUS - 1 : data[0] >> 5 & 1);
    enum frame_class class = FRAME_KERNEL + data[0] % 8 % 6;
    switch (data[0] & 15) {
    case 0 ... 2:
        if (frame_alloc(order, class, &first) == ERR_NONE)
            taken(first.value, 1u << order, class);
        else
            check(order > 0 || is_used_up(class));
        break;
    case 3:
        take_many(class, count);
        break;
    case 4:
        give_many(frame, count);
        break;
    case 5:
        give_one(align_down(frame, 1u << order), order);
        break;
    case 6 ... 7:
        give_one(frame, order);
        break;
    case 8:
        reshape(align_down(frame, 1u << order), order, data[4] % 11, data[4] >> 7);
        break;
    case 9:
        if (frame_alloc_run((pages_t){count}, class, &first) == ERR_NONE)
            taken(first.value, count, class);
        break;
    case 10:
        if (frame_free_run(pfn(frame), (pages_t){count}) == ERR_NONE)
            mark(frame, count, 1, 0);
        break;
    case 11:
        if (frame_take(pfn(frame), (pages_t){count}, class) == ERR_NONE)
            taken(frame, count, class);
        else
            check(apart || !range_is(frame, count, 0));
        break;
    case 12:
        if (frame_free_part(pfn(align_down(frame, 1u << order)), order, pfn(frame), data[4] % 11) == ERR_NONE)
            mark(frame, 1u << data[4] % 11, 1, 0);
        break;
    case 13:
        if (frame_alloc_within(order, class, pfn(frame), pfn(frame + 16 * count), &first) == ERR_NONE)
            taken(first.value, 1u << order, class);
        break;
    case 14:
        frame_drain();
        break;
    default:
        /* Bad memory: only free frames here, so that the trace knows what becomes of them. */
        if (range_is(frame, 1, 0) && frame_retire(pfn(frame), (pages_t){1}) == ERR_NONE) {
            held[frame] = 3;
            ram_count--;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *metadata;
    static uint64_t mapped = 1 << 20;
    struct memory_range ranges[RANGES];
    if (size < 4 * RANGES)
        return 0;
    if (metadata == NULL)
        metadata = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t count = read_ranges(data, ranges);
    uint64_t bytes = frame_metadata_bytes(ranges, count);
    check(bytes <= mapped);
    memset(metadata, 0, bytes);
    check(frame_init(ranges, count, metadata, CPUS) == ERR_NONE);
    apart = data[3] & 0x80; /* of no use for the ranges */
    memset(shown, 0, sizeof shown);
    if (apart)
        frame_keep_apart(&watch, pfn(FRAMES - ABOVE));
    const char *what;
    pfn_t where;
    unsigned steps = 0;
    for (size_t at = 4 * RANGES; at + 5 <= size && steps < STEPS; at += 5)
        if (step(data + at), ++steps % 32 == 0)
            check(frame_audit(&what, &where));
    struct frame_counts counts;
    check(frame_audit(&what, &where));
    frame_count(&counts);
    check(counts.free == ram_count - held_count && counts.damaged == 0);
    return 0;
}
