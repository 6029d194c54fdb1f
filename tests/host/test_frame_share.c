/*
 * Holders, splitting and joining against a model that knows of each block its shape, class, account, holders
 * and bad frames: random operations, right and wrong ones, on CPUs with a cache and without one, with the
 * kernel's frames apart and not. The allocator must agree about every frame, and its auditor find nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "kernel/mm/frame_share.h"
#include "tests/host/frame_host.h"
#include "tests/host/random.h"

#define FRAMES   (24u * 512)
#define CPUS     3u
#define STEPS    60000u
#define NONE     UINT32_MAX
#define BAD_MOST 200u

static const struct memory_range ram[] = {{{16}, {3000}}, {{4096}, {2048}}, {{7000}, {FRAMES - 7100}}};

/* A held block, at its first frame. */
static struct {
    unsigned order, holders;
    enum frame_class class;
    uint32_t account;
} block[FRAMES];

static uint32_t first_of[FRAMES]; /* the first frame of the block that it is in; NONE */
static bool is_ram[FRAMES], bad[FRAMES];
static unsigned bad_count;
static unsigned splits, joins, shared; /* that were done, since the start */

static void *metadata;
static uint64_t metadata_bytes;

static void ignore(pfn_t first, pages_t count)
{
    (void)first;
    (void)count;
}

static void ignore_left(void)
{
}

static const struct frame_watch watch = {ignore, ignore, ignore_left};

