/*
 * Taking blocks: the fast paths, which touch the CPU's own cache and the record of the block, and what they
 * fall back to. Up to order 9 there is a cache; larger blocks come straight from the pool.
 *
 * The fast paths are leaf code: what is not at hand is left to a function that is called last, so that no
 * register has to be saved for a call that is rarely made.
 */
#include "kernel/mm/frame_state.h"

#define CLASS_CAN_HOLD(class) ((unsigned)(class) - FRAME_KERNEL <= FRAME_RESERVED - FRAME_KERNEL)
#define CLASS_CACHED(class)   ((unsigned)(class) - FRAME_KERNEL <= FRAME_USER_SHARED - FRAME_KERNEL)

/* By class: where in a cache the hand is, and the record of a single frame. */
#define OF(class)                                                                                            \
    [class] = {offsetof(struct frame_cpu, hand) + CLASS_GROUP(class) * sizeof(struct frame_hand),            \
               SHAPE_HELD(0) << RECORD_SHAPE_SHIFT | RECORD_KIND(class)}
static const struct {
    uint16_t hand;
    uint8_t record;
} of_class[FRAME_CLASSES] = {
    OF(FRAME_KERNEL), OF(FRAME_PAGE_TABLE), OF(FRAME_STACK), OF(FRAME_USER_ANONYMOUS), OF(FRAME_USER_SHARED),
};

/* The hand at this offset in the cache. */
static inline struct frame_hand *hand_at(struct frame_cpu *cpu, uint64_t offset)
{
    return (struct frame_hand *)((uintptr_t)cpu + offset);
}

/* What is asked for, in one register. */
struct request {
    uint8_t order;
    uint8_t class;
    uint16_t account;
    bool modest; /* refused rather than taken from others */
};

/* A block was free and yet held: two CPUs gave it back at the same moment. It is left to its holder. */
static void note_damage(void)
{
    __atomic_fetch_add(&frames.damaged, 1, __ATOMIC_RELAXED);
}

/* Note a block that the pool gave; false when it is damaged. Under the lock. */
static bool hold(struct request request, uint64_t index, pfn_t *out)
{
    if (frame_record(index) != 0) {
        note_damage();
        return false;
    }
    frame_hold(index, request.order, request.class, request.account, 0);
    frames.classes[request.class] += (int64_t)1 << request.order;
    *out = frame_at(index);
    return true;
}

/* Bring everything together, then look everywhere. No other CPU can take anything meanwhile. */
static bool take_alone(struct request request, pfn_t *out)
{
    uint64_t index;
    bool taken = false;
    frame_alone_begin();
    while (!taken && frame_pool_take_mixed(request.order, CLASS_GROUP(request.class), &index))
        taken = hold(request, index, out);
    frame_alone_end();
    return taken;
}

/* The last resort, and the very last: what others keep. */
static enum error take_exhaustively(struct request request, pfn_t *out)
{
    if (request.modest)
        return ERR_NO_MEMORY;
    struct frame_shortage shortage;
    bool taken;
    frame_shortage_begin(&shortage);
    do {
        taken = take_alone(request, out);
    } while (!taken && frame_shortage_again(&shortage));
    frame_shortage_end();
    if (!taken)
        return ERR_NO_MEMORY;
    return frame_taken(*out, (uint64_t)1 << request.order);
}

/* Without a cache: large blocks, and CPUs that have none. */
static enum error take_from_pool(struct request request, pfn_t *out)
{
    uint64_t index;
    bool taken = false;
    frame_pool_lock();
    while (!taken && frame_pool_take(request.order, CLASS_GROUP(request.class), &index))
        taken = hold(request, index, out);
    frame_pool_unlock();
    return taken ? frame_taken(*out, (uint64_t)1 << request.order) : take_exhaustively(request, out);
}

/* The frame given back last, when there is one and it is as good as any. */
static inline bool pop_freed(struct frame_hand *hand, uint64_t *index)
{
    if (hand->freed == hand->mark)
        return false;
    *index = hand->item[FREED + hand->freed - 1];
    if (frame_filed(*index, hand) >= frame_keep(hand))
        return false;
    hand->freed--;
    return true;
}

/* The next single frame; false when there is none anywhere. */
static bool next_frame(struct frame_cpu *cpu, struct frame_hand *hand, uint64_t *index)
{
    if (pop_freed(hand, index))
        return true;
    if (!frame_cache_prepare(cpu, hand))
        return false;
    *index = hand->open * 64ul + bit_lowest(hand->word);
    hand->word &= hand->word - 1;
    return true;
}

