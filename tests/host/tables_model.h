/*
 * What the tests of the page-table walker compare it with: physical memory for tables, a memory management
 * unit that reads them as the manual says (SDM vol. 3A 4.5), and a flat model, which knows of each page what
 * it maps to.
 */
#ifndef QUIRE_TESTS_HOST_TABLES_MODEL_H
#define QUIRE_TESTS_HOST_TABLES_MODEL_H

#include "kernel/arch/tables.h"
#include "tests/host/random.h"

/* --- physical memory --- */

void memory_start(void);
void memory_end(void);
paddr_t memory_take(void); /* zeroed; ends the test when there is none */
void memory_give(paddr_t frame);
extern uint64_t memory_taken; /* frames */
uint64_t *memory_at(paddr_t frame);

void stock_fill(struct table_stock *stock, uint64_t count);
void stock_empty(struct table_stock *stock);
/* Give back what was gathered; tables that were unmapped are clean but for the link. */
void gather_give(struct table_gather *gather, bool clean);

/* --- the memory management unit --- */

enum memory_kind { KIND_WRITE_BACK, KIND_COMBINING, KIND_UNCACHED };

struct mmu_result {
    bool present;
    uint64_t physical, leaf_size, entry;
    bool write, user, execute, global, accessed, dirty;
    enum memory_kind kind;
};
struct mmu_result mmu_translate(paddr_t root, unsigned levels, uint64_t virtual);
/* As a processor uses it: marks what it marks. The leaf is present. */
void mmu_touch(paddr_t root, unsigned levels, uint64_t virtual, bool write);
/* Is the table there in which this address has its entry of the level? */
bool mmu_has_table(paddr_t root, unsigned levels, uint64_t virtual, unsigned level);
/* Reachable tables of the user half, the root among them; all are counted in the entry above, and none is
 * empty. */
uint64_t mmu_audit(paddr_t root, unsigned levels);

/* --- the model --- */

struct model_page {
    uint64_t frame; /* physical address; 0: nothing is mapped */
    uint8_t flags;  /* MAP_* */
    uint8_t level;  /* of the leaf it is in */
    uint8_t marks;  /* MODEL_*, of processors; at the first page of a leaf alone */
};

#define MODEL_USED  1u /* since aged */
#define MODEL_DIRTY 2u

/* A stretch of addresses that the tests use: `base` is a multiple of 1 GiB. */
struct model {
    uint64_t base, count;
    struct model_page *pages;
};

#define LEVEL_PAGES(level) ((uint64_t)1 << 9 * ((level)-1))

void model_make(struct model *m, uint64_t base, uint64_t bytes);
void model_end(struct model *m);

/* The first page of the leaf that this one is in. */
struct model_page *model_head(const struct model *m, uint64_t page);
bool model_is_empty(const struct model *m, uint64_t first, uint64_t count);
uint64_t model_leaves(const struct model *m, uint64_t first, uint64_t count);
void model_map(struct model *m, uint64_t first, uint64_t count, uint64_t physical, unsigned most,
               unsigned flags);
bool model_enter(struct model *m, uint64_t first, uint64_t physical, unsigned level, unsigned flags);
void model_unmap(struct model *m, uint64_t first, uint64_t count);
uint64_t model_protect(struct model *m, uint64_t first, uint64_t count, unsigned flags);
uint64_t model_restrict(struct model *m, uint64_t first, uint64_t count);
uint64_t model_split(struct model *m, uint64_t boundary); /* returns the tables */
uint64_t model_join(struct model *m, uint64_t first, uint64_t physical, unsigned flags);
uint64_t model_age(struct model *m, uint64_t first, uint64_t count);
void model_count(const struct model *m, uint64_t first, uint64_t count, struct tables_count *out);

/* Compare what the tables say of a page with the model. */
void model_check(const struct model *m, paddr_t root, unsigned levels, uint64_t page);

#endif