static void boot(const struct memory_range *ranges, size_t count, bool apart)
{
    metadata_bytes = frame_metadata_bytes(ranges, count);
    metadata = mmap(NULL, metadata_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(metadata != MAP_FAILED);
    assert_int_equal(frame_init(ranges, count, metadata, CPUS), ERR_NONE);
    if (apart)
        frame_keep_apart(&watch, pfn(FRAMES));
    frame_host_enter(0);
}

static void start(bool apart)
{
    memset(is_ram, 0, sizeof is_ram);
    memset(bad, 0, sizeof bad);
    bad_count = splits = joins = shared = 0;
    for (uint32_t i = 0; i < FRAMES; i++)
        first_of[i] = NONE;
    for (size_t r = 0; r < sizeof ram / sizeof *ram; r++)
        memset(is_ram + ram[r].first.value, true, ram[r].count.value);
    boot(ram, sizeof ram / sizeof *ram, apart);
}

static void stop(void)
{
    munmap(metadata, metadata_bytes);
}

static void check_books(void)
{
    const char *what;
    pfn_t where;
    if (!frame_audit(&what, &where))
        fail_msg("frame 0x%lx: %s", where.value, what);
}

static void check_frame(uint32_t i)
{
    struct frame_owner owner;
    frame_owner_of(pfn(i), &owner);
    uint32_t first = first_of[i];
    if (first == NONE) {
        enum frame_class class = !is_ram[i] ? FRAME_ABSENT : bad[i] ? FRAME_BAD : FRAME_FREE;
        assert_int_equal(owner.class == FRAME_SPARE ? FRAME_FREE : owner.class, class);
        assert_int_equal(owner.others, 0);
        return;
    }
    assert_int_equal(owner.first.value, first);
    assert_int_equal(owner.order, block[first].order);
    assert_int_equal(owner.class, block[first].class);
    assert_int_equal(owner.account, block[first].account);
    assert_int_equal(owner.others + 1, block[first].holders);
}

static void check_all(void)
{
    struct frame_counts counts;
    uint64_t classes[FRAME_CLASSES] = {0}, total = 0;
    check_books();
    for (uint32_t i = 0; i < FRAMES; i++) {
        check_frame(i);
        total += is_ram[i];
        classes[first_of[i] != NONE ? block[first_of[i]].class
                : bad[i]            ? FRAME_BAD
                                    : FRAME_FREE] += is_ram[i];
    }
    frame_count(&counts);
    assert_int_equal(counts.total, total);
    assert_int_equal(counts.free, classes[FRAME_FREE]);
    assert_int_equal(counts.damaged, 0);
    for (unsigned class = FRAME_KERNEL; class <= FRAME_BAD; class ++)
        assert_int_equal(counts.classes[class], classes[class]);
}

/* The model's half of a block's being held anew. */
static void note_block(uint32_t first, unsigned order, enum frame_class class, uint32_t account)
{
    for (uint32_t i = first; i < first + (1u << order); i++)
        first_of[i] = first;
    block[first].order = order;
    block[first].holders = 1;
    block[first].class = class;
    block[first].account = account;
}

static bool has_bad(uint32_t first, unsigned order)
{
    for (uint32_t i = first; i < first + (1u << order); i++)
        if (bad[i])
            return true;
    return false;
}

static bool take(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    if (frame_alloc_for(order, class, account, out) != ERR_NONE)
        return false;
    for (uint64_t i = out->value; i < out->value + (1u << order); i++)
        assert_true(is_ram[i] && !bad[i] && first_of[i] == NONE);
    note_block((uint32_t)out->value, order, class, account);
    return true;
}

/* One holder lets go; the last one gives the block back. */
static void drop(uint32_t first)
{
    unsigned order = block[first].order;
    bool only = block[first].holders == 1;
    assert_int_equal(frame_is_shared(pfn(first)), !only);
    assert_int_equal(frame_drop(pfn(first)), only);
    if (!only) {
        block[first].holders--;
        block[first].account = 0;
        return;
    }
    assert_int_equal(frame_free(pfn(first), order), ERR_NONE);
    for (uint32_t i = first; i < first + (1u << order); i++)
        first_of[i] = NONE;
}

static void share(uint32_t first)
{
    assert_true(frame_share(pfn(first)));
    shared++;
    block[first].holders++;
}

static void split(uint32_t first, unsigned order, unsigned part_order)
{
    bool can = first_of[first] == first && block[first].order == order && part_order <= order &&
               block[first].holders == 1;
    assert_int_equal(frame_split(pfn(first), order, part_order), can ? ERR_NONE : ERR_BAD_FREE);
    splits += can && part_order < order;
    for (uint32_t at = first; can && at < first + (1u << order); at += 1u << part_order)
        note_block(at, part_order, block[first].class, block[first].account);
}

/* Also for what is no part at all, or no RAM. */
static void join(uint32_t first, unsigned order, unsigned part_order)
{
    bool can = part_order <= order && first % (1u << order) == 0;
    uint32_t account = first_of[first] == first ? block[first].account : 0;
    for (uint32_t at = first; can && at < first + (1u << order); at += 1u << part_order) {
        can = at < FRAMES && first_of[at] == at && block[at].order == part_order && block[at].holders == 1 &&
              block[at].class == block[first].class && !has_bad(at, part_order);
        if (can && block[at].account != account)
            account = 0;
    }
    assert_int_equal(frame_join(pfn(first), order, part_order), can ? ERR_NONE : ERR_BAD_FREE);
    if (can)
        note_block(first, order, block[first].class, account);
    joins += can && part_order < order;
}

static void assign(struct random *random, uint32_t first)
{
    if (block[first].holders > 1)
        return;
    uint32_t account = (uint32_t)random_below(random, 4);
    assert_int_equal(frame_assign(pfn(first), block[first].order, block[first].class, account), ERR_NONE);
    block[first].account = account;
}

static void retire(uint32_t frame)
{
    if (!is_ram[frame] || bad_count == BAD_MOST)
        return;
    assert_int_equal(frame_retire(pfn(frame), (pages_t){1}), ERR_NONE);
    bad_count += !bad[frame];
    bad[frame] = true;
}

static void step_once(struct random *random)
{
    uint32_t frame = (uint32_t)random_below(random, FRAMES), first = first_of[frame];
    unsigned any = (unsigned)random_below(random, 12), dice = (unsigned)random_below(random, 100);
    pfn_t taken;
    frame_host_enter(random_below(random, 8) == 0 ? FRAME_CPUS - 1 : (unsigned)random_below(random, CPUS));
    if (dice == 0 && random_below(random, 4) == 0) {
        retire(frame);
    } else if (first == NONE || dice < 4) {
        enum frame_class class = FRAME_KERNEL + (enum frame_class)random_below(random, 7);
        take(dice % 3 ? any : 0, class, (uint32_t)random_below(random, 4), &taken);
        split(frame, any, any / 2);
    } else if (dice < 18) {
        share(first);
    } else if (dice < 50) {
        drop(first);
    } else if (dice < 72) {
        unsigned order = dice % 4 ? block[first].order : any;
        split(first, order, (unsigned)random_below(random, order + 2));
    } else if (dice < 96) {
        unsigned part_order = block[first].order, order = part_order + (unsigned)random_below(random, 3);
        join(dice % 4 ? frame & ~0u << order : frame, order, part_order);
    } else {
        assign(random, first);
    }
    check_frame(frame);
}

/* All holders of everything let go. */
static void drop_all(void)
{
    struct frame_counts counts;
    for (uint32_t i = 0; i < FRAMES; i++)
        while (first_of[i] == i)
            drop(i);
    check_all();
    frame_drain();
    check_all();
    frame_count(&counts);
    assert_int_equal(counts.free + bad_count, counts.total);
}

static void random_operations_agree_with_a_model(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        struct random random = {round + 1};
        start(round % 2);
        for (unsigned step = 0; step < STEPS; step++) {
            step_once(&random);
            if (step % 1000 == 0)
                check_all();
        }
        assert_true(splits > STEPS / 100 && joins > STEPS / 100 && shared > STEPS / 20);
        drop_all();
        stop();
    }
}

