/*
 * A model of address spaces and memory objects, plain and flat: of each object an array with a number for
 * each page, of each space arrays that say of each page what it shows and what may be done with it. Where the
 * kernel keeps trees, shares and steps, the model copies arrays. It says what each operation and each access
 * has to give, and looks whether the kernel's own books and tables agree.
 */
#ifndef QUIRE_TESTS_HOST_ASPACE_MODEL_H
#define QUIRE_TESTS_HOST_ASPACE_MODEL_H

#include "abi/memory.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/memory_pager.h"

#define MODEL_SPACES   4
#define MODEL_OBJECTS  28 /* number 0 is none */
#define MODEL_STRIPS   7
#define MODEL_ACCOUNTS 2
#define MODEL_PAGES    1300                            /* of an object at most, but for physical ones */
#define ARENA_PAGES    2304                            /* 9 MiB */
#define ARENA_START    (0x0000004000000000u - 5 * MIB) /* 1 GiB ends inside */

/* Physical memory that is no RAM: 1 GiB of it is aligned. */
#define DEVICE_FIRST  ((uint64_t)1 << 18)
#define DEVICE_FRAMES (((uint64_t)1 << 18) + 2048)

struct model_object {
    struct memory *memory; /* NULL: free */
    enum memory_kind kind;
    uint64_t pages;
    bool held;      /* the test has a reference, beside mappings and requests */
    bool abandoned; /* paged: no pager any more */
    uint64_t first; /* physical: of the device's frames */
    uint32_t views; /* mappings that show it */
    uint32_t asked; /* paged: requests that the pager has not answered */
    uint32_t value[MODEL_PAGES];
    uint8_t pins[MODEL_PAGES];
    uint8_t there[MODEL_PAGES];   /* paged: the pager has supplied the page */
    uint8_t request[MODEL_PAGES]; /* paged: it has been asked for it, and has not answered */
};

/* A page of a space. */
struct model_page {
    uint32_t page;  /* of the object */
    uint32_t mode;  /* as the kernel's mapping has it */
    uint8_t object; /* 0: reserved */
    bool mapped;    /* or reserved */
    bool starts;    /* a mapping begins here */
};

/* Where mappings can be: the first strip is fixed, others are where the kernel has found a place. */
struct model_strip {
    uint64_t start, pages;
    struct model_page *page; /* NULL: none */
};

struct model_space {
    struct aspace space;
    bool open;
    struct account *account;
    struct model_strip strips[MODEL_STRIPS];
};

extern struct model_object objects[MODEL_OBJECTS];
extern struct model_space spaces[MODEL_SPACES];
extern struct account *accounts[MODEL_ACCOUNTS];

/* What the pager does when it is asked. */
enum pager_way { PAGER_SUPPLIES, PAGER_REFUSES, PAGER_FAILS, PAGER_WAITS };
extern enum pager_way pager_way;
#define PAGER_ERROR ERR_NOT_FOUND

/* What the pager has for a page. */
uint32_t pager_value(unsigned object, uint64_t page);

/* --- objects --- */

unsigned model_object_free(void); /* 0: none */
uint32_t *model_value(unsigned object, uint64_t page);
bool model_is_pinned(unsigned object, uint64_t first, uint64_t count);
void model_clone_object(unsigned from, unsigned to, struct memory *memory);
/* The pages have been given back. */
void model_clear(unsigned object, uint64_t first, uint64_t count);
/* Nothing may keep it any more: then it is free. After any reference has gone. */
void model_object_settle(unsigned object);

/* --- spaces; ranges are from page `low` to before page `high` of a strip --- */

void model_open(struct model_space *space);
/* A strip for a place that the kernel has found. */
struct model_strip *model_strip_make(struct model_space *space, uint64_t start, uint64_t pages);
void model_strip_settle(struct model_strip *strip);
bool model_strip_has_room(const struct model_space *space);

static inline uint64_t model_address(const struct model_strip *strip, uint64_t page)
{
    return strip->start + (page << PAGE_SHIFT);
}

bool model_any(const struct model_strip *strip, uint64_t low, uint64_t high);
void model_map(struct model_strip *strip, uint64_t low, uint64_t high, unsigned object, uint64_t page,
               uint32_t mode);
void model_unmap(struct model_strip *strip, uint64_t low, uint64_t high);
enum error model_protect_error(const struct model_strip *strip, uint64_t low, uint64_t high, uint32_t access);
void model_protect(struct model_strip *strip, uint64_t low, uint64_t high, uint32_t access);
/* Where the mapping that begins at this page ends. */
uint64_t model_end(const struct model_strip *strip, uint64_t low);
/* What a clone of the space says; ERR_EXISTS when the model has no room for its objects. */
enum error model_clone_error(const struct model_space *space);
/* After a clone: copies are where the kernel says. */
void model_clone(const struct model_space *from, struct model_space *to);
void model_close(struct model_space *space);

/* What an access gives; a stack grows by it. With ERR_NONE, `*value` is the page's. */
enum error model_access(struct model_strip *strip, uint64_t page, uint32_t access, uint32_t **value);

/* --- agreement --- */

/* All of it: mappings, tables, what CPUs remember, and the books of accounts. When nothing is under way. */
void model_check(void);

#endif
