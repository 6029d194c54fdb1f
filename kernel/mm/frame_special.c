/*
 * The rare requests: in a range of addresses, an exact place, any number of contiguous frames, part of a
 * block back, bad memory. They see all free memory, since they bring the caches together first when they need
 * to.
 */
#include "kernel/mm/frame_state.h"

static bool class_can_hold(enum frame_class class)
{
    return class >= FRAME_KERNEL && class <= FRAME_RESERVED;
}

static bool take_within(unsigned order, enum frame_class class, uint64_t low, uint64_t high, uint64_t *index)
{
    while (frame_pool_take_within(order, CLASS_GROUP(class), low, high, index)) {
        if (frame_record(*index) != 0) {
            frames.damaged++;
            continue;
        }
        frame_hold(*index, order, class, 0, 0);
        frames.classes[class] += (int64_t)1 << order;
        return true;
    }
    return false;
}

/* With all that there is brought together. */
static bool take_within_alone(unsigned order, enum frame_class class, uint64_t low, uint64_t high,
                              uint64_t *index)
{
    struct frame_shortage shortage;
    bool taken;
    frame_shortage_begin(&shortage);
    do {
        frame_alone_begin();
        taken = take_within(order, class, low, high, index);
        frame_alone_end();
    } while (!taken && frame_shortage_again(&shortage));
    frame_shortage_end();
    return taken;
}

enum error frame_alloc_within(unsigned order, enum frame_class class, pfn_t low, pfn_t high, pfn_t *out)
{
    if (order >= FRAME_ORDERS || !class_can_hold(class))
        return ERR_BAD_ARGUMENT;
    uint64_t index;
    frame_pool_lock();
    bool taken = take_within(order, class, low.value, high.value, &index);
    frame_pool_unlock();
    if (!taken && !take_within_alone(order, class, low.value, high.value, &index))
        return ERR_NO_MEMORY;
    *out = frame_at(index);
    return frame_taken(*out, (uint64_t)1 << order);
}

/* The largest order of an aligned block that begins at `at` and ends at or below `end`. */
static unsigned piece_order(uint64_t at, uint64_t end)
{
    unsigned order = at ? (unsigned)__builtin_ctzll(at) : REGION_ORDER;
    if (order > REGION_ORDER)
        order = REGION_ORDER;
    while ((uint64_t)1 << order > end - at)
        order--;
    return order;
}

/* Do the frames exist, as numbers that can be looked up? */
static bool frames_are_mapped(uint64_t first, uint64_t count)
{
    uint64_t limit = frames.mapped << SECTION_ORDER;
    return count != 0 && first < limit && count <= limit - first;
}

/* Are all of these frames free, for this group? Alone. */
static bool range_is_free(uint64_t first, uint64_t end, unsigned group)
{
    for (uint64_t at = first; at < end;) {
        unsigned order = piece_order(at, end);
        uint64_t index = frame_index_mapped(at);
        if (index < SECTION_FRAMES || !frame_pool_is_free(index, order) || !frame_is_for(index, group))
            return false;
        at += (uint64_t)1 << order;
    }
    return true;
}

/* Hold frames that are all free. Alone. */
static void take_range(uint64_t first, uint64_t end, enum frame_class class)
{
    for (uint64_t at = first; at < end;) {
        unsigned order = piece_order(at, end);
        uint64_t index, size = (uint64_t)1 << order;
        if (!take_within(order, class, at, at + size, &index))
            frames.damaged++;
        at += size;
    }
}

enum error frame_take(pfn_t first, pages_t count, enum frame_class class)
{
    if (!class_can_hold(class) || !frames_are_mapped(first.value, count.value))
        return ERR_BAD_ARGUMENT;
    uint64_t end = first.value + count.value;
    frame_alone_begin();
    bool is_free = range_is_free(first.value, end, CLASS_GROUP(class));
    if (is_free)
        take_range(first.value, end, class);
    frame_alone_end();
    return is_free ? frame_taken(first, count.value) : ERR_NOT_READY;
}

/* The lowest `count` contiguous frames that are free for the group; NO_INDEX when there are none. Alone. */
static uint64_t find_run(uint64_t count, unsigned group)
{
    uint64_t begin = 0, end = 0; /* the run so far */
    for (uint64_t i = SECTION_FRAMES; i < frames.sections << SECTION_ORDER;) {
        uint64_t frame = frame_at(i).value;
        unsigned order = i % CHUNK_FRAMES ? 0 : CHUNK_ORDER;
        if (order && !frame_pool_is_free(i, order))
            order = 0;
        if ((order || frame_pool_is_free(i, 0)) && frame_is_for(i, group)) {
            begin = frame == end ? begin : frame;
            end = frame + ((uint64_t)1 << order);
            if (end - begin >= count)
                return begin;
        }
        bool skip =
            i % CHUNK_FRAMES == 0 && order == 0 && frame_chunk_free(&frames.chunk[i / CHUNK_FRAMES]) == 0;
        i += skip ? CHUNK_FRAMES : (uint64_t)1 << order;
    }
    return NO_INDEX;
}