/* The way of a large page: in pieces, copied and given back in part, whole again. */
static void a_block_goes_to_pieces_and_comes_together(void **state)
{
    (void)state;
    static const enum frame_class classes[] = {FRAME_USER_ANONYMOUS, FRAME_USER_SHARED, FRAME_KERNEL,
                                               FRAME_DEVICE};
    for (unsigned round = 0; round < 16; round++) {
        struct random random = {round + 100};
        pfn_t first, other;
        start(round / 4 % 2);
        frame_host_enter(round / 8 ? FRAME_CPUS - 1 : 0);
        unsigned order = 9 + round % 3 % 2, part_order = (unsigned)random_below(&random, 2) * 3;
        assert_true(take(order, classes[round % 4], 7, &first));
        uint32_t begin = (uint32_t)first.value, parts = 1u << (order - part_order);
        share(begin);
        split(begin, order, part_order);
        join(begin, order, order);
        drop(begin);
        assert_int_equal(frame_assign(first, order, classes[round % 4], 9), ERR_NONE);
        block[begin].account = 9;
        split(begin, order, part_order);
        check_all();
        /* Any one part that is not like the others is enough. */
        uint32_t odd = begin + ((uint32_t)random_below(&random, parts) << part_order);
        share(odd);
        join(begin, order, part_order);
        drop(odd);
        join(begin, order, part_order);
        assert_int_equal(block[begin].account, 0);
        check_all();
        split(begin, order, part_order);
        drop(odd);
        join(begin, order, part_order);
        /* Every second part goes, what is left cannot be joined, and all of it comes back as a block. */
        for (uint32_t at = begin; at < begin + (1u << order); at += 1u << part_order)
            if (at != odd && (at - begin) >> part_order & 1)
                drop(at);
        check_all();
        drop_all();
        assert_true(take(order, classes[round % 4], 0, &other));
        drop_all();
        stop();
    }
}

static void bad_frames_stay_with_their_part(void **state)
{
    (void)state;
    static const uint32_t places[] = {0, 1, 7, 8, 255, 256, 511};
    for (unsigned n = 0; n < sizeof places / sizeof *places; n++) {
        pfn_t first;
        start(false);
        assert_true(take(9, FRAME_USER_ANONYMOUS, 3, &first));
        uint32_t begin = (uint32_t)first.value;
        retire(begin + places[n]);
        retire(begin + places[(n + 2) % 7]);
        split(begin, 9, 3);
        check_all();
        join(begin, 9, 3);
        for (uint32_t at = begin; at < begin + 512; at += 8)
            split(at, 3, 0);
        check_all();
        for (uint32_t at = begin; at < begin + 512; at += 2)
            join(at, 1, 0);
        check_all();
        drop_all();
        assert_int_equal(frame_class_of(pfn(begin + places[n])), FRAME_BAD);
        stop();
    }
}

