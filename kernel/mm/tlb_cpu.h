/*
 * What one CPU knows of its own memory of page tables. Part of struct cpu.
 *
 * Where the processor tags what it remembers (PCID on amd64), a CPU has a few slots, one tag each, for the
 * spaces that it ran last. A slot says of which space it is, and at which generation the CPU forgot last.
 * Without tags there is one slot, and each load forgets.
 */
#ifndef QUIRE_KERNEL_TLB_CPU_H
#define QUIRE_KERNEL_TLB_CPU_H

#include <stdint.h>

#include "kernel/sched/spinlock.h"

struct tlb;

#define TLB_SLOTS 8

struct tlb_slot {
    uint64_t identity; /* of the space; 0: none yet */
    uint64_t generation;
};

/* What is retired and waits: in the order in which it came; so many at most, with so many 4 KiB frames. */
#define TLB_RING        128
#define TLB_RING_FRAMES 2048

struct tlb_ring {
    struct leaf_lock lock;
    uint32_t first, count; /* guarded by lock; count may be read without */
    uint32_t frames;       /* guarded by lock */
    uint32_t in_hand;      /* atomic: taken out, and not given back yet */
    struct tlb_retired {
        uint64_t what;    /* frame, order and kind: quarantine.c */
        uint64_t request; /* to be answered before */
    } entries[TLB_RING];  /* guarded by lock */
};

struct tlb_cpu {
    /* Owning CPU only. */
    struct tlb *loaded; /* NULL: the kernel's tables alone */
    uint32_t current;   /* slot of what is loaded */
    uint32_t next;      /* slot that is given to another space next */
    uint64_t kernel_generation;
    struct tlb_slot slots[TLB_SLOTS];

    /* Owning CPU writes, anyone reads. */
    uint64_t interrupts;
    uint64_t requests;
    uint64_t waits;

    /* Atomic: the last request that this CPU was told of, by anyone, and up to which it has answered. */
    uint64_t wanted __attribute__((aligned(64)));
    uint64_t answered;

    struct tlb_ring waiting; /* for answers */
    struct tlb_ring filled;  /* with tlb=debug: after that, for a while */
};

#endif
