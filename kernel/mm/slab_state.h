/*
 * The inside of the slab caches: what their files share. docs/heap.md has the picture and the reasons.
 *
 * A slab is a block of frames, aligned to its size, so an object's slab is found by rounding. It begins with
 * a header of two lines; the objects follow. In front of the slabs each CPU has a table of hands, one for
 * each cache: two magazines of free objects. Between the two each cache has a depot of magazines.
 *
 * The hands of a CPU are its own. It enters them by the protocol of the frame caches (frame_state.h, struct
 * frame_cpu), without a locked instruction: it stores `hands_busy`, then loads `hands`. Who wants them makes
 * `hands` point to a table in which all hands are empty and have no room, passes frame_platform_barrier, and
 * waits until hands_busy is clear. So what is `stolen` there is here a pointer that the owner loads anyway,
 * and it has nothing more to test than whether its magazine has an object.
 *
 * In its hands a CPU may take a cache's lock and frames, but never keep others out of theirs. Who does that
 * holds LOCK_SLABS and no lock of a cache, and answers barriers while it waits, so whoever is in its hands
 * gets out.
 */
#ifndef QUIRE_KERNEL_SLAB_STATE_H
#define QUIRE_KERNEL_SLAB_STATE_H

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/cpu.h"

#define RARELY(condition) __builtin_expect((condition), 0)

#define SLAB_LINE    64u
#define SLAB_ORDERS  5u   /* a slab has a block of an order below this */
#define SLAB_WASTE   16u  /* it wastes at most one part in so many, if any order can do so */
#define SLAB_OBJECTS 256u /* in a slab, at most */
#define SLAB_SMALL   16u  /* no object is smaller */

#define SLAB_KEPT 1u /* empty slabs that a cache keeps */

#define MAGAZINE_OBJECTS 30u
#define MAGAZINE_LEAST   2u
#define MAGAZINE_BYTES   4096u /* of objects in a magazine, unless they are very large */
#define DEPOT_MOST       8u    /* full magazines in a depot */

/* The header of a slab. */
struct slab {
    /* Set once; `cache` is cleared when the slab ends. Read at each free. */
    struct slab_cache *cache;
    uint64_t mark;  /* what the first word of its free objects in magazines is */
    uint32_t first; /* low half of the address of its first object */

    /* Guarded by the cache's lock. */
    struct list node __attribute__((aligned(SLAB_LINE)));
    uint32_t taken;                    /* objects that are in magazines or in use */
    uint64_t free[SLAB_OBJECTS / 64u]; /* a bit for each object that is not */
};

_Static_assert(sizeof(struct slab) == 128, "one line that is written, one that is not");

struct slab_magazine {
    struct slab_magazine *next; /* in a depot */
    uint32_t count;             /* while in a depot */
    void *object[MAGAZINE_OBJECTS];
};

/* What a CPU has of one cache. */
struct slab_hand {
    uint32_t count;               /* objects in `loaded` */
    uint32_t capacity;            /* of each magazine; 0 while there are none */
    struct slab_magazine *loaded; /* its last object is given out next */
    struct slab_magazine *spare;  /* full, or empty */
    uint64_t spares;              /* objects in it */

    /* Owning CPU writes, anyone reads. */
    uint64_t taken, given; /* objects, by this CPU */
    uint64_t waiting;      /* times that it had to take the cache's lock for that */
};

/* The table of a CPU: one frame. The first is of caches that have no hand: always empty. */
#define SLAB_HANDS (PAGE_SIZE / sizeof(struct slab_hand))

struct slab_hands {
    struct slab_hand hand[SLAB_HANDS];
};

_Static_assert(sizeof(struct slab_hands) <= PAGE_SIZE, "one frame");

/* What a CPU finds that has no table yet, or is kept out of it. Never written. */
extern struct slab_hands slab_no_hands __attribute__((visibility("hidden")));

/* By number of the CPU: who has a table, and which. Atomic; set once, with slabs_lock. */
struct slab_seat {
    struct cpu *cpu;
    struct slab_hands *hands;
};
extern struct slab_seat slab_seats[CPU_MAX] __attribute__((visibility("hidden")));

/* Guards the list of caches, the making of tables, and the right to keep CPUs out of their hands. */
extern struct spinlock slabs_lock __attribute__((visibility("hidden")));
extern struct list slab_caches __attribute__((visibility("hidden")));
extern struct slab_cache slab_magazines __attribute__((visibility("hidden")));