/* Cut [first, end), a part of the held block `holder`, into pieces that are held like it. Under the lock. */
static void cut(uint64_t first, uint64_t end, uint64_t holder, uint8_t record, uint32_t note)
{
    bool retire = record_shape(record) == SHAPE_RETIRE;
    uint64_t first_bad = retire && (note & NOTE_FIRST_BAD) ? holder : NO_INDEX;
    for (uint64_t at = first; at < end;) {
        unsigned order = piece_order(at, end);
        uint64_t index = frame_index_mapped(at);
        if (order < CHUNK_ORDER && record_order(record, note) >= CHUNK_ORDER)
            frame_chunk_assign(index, CLASS_GROUP(record_class(record)));
        frame_hold(index, order, record_class(record), record_account(record, note),
                   retire ? frame_retire_of_part(index, order, first_bad) : 0);
        at += (uint64_t)1 << order;
    }
}

enum error frame_free_part(pfn_t first, unsigned order, pfn_t part, unsigned part_order)
{
    uint64_t index = frame_index(first), size = (uint64_t)1 << order, end = first.value + size;
    if (index == NO_INDEX || order >= FRAME_ORDERS || part_order > order || part.value < first.value ||
        part.value >= end || !is_aligned(part.value, (uint64_t)1 << part_order))
        return ERR_BAD_FREE;
    uint64_t part_end = part.value + ((uint64_t)1 << part_order);
    frame_pool_lock();
    uint8_t record = frame_record(index);
    uint32_t note = frame_note(index);
    bool held = frame_is_held(index, order);
    if (held) {
        cut(first.value, part.value, index, record, note);
        cut(part.value, part_end, index, record, note);
        cut(part_end, end, index, record, note);
    }
    frame_pool_unlock();
    return held ? frame_free(part, part_order) : ERR_BAD_FREE;
}

/* What frame_hold has to be told of bad frames in a block when it is recorded anew. */
static uint32_t retire_again(uint64_t index)
{
    return record_shape(frame_record(index)) == SHAPE_RETIRE ? (frame_note(index) & NOTE_FIRST_BAD) | 1 : 0;
}

/* Do these frames consist of whole held blocks, none or all of them reserved? Under the lock. */
static bool run_is_held(uint64_t first, uint64_t end, bool reserved)
{
    for (uint64_t at = first; at < end;) {
        uint64_t index = frame_index_mapped(at);
        uint8_t record = frame_record(index);
        unsigned order = record_order(record, frame_note(index));
        if (!record_is_held(record) || (record_class(record) == FRAME_RESERVED) != reserved ||
            (uint64_t)1 << order > end - at)
            return false;
        at += (uint64_t)1 << order;
    }
    return true;
}

enum error frame_free_run(pfn_t first, pages_t count)
{
    if (!frames_are_mapped(first.value, count.value))
        return ERR_BAD_FREE;
    uint64_t end = first.value + count.value;
    frame_pool_lock();
    bool held = run_is_held(first.value, end, false);
    frame_pool_unlock();
    if (!held)
        return ERR_BAD_FREE;
    for (uint64_t at = first.value; at < end;) {
        uint64_t index = frame_index_mapped(at);
        unsigned order = record_order(frame_record(index), frame_note(index));
        enum error error = frame_free(pfn(at), order);
        if (error != ERR_NONE)
            return error;
        at += (uint64_t)1 << order;
    }
    return ERR_NONE;
}

enum error frame_unreserve(pfn_t first, pages_t count)
{
    if (!frames_are_mapped(first.value, count.value))
        return ERR_BAD_FREE;
    uint64_t end = first.value + count.value;
    frame_pool_lock();
    bool held = run_is_held(first.value, end, true);
    for (uint64_t at = first.value; held && at < end;) {
        uint64_t index = frame_index_mapped(at);
        unsigned order = record_order(frame_record(index), frame_note(index));
        frames.classes[FRAME_RESERVED] -= (int64_t)1 << order;
        frames.classes[FRAME_DEVICE] += (int64_t)1 << order;
        frame_hold(index, order, FRAME_DEVICE, 0, retire_again(index));
        at += (uint64_t)1 << order;
    }
    frame_pool_unlock();
    return held ? frame_free_run(first, count) : ERR_BAD_FREE;
}

/* The smallest block that holds them all, the rest of it given back: quick, and what works nearly always. */
static enum error take_run_of_block(uint64_t count, enum frame_class class, pfn_t *out)
{
    unsigned order = 0;
    while (order < FRAME_ORDERS && (uint64_t)1 << order < count)
        order++;
    enum error error = order < FRAME_ORDERS ? frame_alloc(order, class, out) : ERR_NO_MEMORY;
    uint64_t spare = ((uint64_t)1 << order) - count;
    if (error != ERR_NONE || spare == 0)
        return error;
    uint64_t middle = out->value + count, index = frame_index_mapped(out->value);
    frame_pool_lock();
    uint8_t record = frame_record(index);
    uint32_t note = frame_note(index);
    cut(out->value, middle, index, record, note);
    cut(middle, middle + spare, index, record, note);
    frame_pool_unlock();
    return frame_free_run(pfn(middle), (pages_t){spare});
}