static bool next_block(struct frame_cpu *cpu, unsigned order, unsigned group, uint64_t *index)
{
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    if (stack->count == 0 && !frame_stack_refill(cpu, order, group))
        return false;
    *index = stack->item[--stack->count];
    return true;
}

/* Every case: any order, an account, nothing at hand, no cache. */
static SLOW enum error take(struct request request, pfn_t *out)
{
    unsigned order = request.order, group = CLASS_GROUP(request.class);
    bool cached =
        order < CHUNK_ORDER ? group < CACHED_GROUPS : order == CHUNK_ORDER && !frame_is_apart(group);
    struct frame_cpu *cpu = cached ? frame_cache_enter() : NULL;
    uint64_t index;
    if (cpu == NULL)
        return take_from_pool(request, out);
    while (order ? next_block(cpu, order, group, &index) : next_frame(cpu, &cpu->hand[group], &index)) {
        if (RARELY(frame_record(index) != 0)) {
            note_damage();
            continue;
        }
        if (request.account)
            frame_hold(index, order, request.class, request.account, 0);
        else
            frame_set_record(index, record_plain(order, request.class));
        cpu->taken[request.class] += (uint64_t)1 << order;
        frame_cache_leave(cpu);
        *out = frame_at(index);
        return ERR_NONE;
    }
    frame_cache_leave(cpu);
    return take_exhaustively(request, out);
}

/* A frame that was just popped is damaged. */
static SLOW enum error take_another(struct request request, pfn_t *out)
{
    note_damage();
    return take(request, out);
}

/*
 * The fast paths: nothing is changed when they give up. The record is read plainly, for a block in a cache
 * has nobody who would write it.
 */
static inline enum error take_top(struct frame_cpu *cpu, struct frame_stack *stack, unsigned order,
                                  uint64_t class, pfn_t *out)
{
    uint32_t count;
    uint64_t index;
    if (RARELY(!frame_cache_try(cpu)) || RARELY((count = stack->count) == 0) ||
        RARELY(frames.record[index = stack->item[count - 1]] != 0)) {
        frame_cache_leave(cpu);
        return take((struct request){.order = (uint8_t)order, .class = (uint8_t) class}, out);
    }
    stack->count = count - 1;
    frame_set_record(index, (uint8_t)(of_class[class].record - (order << RECORD_SHAPE_SHIFT)));
    cpu->taken[class] += (uint64_t)1 << order;
    *out = frame_at(index);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* Blocks of order 1 to 8. */
static SLOW enum error take_piece(unsigned order, uint64_t class, pfn_t *out)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    return take_top(cpu, &cpu->stack[order - 1][CLASS_GROUP(class)], order, class, out);
}

static SLOW enum error take_block(unsigned order, uint64_t class, pfn_t *out)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    if (order == CHUNK_ORDER && RARELY(frame_is_apart(CLASS_GROUP(class))))
        return take((struct request){.order = CHUNK_ORDER, .class = (uint8_t) class}, out);
    if (order == CHUNK_ORDER)
        return take_top(cpu, frame_cpu_stack(cpu, CHUNK_ORDER, 0), CHUNK_ORDER, class, out);
    if (order < CHUNK_ORDER)
        return take_piece(order, class, out);
    return order < FRAME_ORDERS
               ? take_from_pool((struct request){.order = (uint8_t)order, .class = (uint8_t) class}, out)
               : ERR_BAD_ARGUMENT;
}