/* Chosen once at boot, before the first allocation. */
extern bool slab_debugging __attribute__((visibility("hidden")));

static inline struct slab *slab_of(const struct slab_cache *cache, const void *object)
{
    return (struct slab *)((uintptr_t)object & cache->mask);
}

/*
 * The number of an object in its slab. Anything that is not the address of an object gives a number that is
 * too high: multiplying by the inverse of its odd part divides exactly by the size, modulo 2^32, and what is
 * no multiple goes where no quotient is.
 */
static inline uint32_t slab_index(const struct slab_cache *cache, const struct slab *slab, const void *object)
{
    uint32_t offset = (uint32_t)(uintptr_t)object - slab->first;
    return __builtin_rotateright32(offset * cache->inverse, cache->shift);
}

/* Is this an object of the cache, in this slab? */
static inline bool slab_owns(const struct slab_cache *cache, const struct slab *slab, const void *object)
{
    return slab->cache == cache && slab_index(cache, slab, object) < cache->objects;
}

static inline void *slab_object(const struct slab_cache *cache, const struct slab *slab, uint32_t index)
{
    uint32_t first = slab->first - (uint32_t)(uintptr_t)slab;
    return (void *)((uintptr_t)slab + first + index * (uintptr_t)cache->size);
}

/* The table of a CPU, from any CPU; NULL when it has none. */
static inline struct slab_hands *slab_table(unsigned number)
{
    return __atomic_load_n(&slab_seats[number].hands, __ATOMIC_ACQUIRE);
}

static inline struct slab_hand *slab_hand(struct slab_hands *hands, const struct slab_cache *cache)
{
    return (struct slab_hand *)((uintptr_t)hands + __atomic_load_n(&cache->hand, __ATOMIC_RELAXED));
}

/* Plain stores and loads: see above. What it finds may be slab_no_hands. */
static inline struct slab_hands *slab_hands_try(struct cpu *cpu)
{
    CHECKED_ASSERT(spin_ranks_held() >> LOCK_SLABS == 0); /* on a miss this takes locks of that rank */
    __atomic_store_n(&cpu->hands_busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&cpu->hands, __ATOMIC_ACQUIRE);
}

static inline void slab_hands_leave(struct cpu *cpu)
{
    __atomic_store_n(&cpu->hands_busy, 0, __ATOMIC_RELEASE);
}