/* Blocks that reach over sections of 32 MiB, and what only seems to: there is a hole behind. */
static void blocks_of_any_order_are_split_and_joined(void **state)
{
    (void)state;
    const struct memory_range large[] = {{{0}, {1u << 16}}, {{3u << 16}, {1u << 14}}};
    pfn_t first;
    boot(large, 2, false);
    assert_int_equal(frame_alloc(16, FRAME_USER_ANONYMOUS, &first), ERR_NONE);
    for (unsigned order = 16; order >= 7; order--) {
        for (uint64_t at = 0; at < 1u << 16; at += 1u << order)
            assert_int_equal(frame_split(pfn(at), order, order - 1), ERR_NONE);
        check_books();
    }
    for (unsigned order = 6; order < 16; order += 2) {
        for (uint64_t at = 0; at < 1u << 16; at += 4u << order)
            assert_int_equal(frame_join(pfn(at), order + 2, order), ERR_NONE);
        check_books();
    }
    assert_int_equal(frame_split(pfn(0), 16, 0), ERR_NONE);
    check_books();
    assert_int_equal(frame_join(pfn(0), 16, 0), ERR_NONE);
    assert_int_equal(frame_free(pfn(0), 16), ERR_NONE);
    /* One section less is there than the block would have. */
    assert_int_equal(frame_take(pfn(3u << 16), (pages_t){1u << 14}, FRAME_DEVICE), ERR_NONE);
    assert_int_equal(frame_split(pfn(3u << 16), 14, 13), ERR_NONE);
    assert_int_equal(frame_join(pfn(3u << 16), 15, 13), ERR_BAD_FREE);
    assert_int_equal(frame_join(pfn(3u << 16), 19, 13), ERR_BAD_FREE);
    assert_int_equal(frame_join(pfn(1ull << 40), 1, 0), ERR_BAD_FREE);
    assert_int_equal(frame_split(pfn(1ull << 40), 1, 0), ERR_BAD_FREE);
    assert_int_equal(frame_join(pfn(3u << 16), 14, 13), ERR_NONE);
    assert_int_equal(frame_free(pfn(3u << 16), 14), ERR_NONE);
    check_books();
    stop();
}

/* Two sections whose numbers are in a row, and whose frames are not. */
static void what_is_beyond_a_hole_is_no_neighbour(void **state)
{
    (void)state;
    const struct memory_range apart[] = {{{0}, {1u << 13}}, {{1u << 14}, {1u << 13}}};
    boot(apart, 2, false);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(frame_take(apart[i].first, apart[i].count, FRAME_DEVICE), ERR_NONE);
    assert_int_equal(frame_join(pfn(0), 14, 13), ERR_BAD_FREE);
    check_books();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(frame_free(apart[i].first, 13), ERR_NONE);
    check_books();
    stop();
}

/* What is left of a block in pieces serves its own group: here users, though the kernel had the chunk before.
 */
static void the_rest_of_a_block_serves_its_group(void **state)
{
    (void)state;
    static pfn_t all[FRAMES];
    pfn_t first, frame;
    start(false);
    size_t count = frame_alloc_batch(0, FRAME_KERNEL, all, FRAMES);
    assert_int_equal(frame_free_batch(0, all, count), count);
    assert_true(take(9, FRAME_USER_ANONYMOUS, 0, &first));
    split((uint32_t)first.value, 9, 0);
    for (uint32_t at = 1; at < 512; at++)
        drop((uint32_t)first.value + at);
    frame_drain();
    assert_true(take(0, FRAME_KERNEL, 0, &frame));
    assert_true(frame.value / 512 != first.value / 512);
    assert_true(take(0, FRAME_USER_SHARED, 0, &frame));
    assert_int_equal(frame.value / 512, first.value / 512);
    drop_all();
    stop();
}

