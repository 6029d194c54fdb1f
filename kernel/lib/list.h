/*
 * Intrusive doubly linked list with a head node. No function allocates or locks; the owner of the list does.
 */
#ifndef QUIRE_KERNEL_LIST_H
#define QUIRE_KERNEL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

/* Put node between two neighbours. */
static inline void list_insert(struct list *before, struct list *node, struct list *after)
{
    node->next = after;
    node->previous = before;
    before->next = node;
    after->previous = node;
}

/* Put node directly before `place`; before the head means at the end. */
static inline void list_insert_before(struct list *place, struct list *node)
{
    list_insert(place->previous, node, place);
}

static inline void list_append(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_insert(head, node, head->next);
}

/* Take the node out and leave its own pointers as they were. */
static inline void list_cut(struct list *node)
{
    struct list *before = node->previous, *after = node->next;
    before->next = after;
    after->previous = before;
}

/* Take the node out and leave it alone in a list of its own, so that removing it twice does no harm. */
static inline void list_remove(struct list *node)
{
    list_cut(node);
    list_init(node);
}

#define LIST_FOR_EACH(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

#endif
