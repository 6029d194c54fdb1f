/*
 * Entries of page tables and what an access does, in words. For amd64: SDM vol. 3A 4.5 (entries), 4.6
 * (rights) and 11.12 (PAT). Makes no calls.
 */
#ifndef QUIRE_ROOT_ENTRY_WORDS_H
#define QUIRE_ROOT_ENTRY_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/memory.h"

/* "rwx", or dashes, by ACCESS_*. */
void rights_letters(uint32_t access, char text[4]);

/* PT, PD, PDPT, PML4, PML5. */
const char *level_name(uint32_t level);

/* What the entry says: rights, marks, cache, and what it leads to; cut to fit. */
void entry_words(const struct memory_step *step, char *text, size_t bytes);

/* Why no program can have anything at this address, or NULL. */
const char *address_words(uint64_t address, unsigned levels);

/*
 * What such an access (one ACCESS_*) to the address does: the way through the tables, and the first mapping
 * that ends above the address, or NULL.
 */
const char *access_words(uint64_t address, uint32_t access, const struct memory_step *steps, size_t count,
                         const struct memory_mapping *mapping);

#endif