/* Words with a frame, with none, and with one that does not count; before one that cannot be shared more. */
static void share_row_up_to(pfn_t most)
{
    const uint64_t number = ((uint64_t)1 << 40) - 1, present = (uint64_t)1 << 40, other = (uint64_t)1 << 50;
    pfn_t a, b, c;
    assert_true(take(0, FRAME_USER_ANONYMOUS, 5, &a));
    assert_true(take(0, FRAME_USER_ANONYMOUS, 5, &b));
    assert_true(take(0, FRAME_USER_ANONYMOUS, 5, &c));
    const uint64_t words[] = {a.value | present,         0,
                              b.value | present | other, c.value | other,
                              a.value | present,         most.value | present,
                              b.value | present};
    assert_int_equal(frame_share_row(words, 5, number, present), 5);
    assert_int_equal(frame_share_row(words, 7, number, present), 5);
    assert_int_equal(frame_share_row(words, 0, number, present), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_false(frame_drop(a));
    for (unsigned i = 0; i < 2; i++)
        assert_false(frame_drop(b));
    assert_false(frame_is_shared(a) || frame_is_shared(b) || frame_is_shared(c));
}

static void only_so_many_holders_can_be_counted(void **state)
{
    (void)state;
    pfn_t frame;
    start(false);
    assert_true(take(0, FRAME_USER_ANONYMOUS, 5, &frame));
    for (unsigned i = 0; i < FRAME_SHARES_MOST; i++)
        assert_true(frame_share(frame));
    assert_false(frame_share(frame));
    share_row_up_to(frame);
    assert_int_equal(frame_account_of(frame), 5);
    for (unsigned i = 0; i < FRAME_SHARES_MOST; i++)
        assert_false(frame_drop(frame));
    assert_int_equal(frame_account_of(frame), 0);
    drop_all();
    stop();
}

static void the_auditor_finds_holders_of_what_was_given_back(void **state)
{
    (void)state;
    const char *what;
    pfn_t frame, where;
    start(false);
    assert_true(take(0, FRAME_USER_ANONYMOUS, 0, &frame));
    share((uint32_t)frame.value);
    check_books();
    assert_int_equal(frame_free(frame, 0), ERR_NONE); /* the mistake: there is another holder */
    assert_false(frame_audit(&what, &where));
    assert_int_equal(where.value, frame.value);
    stop();
}

static pfn_t last_given;

static void note_given(pfn_t first, unsigned order, enum frame_class class, uint32_t account)
{
    (void)order;
    (void)class;
    (void)account;
    last_given = first;
}

static void an_inspector_is_spared_what_others_hold(void **state)
{
    (void)state;
    static const struct frame_inspector inspector = {note_given, ignore};
    for (unsigned order = 0; order < 11; order += 5) {
        pfn_t first;
        start(false);
        frame_inspect(&inspector);
        assert_true(take(order, FRAME_USER_ANONYMOUS, 2, &first));
        share((uint32_t)first.value);
        last_given = pfn(0);
        assert_int_equal(frame_free(first, order), ERR_BAD_FREE);
        assert_int_equal(last_given.value, 0);
        check_all();
        drop((uint32_t)first.value);
        split((uint32_t)first.value, order, 0);
        drop_all();
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_model),
        cmocka_unit_test(a_block_goes_to_pieces_and_comes_together),
        cmocka_unit_test(bad_frames_stay_with_their_part),
        cmocka_unit_test(blocks_of_any_order_are_split_and_joined),
        cmocka_unit_test(what_is_beyond_a_hole_is_no_neighbour),
        cmocka_unit_test(the_rest_of_a_block_serves_its_group),
        cmocka_unit_test(only_so_many_holders_can_be_counted),
        cmocka_unit_test(the_auditor_finds_holders_of_what_was_given_back),
        cmocka_unit_test(an_inspector_is_spared_what_others_hold),
    };
    return cmocka_run_group_tests_name("frame_share", tests, NULL, NULL);
}
