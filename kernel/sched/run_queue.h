/*
 * A run queue: what waits for one CPU, by rank, first come first served inside one. Everything but the search
 * for something that may move takes the same few instructions however much there is: a bit for each rank says
 * whether its list is empty, and a bit for each word of those whether the word is 0.
 *
 * Ranks are what counts when CPUs decide: 0 is the idle thread's, which is in no queue; 1 that of a thread
 * which has used up its budget; the 256 priorities follow.
 *
 * What may also run on other CPUs is on a second list of its rank, so that they find it without looking
 * through the rest. No function allocates or locks; the owner of the queue does.
 */
#ifndef QUIRE_KERNEL_RUN_QUEUE_H
#define QUIRE_KERNEL_RUN_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/lib/list.h"

#define PRIORITIES     256
#define RANK_IDLE      0
#define RANK_EXHAUSTED 1
#define RANKS          (PRIORITIES + 2)
#define RANK_WORDS     ((RANKS + 63) / 64)

static inline uint16_t rank_of_priority(uint32_t priority)
{
    return (uint16_t)(priority + 2);
}

/* The ranks whose list is not empty. */
struct rank_set {
    uint64_t words[RANK_WORDS];
    uint64_t summary; /* bit n: word n is not 0 */
};

/* The highest member; 0 when there is none, for nothing of rank 0 is ever in a queue. */
static inline uint32_t rank_set_top(const struct rank_set *set)
{
    if (set->summary == 0) {
        return 0;
    }
    uint32_t word = 63 - (uint32_t)__builtin_clzll(set->summary);
    return word * 64 + 63 - (uint32_t)__builtin_clzll(set->words[word]);
}

struct run_entry {
    struct list node;
    struct list movable_node;
    uint16_t rank; /* does not change while it is in a queue */
    bool movable;  /* may run elsewhere too; does not change while it is in a queue */
};

struct run_queue {
    struct rank_set ranks;
    struct rank_set movable_ranks;
    uint32_t count;
    uint32_t counts[RANKS];
    struct list lists[RANKS];
    struct list movable_lists[RANKS];
};

void run_queue_init(struct run_queue *queue);

static inline void rank_set_add(struct rank_set *set, uint32_t rank)
{
    set->words[rank / 64] |= (uint64_t)1 << rank % 64;
    set->summary |= (uint64_t)1 << rank / 64;
}

static inline void rank_set_drop(struct rank_set *set, uint32_t rank)
{
    uint64_t left = set->words[rank / 64] &= ~((uint64_t)1 << rank % 64);
    if (left == 0) {
        set->summary &= ~((uint64_t)1 << rank / 64);
    }
}

static inline void run_queue_note_added(struct run_queue *queue, struct run_entry *entry)
{
    queue->count++;
    queue->counts[entry->rank]++;
    rank_set_add(&queue->ranks, entry->rank);
    if (entry->movable) {
        list_append(&queue->movable_lists[entry->rank], &entry->movable_node);
        rank_set_add(&queue->movable_ranks, entry->rank);
    }
}

/* Behind all others of its rank. */
static inline void run_queue_append(struct run_queue *queue, struct run_entry *entry)
{
    list_append(&queue->lists[entry->rank], &entry->node);
    run_queue_note_added(queue, entry);
}

/* Before all others of its rank: it was running, and its turn is not over. */
static inline void run_queue_prepend(struct run_queue *queue, struct run_entry *entry)
{
    list_insert_before(queue->lists[entry->rank].next, &entry->node);
    run_queue_note_added(queue, entry);
}

static inline void run_queue_drop_movable(struct run_queue *queue, struct run_entry *entry)
{
    list_cut(&entry->movable_node);
    if (list_empty(&queue->movable_lists[entry->rank])) {
        rank_set_drop(&queue->movable_ranks, entry->rank);
    }
}

static inline void run_queue_remove(struct run_queue *queue, struct run_entry *entry)
{
    queue->count--;
    list_cut(&entry->node);
    if (--queue->counts[entry->rank] == 0) {
        rank_set_drop(&queue->ranks, entry->rank);
    }
    if (entry->movable) {
        run_queue_drop_movable(queue, entry);
    }
}

/* The rank of what is next, 0 when the queue is empty; and of what may move. */
static inline uint32_t run_queue_top(const struct run_queue *queue)
{
    return rank_set_top(&queue->ranks);
}

static inline uint32_t run_queue_movable_top(const struct run_queue *queue)
{
    return rank_set_top(&queue->movable_ranks);
}

/* Take out what is next. The queue is not empty. */
static inline struct run_entry *run_queue_take(struct run_queue *queue)
{
    struct run_entry *entry = LIST_ENTRY(queue->lists[run_queue_top(queue)].next, struct run_entry, node);
    run_queue_remove(queue, entry);
    return entry;
}

/* Put an entry behind all others of its rank, of which there are some and which is the highest, and take the
 * first of them. */
static inline struct run_entry *run_queue_rotate(struct run_queue *queue, struct run_entry *entry)
{
    struct list *head = &queue->lists[entry->rank];
    struct run_entry *next = LIST_ENTRY(head->next, struct run_entry, node);
    list_cut(&next->node);
    list_append(head, &entry->node);
    if (entry->movable && next->movable) {
        struct list *place = &queue->movable_lists[entry->rank];
        list_cut(&next->movable_node);
        list_append(place, &entry->movable_node);
    } else if (entry->movable) {
        list_append(&queue->movable_lists[entry->rank], &entry->movable_node);
        rank_set_add(&queue->movable_ranks, entry->rank);
    } else if (next->movable) {
        run_queue_drop_movable(queue, next);
    }
    return next;
}

/*
 * What may move and has a rank above this one, the highest first, such that fits(entry, context); NULL when
 * there is none among the first `most` looked at. It stays in the queue.
 */
struct run_entry *run_queue_find_movable(struct run_queue *queue, uint32_t above, unsigned most,
                                         bool (*fits)(const struct run_entry *entry, const void *context),
                                         const void *context);

#endif
