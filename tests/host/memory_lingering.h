/*
 * Views of memory_space.h that are gone, and that CPUs remember until they have answered: with the requests
 * and the quarantine of kernel/mm/tlb.h, as the test plays them. Until then nobody else may change a page
 * that is remembered, nor have one that is remembered for writing, nor may it be given back.
 */
#ifndef QUIRE_TESTS_HOST_MEMORY_LINGERING_H
#define QUIRE_TESTS_HOST_MEMORY_LINGERING_H

#include "tests/host/memory_space.h"

/* One in so many views lingers when it goes; 0: none does. */
extern unsigned lingering_one_in;

/* Times that somebody waited for an answer, and frames that went into quarantine. */
extern unsigned long lingering_waits, lingering_retired;

/* Should the next one that goes linger? */
bool lingering_is_next(void);

/* Take over the view's table of what is remembered. Returns the request. */
uint64_t lingering_keep(struct played_view *view);

/* This object uses the frame: panics where it may not. */
void lingering_check_use(const struct memory *memory, pfn_t frame, bool write);

/* Is the frame remembered? */
bool lingering_has(pfn_t frame);

/* All CPUs answer. */
void lingering_answer(void);

#endif