/* The lowest frame of the open word, of these bits. In the cache; leaves it. */
static inline enum error take_open(struct frame_cpu *cpu, struct frame_hand *hand, uint64_t word,
                                   uint64_t class, pfn_t *out)
{
    uint64_t bit = bit_lowest(word);
    if (RARELY(hand->record[bit] != 0)) {
        frame_cache_leave(cpu);
        return take((struct request){.class = (uint8_t) class}, out);
    }
    __atomic_store_n(&hand->record[bit], of_class[class].record, __ATOMIC_RELAXED);
    hand->word = word & (word - 1);
    cpu->taken[class]++;
    *out = pfn(hand->first + bit);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* None of those that were given back: get the open word ready. Or the cache is drained. */
static SLOW enum error take_prepared(struct frame_cpu *cpu, struct frame_hand *hand, uint64_t class,
                                     pfn_t *out)
{
    if (__atomic_load_n(&cpu->allowed, __ATOMIC_ACQUIRE) && frame_cache_prepare(cpu, hand))
        return take_open(cpu, hand, hand->word, class, out);
    frame_cache_leave(cpu);
    return take((struct request){.class = (uint8_t) class}, out);
}

/* The frame given back last, if it is as good as any. In the cache; leaves it. */
static inline enum error take_freed(struct frame_cpu *cpu, struct frame_hand *hand, int64_t freed,
                                    uint64_t class, pfn_t *out)
{
    uint64_t index = hand->item[FREED + freed - 1];
    unsigned filed = frame_filed(index, hand);
    if (filed >= frame_keep(hand)) {
        if (RARELY(filed >= FILED_NEARLY_WHOLE || hand->word == 0))
            return take_prepared(cpu, hand, class, out);
        hand->mark = freed;
        return take_open(cpu, hand, hand->word, class, out);
    }
    hand->freed = freed - 1;
    if (RARELY(frames.record[index] != 0)) {
        frame_cache_leave(cpu);
        return take_another((struct request){.class = (uint8_t) class}, out);
    }
    frame_set_record(index, of_class[class].record);
    cpu->taken[class]++;
    *out = frame_at(index);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* What stays where it is comes straight from the pool. */
static SLOW enum error take_pinned(unsigned order, uint64_t class, pfn_t *out)
{
    if (!CLASS_CAN_HOLD(class) || order >= FRAME_ORDERS)
        return ERR_BAD_ARGUMENT;
    return take_from_pool((struct request){.order = (uint8_t)order, .class = (uint8_t) class}, out);
}

enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    if (RARELY(!CLASS_CACHED(class)))
        return take_pinned(order, class, out);
    if (RARELY(order != 0))
        return take_block(order, class, out);
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    struct frame_hand *hand = hand_at(cpu, of_class[class].hand);
    uint64_t allowed = frame_cache_try(cpu);
    int64_t freed = __atomic_load_n(&hand->freed, __ATOMIC_RELAXED);
    if (freed == __atomic_load_n(&hand->mark, __ATOMIC_RELAXED)) {
        uint64_t word = allowed & __atomic_load_n(&hand->word, __ATOMIC_RELAXED);
        return word ? take_open(cpu, hand, word, class, out) : take_prepared(cpu, hand, class, out);
    }
    return allowed ? take_freed(cpu, hand, freed, class, out) : take_prepared(cpu, hand, class, out);
}

/* The lowest frame of the open word, if there is one and none that was given back is better. */
static inline bool pop_open(struct frame_hand *hand, uint64_t *index)
{
    uint64_t word = hand->word;
    if (RARELY(hand->freed != hand->mark) || RARELY(word == 0))
        return false;
    *index = hand->open * 64ul + bit_lowest(word);
    hand->word = word & (word - 1);
    return true;
}

/* A whole chunk, if one is at hand. */
static inline bool pop_chunk(uint64_t class, uint32_t account, pfn_t *out)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    struct frame_stack *stack = frame_cpu_stack(cpu, CHUNK_ORDER, 0);
    uint64_t index = 0;
    bool got =
        frame_cache_try(cpu) && stack->count > 0 && frame_record(index = stack->item[stack->count - 1]) == 0;
    if (got) {
        stack->count--;
        frame_set_note(index, account | CHUNK_ORDER << NOTE_ORDER_SHIFT);
        frame_set_record(index, record_plain(CHUNK_ORDER, class) | (account != 0 ? RECORD_NOTED : 0));
        cpu->taken[class] += CHUNK_FRAMES;
        *out = frame_at(index);
    }
    frame_cache_leave(cpu);
    return got;
}

/* Every case, checked. */
static SLOW enum error take_for(unsigned order, uint64_t class, uint32_t account, pfn_t *out)
{
    if (!CLASS_CAN_HOLD(class) || order >= FRAME_ORDERS || account >= FRAME_ACCOUNTS)
        return ERR_BAD_ARGUMENT;
    if (order == CHUNK_ORDER && CLASS_CACHED(class) && !frame_is_apart(CLASS_GROUP(class)) &&
        pop_chunk(class, account, out))
        return ERR_NONE;
    return take(
        (struct request){.order = (uint8_t)order, .class = (uint8_t) class, .account = (uint16_t)account},
        out);
}

