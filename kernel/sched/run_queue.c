/*
 * Run queues; see run_queue.h.
 */
#include "kernel/sched/run_queue.h"

void run_queue_init(struct run_queue *queue)
{
    *queue = (struct run_queue){0};
    for (unsigned i = 0; i < RANKS; i++) {
        list_init(&queue->lists[i]);
        list_init(&queue->movable_lists[i]);
    }
}

/* The highest member below this one, 0 when there is none. */
static uint32_t next_below(const struct rank_set *set, uint32_t rank)
{
    uint32_t word = rank / 64;
    uint64_t bits = set->words[word] & (((uint64_t)1 << rank % 64) - 1);
    while (bits == 0 && word > 0) {
        bits = set->words[--word];
    }
    return bits == 0 ? 0 : word * 64 + 63 - (uint32_t)__builtin_clzll(bits);
}

struct run_entry *run_queue_find_movable(struct run_queue *queue, uint32_t above, unsigned most,
                                         bool (*fits)(const struct run_entry *entry, const void *context),
                                         const void *context)
{
    for (uint32_t rank = run_queue_movable_top(queue); rank > above;
         rank = next_below(&queue->movable_ranks, rank)) {
        LIST_FOR_EACH(node, &queue->movable_lists[rank])
        {
            struct run_entry *entry = LIST_ENTRY(node, struct run_entry, movable_node);
            if (fits(entry, context)) {
                return entry;
            }
            if (--most == 0) {
                return NULL;
            }
        }
    }
    return NULL;
}