enum error frame_alloc_run(pages_t count, enum frame_class class, pfn_t *out)
{
    if (count.value == 0 || !class_can_hold(class))
        return ERR_BAD_ARGUMENT;
    enum error error = take_run_of_block(count.value, class, out);
    if (error != ERR_NO_MEMORY)
        return error;
    uint64_t first;
    struct frame_shortage shortage;
    frame_shortage_begin(&shortage);
    do {
        frame_alone_begin();
        first = find_run(count.value, CLASS_GROUP(class));
        if (first != NO_INDEX)
            take_range(first, first + count.value, class);
        frame_alone_end();
    } while (first == NO_INDEX && frame_shortage_again(&shortage));
    frame_shortage_end();
    if (first == NO_INDEX)
        return ERR_NO_MEMORY;
    *out = pfn(first);
    return frame_taken(*out, count.value);
}

/* With the pool's lock: every case. */
static enum error assign_any(uint64_t index, unsigned order, enum frame_class class, uint32_t account)
{
    frame_pool_lock();
    bool held = frame_is_held(index, order);
    if (held) {
        frames.classes[record_class(frame_record(index))] -= (int64_t)1 << order;
        frames.classes[class] += (int64_t)1 << order;
        frame_hold(index, order, class, account, retire_again(index));
    }
    frame_pool_unlock();
    return held ? ERR_NONE : ERR_BAD_FREE;
}

enum error frame_assign(pfn_t first, unsigned order, enum frame_class class, uint32_t account)
{
    uint64_t index = frame_index(first);
    if (index == NO_INDEX || order >= FRAME_ORDERS)
        return ERR_BAD_FREE;
    uint8_t record = frame_record(index);
    if (!class_can_hold(class) || account >= FRAME_ACCOUNTS ||
        (record_is_held(record) && CLASS_GROUP(record_class(record)) != CLASS_GROUP(class)))
        return ERR_BAD_ARGUMENT;
    struct frame_cpu *cpu = order < CACHED_ORDERS ? frame_cache_enter() : NULL;
    if (cpu == NULL)
        return assign_any(index, order, class, account);
    record = frame_record(index);
    if (record_shape(record) != SHAPE_HELD(order)) {
        frame_cache_leave(cpu);
        return assign_any(index, order, class, account);
    }
    cpu->given[record & RECORD_KIND_MASK] += (uint64_t)1 << order;
    cpu->taken[class] += (uint64_t)1 << order;
    frame_hold(index, order, class, account, 0);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* As the fast paths of frame.c: what is rare is called last. */
enum error frame_pass_on(pfn_t frame, uint32_t account)
{
    uint64_t index = frame_index_mapped(frame.value);
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    if (RARELY(!frame_cache_try(cpu)) || RARELY(frame_record(index) != (RECORD_USER | RECORD_NOTED)) ||
        RARELY(account == 0)) {
        frame_cache_leave(cpu);
        return frame_assign(frame, 0, FRAME_USER_ANONYMOUS, account);
    }
    frame_set_note(index, account);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* Mark a frame of a held block; it is retired when the block is given back. Alone. */
static void mark_bad(uint64_t index)
{
    uint64_t first = frame_holder(index);
    uint8_t record = frame_record(first);
    uint32_t note = frame_note(first), retire = first == index ? NOTE_FIRST_BAD | 1 : 1;
    if (record_shape(record) == SHAPE_RETIRE)
        retire |= note & NOTE_FIRST_BAD;
    if (first != index)
        frame_set_record(index, RECORD_INSIDE_BAD);
    frame_hold(first, record_order(record, note), record_class(record), record_account(record, note), retire);
}

static void retire_one(uint64_t frame)
{
    uint64_t index = frame_index_mapped(frame);
    if (record_shape(frame_record(index)) == SHAPE_OUT)
        return;
    if (!frame_pool_is_free(index, 0)) {
        mark_bad(index);
        return;
    }
    /* Wherever it is: of what group a bad frame is taken does not matter. */
    bool taken = false;
    for (unsigned group = 0; group < GROUPS && !taken; group++)
        taken = frame_pool_take_within(0, group, frame, frame + 1, &index);
    frames.damaged += !taken;
    frame_set_record(index, RECORD_RETIRED);
    frames.classes[FRAME_BAD]++;
}

enum error frame_retire(pfn_t first, pages_t count)
{
    if (!frames_are_mapped(first.value, count.value))
        return ERR_BAD_ARGUMENT;
    uint64_t end = first.value + count.value;
    for (uint64_t frame = first.value; frame < end; frame++)
        if (frame_class_of(pfn(frame)) == FRAME_ABSENT)
            return ERR_BAD_ARGUMENT;
    frame_alone_begin();
    for (uint64_t frame = first.value; frame < end; frame++)
        retire_one(frame);
    frame_alone_end();
    return ERR_NONE;
}