/* Read and add to a number that only this CPU, or who has the lock, writes. */
static inline uint64_t slab_read(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static inline void slab_add(uint64_t *number, uint64_t more)
{
    __atomic_store_n(number, __atomic_load_n(number, __ATOMIC_RELAXED) + more, __ATOMIC_RELAXED);
}

/* Take an object out of the CPU's magazine; NULL, and nothing is changed, when that is not all there is to
 * do. */
static inline void *slab_take_fast(const struct slab_cache *cache)
{
    struct cpu *cpu = arch_this_cpu();
    struct slab_hand *hand = slab_hand(slab_hands_try(cpu), cache);
    uint32_t count = hand->count;
    if (RARELY(count == 0)) {
        slab_hands_leave(cpu);
        return NULL;
    }
    uint64_t *object = hand->loaded->object[count - 1];
    hand->count = count - 1;
    slab_add(&hand->taken, 1);
    slab_hands_leave(cpu);
    *object = 0;
    return object;
}

/* Put an object into the CPU's magazine; false, and nothing is changed, when there is more to do, or it is
 * not to be had. */
static inline bool slab_give_fast(const struct slab_cache *cache, void *object)
{
    const struct slab *slab = slab_of(cache, object);
    uint64_t *word = object, mark;
    if (RARELY(!slab_owns(cache, slab, object)) || RARELY(*word == (mark = slab->mark))) {
        return false;
    }
    struct cpu *cpu = arch_this_cpu();
    struct slab_hand *hand = slab_hand(slab_hands_try(cpu), cache);
    uint32_t count = hand->count;
    if (RARELY(count == hand->capacity)) {
        slab_hands_leave(cpu);
        return false;
    }
    *word = mark;
    hand->loaded->object[count] = object;
    hand->count = count + 1;
    slab_add(&hand->given, 1);
    slab_hands_leave(cpu);
    return true;
}

/* slab.c: every case. `bytes` is what was asked for, `caller` who asked; the debug mode keeps both. */
void *slab_take(struct slab_cache *cache, size_t bytes, const void *caller);
void slab_give(struct slab_cache *cache, void *object, size_t bytes, const void *caller);

/* slab_frames.c: the slabs of a cache. All but slab_grow and slab_trim are called with the cache locked. */

/* One more slab; false when there are no frames. */
bool slab_grow(struct slab_cache *cache) MUST_CHECK;
/* Up to `count` objects out of the slabs that there are; how many there were. */
uint32_t slab_pop(struct slab_cache *cache, void **objects, uint32_t count);
/* Objects back. Slabs that this leaves empty and that are not to be kept move to the list `ended`. */
void slab_push(struct slab_cache *cache, void *const *objects, uint32_t count, struct list *ended);
/* Give the frames of ended slabs back. With no cache locked. */
void slab_end(struct slab_cache *cache, struct list *ended);
/* The empty slabs that are kept end, too. */
void slab_trim(struct slab_cache *cache);
/* How many slabs have ended so far. */
uint64_t slab_ended(void);

/* slab_hands.c: who is in a CPU's hands. */

/* Enter the hands of the CPU that this runs on, for the caller alone; NULL when it has none, and there is no
 * memory for them. */
struct slab_hands *slab_hands_enter(struct cpu *cpu);
/* Keep all CPUs out of their hands, until they are let in again. With slabs_lock. */
void slab_hands_steal(void);
void slab_hands_return(void);
/* The tables, as if they were the objects of a cache. */
void slab_hands_count(struct system_slab *out);

/* slab_depot.c: magazines and depots. */

/* Take an object, with the hands entered; NULL when there is no memory. */
void *slab_hand_take(struct slab_cache *cache, struct slab_hand *hand) MUST_CHECK;
void slab_hand_give(struct slab_cache *cache, struct slab_hand *hand, void *object);
/* The same for single objects without a hand: under the lock of the cache, with frames taken as needed. */
void *slab_take_one(struct slab_cache *cache) MUST_CHECK;
void slab_give_one(struct slab_cache *cache, void *object);
/* What magazines have goes to the slabs, and the magazines end. With the hands stolen. */
void slab_empty_hands(struct slab_cache *cache);
void slab_empty_depot(struct slab_cache *cache);
/* Is this object in a magazine? With the hands stolen. */
bool slab_is_cached(struct slab_cache *cache, const void *object);

/* slab_cache.c */

/* Make the cache ready at its first use. */
void slab_cache_prepare(struct slab_cache *cache);
void slab_count(const struct slab_cache *cache, struct system_slab *out);
/* Everything that is free goes back to the frames; false when nothing does. */
bool slab_drain(void);

/* slab_debug.c: in the debug mode these are the ways to take and to give back. */

/* Where an object lies in the room that it gets. */
struct slab_shape {
    uint32_t before; /* from the beginning of the room to the object */
    uint32_t size;   /* of the room */
};
struct slab_shape slab_debug_shape(const struct slab_cache *cache);
/* A new slab. With the cache locked. */
void slab_debug_begin(struct slab_cache *cache, struct slab *slab);
void *slab_debug_take(struct slab_cache *cache, size_t bytes, const void *caller) MUST_CHECK;
void slab_debug_give(struct slab_cache *cache, void *object, size_t bytes, const void *caller);
/* What is kept back goes to the slabs. */
void slab_debug_drain(struct slab_cache *cache);
/* What is wrong with an object, in words, or NULL. With the cache locked. */
const char *slab_debug_check(const struct slab_cache *cache, const void *object, bool in_slab);

/* slab_audit.c */
struct heap_fault;
bool slab_audit(struct heap_fault *fault) MUST_CHECK;

/* slab_report.c: panics that say what is known. */

/* This was given back to the cache of that name, and is none of its objects. */
_Noreturn void slab_report_stray(const char *cache, const void *object);
/* It is free already. */
_Noreturn void slab_report_twice(const struct slab_cache *cache, const void *object);
/* Something is wrong with an object of that size. Who took it and gave it back last: NULL when not known. */
_Noreturn void slab_report_damage(const char *cache, const void *object, size_t bytes, const char *what,
                                  const void *taken_by, const void *given_by);

#endif
