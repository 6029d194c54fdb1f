/*
 * Every reachable state of a tiny arena: from the start all sequences of taking blocks of order 0 to 2,
 * giving back any held block, and draining the caches are followed until no new state comes up, on two CPUs,
 * of which such a small machine gives only the first a cache. In each state the auditor must agree, and a
 * request may be refused only when no such block is free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "kernel/mm/frame_state.h"
#include "tests/host/frame_host.h"

#define FIRST  4u
#define END    11u /* frames 4 to 10: blocks of order 2, 1 and 0 */
#define CPUS   2u
#define ORDERS 3u
#define TABLE  (1u << 22)

static uint8_t *metadata;
static uint64_t small_bytes; /* of the metadata: all but the tables of all frames */
static uint64_t seen[TABLE], states;

struct snapshot {
    struct frame_state state;
    uint8_t records[END - FIRST];
    uint8_t metadata[];
};

static struct snapshot *save(void)
{
    struct snapshot *snapshot = malloc(sizeof *snapshot + small_bytes);
    assert_non_null(snapshot);
    snapshot->state = frames;
    memcpy(snapshot->metadata, metadata, small_bytes);
    memcpy(snapshot->records, frames.record + frame_index_mapped(FIRST), END - FIRST);
    return snapshot;
}

static void restore(const struct snapshot *snapshot)
{
    frames = snapshot->state;
    memcpy(metadata, snapshot->metadata, small_bytes);
    memcpy(frames.record + frame_index_mapped(FIRST), snapshot->records, END - FIRST);
}

static void mix(uint64_t *key, uint64_t value)
{
    *key = (*key ^ value) * 0x9e3779b97f4a7c15;
    *key ^= *key >> 29;
}

static void mix_items(uint64_t *key, const uint32_t *items, uint64_t count)
{
    mix(key, count);
    for (uint64_t k = 0; k < count; k++)
        mix(key, items[k]);
}

/* All that decides what happens next: not the counters, nor what is left in unused slots. */
static uint64_t state_key(void)
{
    uint64_t key = 1, chunk = frame_index_mapped(FIRST) / CHUNK_FRAMES;
    for (unsigned n = 0; n < frames.cpus; n++) {
        struct frame_hand *hand = &frames.cpu[n].hand[1];
        for (unsigned order = 1; order < ORDERS; order++) {
            const struct frame_stack *stack = frame_cpu_stack(&frames.cpu[n], order, 1);
            mix_items(&key, stack->item, stack->count);
        }
        uint32_t freed, *items = frame_hand_freed(hand, &freed);
        mix_items(&key, items, freed);
        mix(&key, (uint64_t)(hand->mark - hand->begin) << 32 | hand->open);
        for (unsigned at = 0; at < CACHE_WORDS; at++)
            mix(&key, frame_cache_word(&frames.cpu[n], at).bits);
    }
    mix(&key, frames.map[chunk][0]);
    mix(&key, frames.chunk[chunk].order | (uint64_t)frames.chunk[chunk].stale << 8 |
                  frames.chunk[chunk].group << 9);
    mix(&key, frames.keep[1]);
    for (unsigned i = FIRST; i < END; i++)
        mix(&key, frames.record[frame_index_mapped(i)]);
    return key;
}

static bool is_new(uint64_t key)
{
    uint64_t slot = key % TABLE;
    for (; seen[slot]; slot = (slot + 1) % TABLE)
        if (seen[slot] == key)
            return false;
    seen[slot] = key;
    states++;
    assert_true(states < TABLE / 2);
    return true;
}

static bool can_serve(unsigned order)
{
    for (unsigned at = FIRST; at + (1u << order) <= END; at += 1u << order) {
        unsigned free = 0;
        for (unsigned i = at; i < at + (1u << order); i++)
            free += frame_class_of(pfn(i)) == FRAME_FREE;
        if (free == 1u << order)
            return true;
    }
    return false;
}

/* Step number `step` of those possible in any state; false when it does nothing here. */
static bool act(unsigned step)
{
    pfn_t first;
    frame_host_enter(step % CPUS);
    step /= CPUS;
    if (step < ORDERS) {
        bool possible = can_serve(step);
        enum error error = frame_alloc(step, FRAME_USER_ANONYMOUS, &first);
        assert_int_equal(error, possible ? ERR_NONE : ERR_NO_MEMORY);
        return true;
    }
    step -= ORDERS;
    if (step < END - FIRST) {
        uint64_t index = frame_index_mapped(FIRST + step);
        uint8_t record = frame_record(index);
        if (!record_is_held(record)) {
            assert_int_equal(frame_free(pfn(FIRST + step), 0), ERR_BAD_FREE);
            return false;
        }
        unsigned order = record_order(record, frame_note(index));
        assert_int_equal(frame_free(pfn(FIRST + step), order + 1), ERR_BAD_FREE);
        assert_int_equal(frame_free(pfn(FIRST + step), order), ERR_NONE);
        return true;
    }
    frame_drain();
    return true;
}

#define STEPS (CPUS * (ORDERS + END - FIRST + 1))

static void explore(void)
{
    struct snapshot *here = save();
    for (unsigned step = 0; step < STEPS; step++) {
        const char *what;
        pfn_t where;
        bool moved = act(step);
        if (moved && is_new(state_key())) {
            if (!frame_audit(&what, &where))
                fail_msg("frame %lu: %s", where.value, what);
            explore();
        }
        restore(here);
    }
    free(here);
}

static void every_state_is_sound(void **state)
{
    (void)state;
    struct memory_range ram = {pfn(FIRST), {END - FIRST}};
    uint64_t bytes = frame_metadata_bytes(&ram, 1);
    metadata = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(metadata != MAP_FAILED);
    assert_int_equal(frame_init(&ram, 1, metadata, CPUS), ERR_NONE);
    small_bytes = (uint64_t)((uint8_t *)frames.index_delta - metadata);
    is_new(state_key());
    explore();
    print_message("%lu states\n", states);
    assert_true(states > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_state_is_sound)};
    return cmocka_run_group_tests_name("frame_small", tests, NULL, NULL);
}