/* As frame_alloc: the note is written before the record, which says that there is one. */
enum error frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    if (RARELY(!CLASS_CACHED(class)) || RARELY(order != 0) || RARELY(account - 1 >= FRAME_ACCOUNTS - 1))
        return take_for(order, class, account, out);
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    struct frame_hand *hand = hand_at(cpu, of_class[class].hand);
    uint64_t index;
    if (RARELY(!frame_cache_try(cpu)) || RARELY(frames.inspector != NULL) ||
        RARELY(!pop_open(hand, &index) && !pop_freed(hand, &index))) {
        frame_cache_leave(cpu);
        return take_for(order, class, account, out);
    }
    if (RARELY(frame_record(index) != 0)) {
        note_damage();
        frame_cache_leave(cpu);
        return take_for(order, class, account, out);
    }
    frame_set_note(index, account);
    frame_set_record(index, of_class[class].record | RECORD_NOTED);
    cpu->taken[class]++;
    *out = frame_at(index);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

enum error frame_alloc_user_block(uint32_t account, pfn_t *out)
{
    const uint64_t class = FRAME_USER_ANONYMOUS;
    if (RARELY(account - 1 >= FRAME_ACCOUNTS - 1) || RARELY(frame_is_apart(CLASS_GROUP(class))) ||
        RARELY(!pop_chunk(class, account, out)))
        return take_for(CHUNK_ORDER, class, account, out);
    return ERR_NONE;
}

enum error frame_alloc_modestly(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    if (!CLASS_CAN_HOLD(class) || order >= FRAME_ORDERS || account >= FRAME_ACCOUNTS)
        return ERR_BAD_ARGUMENT;
    return take((struct request){(uint8_t)order, (uint8_t) class, (uint16_t)account, true}, out);
}

/* The frames of the open word that come next, as long as none that was given back is better. */
static inline unsigned take_row(struct frame_hand *hand, uint8_t record, uint32_t account, unsigned most,
                                pfn_t *out)
{
    uint64_t word = hand->freed == hand->mark ? hand->word : 0, first = hand->first;
    uint8_t *records = hand->record;
    uint32_t *notes = &frames.note[hand->open * 64ul];
    unsigned got = 0;
    for (; word != 0 && got < most; word &= word - 1) {
        uint64_t bit = bit_lowest(word);
        if (RARELY(records[bit] != 0))
            break;
        __atomic_store_n(&notes[bit], account, __ATOMIC_RELAXED);
        __atomic_store_n(&records[bit], record, __ATOMIC_RELAXED);
        out[got++] = pfn(first + bit);
    }
    if (got != 0)
        hand->word = word;
    return got;
}

/* Another one: of those given back, or with which the next word is opened. */
static bool take_next(struct frame_cpu *cpu, struct frame_hand *hand, uint8_t record, uint32_t account,
                      pfn_t *out)
{
    uint64_t index;
    while (next_frame(cpu, hand, &index)) {
        if (frame_record(index) == 0) {
            frame_set_note(index, account);
            frame_set_record(index, record);
            *out = frame_at(index);
            return true;
        }
        note_damage();
    }
    return false;
}

unsigned frame_alloc_some(enum frame_class class, uint32_t account, unsigned most, pfn_t *out)
{
    struct frame_cpu *cpu = frame_cache_enter();
    if (cpu == NULL)
        return 0;
    struct frame_hand *hand = hand_at(cpu, of_class[class].hand);
    uint8_t record = of_class[class].record | RECORD_NOTED;
    unsigned got = take_row(hand, record, account, most, out);
    while (got < most && take_next(cpu, hand, record, account, &out[got])) {
        got++;
        got += take_row(hand, record, account, most - got, &out[got]);
    }
    cpu->taken[class] += got;
    frame_cache_leave(cpu);
    for (unsigned i = 0; frames.inspector && i < got; i++)
        frames.inspector->taken(out[i], (pages_t){1});
    return got;
}

size_t frame_alloc_batch(unsigned order, enum frame_class class, pfn_t *out, size_t count)
{
    size_t taken = 0;
    while (taken < count && frame_alloc(order, class, &out[taken]) == ERR_NONE)
        taken++;
    return taken;
}

void frame_inspect(const struct frame_inspector *inspector)
{
    frames.inspector = inspector;
    for (uint32_t n = 0; n < FRAME_CPUS; n++)
        frame_cache_of[n] = &frame_no_cache;
}
