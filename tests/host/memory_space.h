/*
 * Spaces that a test plays, for memory objects: each view has a table of what it shows, and what CPUs
 * remember of it until they flush. No frame may be given back that a table names or a CPU remembers.
 */
#ifndef QUIRE_TESTS_HOST_MEMORY_SPACE_H
#define QUIRE_TESTS_HOST_MEMORY_SPACE_H

#include "kernel/mm/memory.h"

struct played_entry {
    pfn_t frame;
    bool present, writable, large;
};

struct played_view {
    struct memory_view view;
    struct memory *memory; /* holds a reference */
    bool large;            /* it may show blocks */
    struct spinlock tables_lock;

    /* Guarded by tables_lock. */
    struct played_entry *table, *remembered;
    uint64_t request; /* to forget what it showed, when it goes (memory_lingering.h) */
};

/* Check each frame that is given back from now on. Before memory_host_start's RAM has been used. */
void space_watch(uint64_t frames);

struct played_view *space_show(struct memory *memory, uint64_t first, uint64_t count, bool large);
void space_unshow(struct played_view *view);

/*
 * Read or write a page as a program does, with a fault if need be. A page is filled with one number, here
 * checked at both ends of the page.
 */
enum error space_read(struct played_view *view, uint64_t page, uint32_t *value);
enum error space_write(struct played_view *view, uint64_t page, uint32_t value);

/* Called, once, when a fault has replaced an entry and has yet to flush: the object is not locked any more,
 * so this is what others may do then. */
extern void (*space_before_flush)(void);

/* How often views were told to hide pages, or to take the right to write; atomic. */
extern uint64_t space_told;

/* Are no two things remembered of any page? For when nothing is under way. */
bool space_is_flushed(struct played_view *view);

#endif
