/*
 * The workers of soak: each does one kind of thing over and over, checks what it can, and counts its rounds.
 */
#ifndef QUIRE_SOAK_H
#define QUIRE_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "user/libq/thread.h"

struct worker {
    struct thread thread;
    const char *name;
    void (*body)(struct worker *worker);
    uint64_t random;
    struct worker *partner;
    uint32_t notification;
    uint32_t self;   /* handle of its own thread, where a partner needs one */
    uint64_t before; /* when its last round ended */
    uint64_t pause;  /* its longest round, in ns */
    _Atomic uint64_t rounds;
    _Atomic uint64_t answered;
};

extern _Atomic bool soak_over;
extern _Atomic uint64_t soak_errors;

/* Count an error and say what it was. */
void soak_wrong(struct worker *worker, const char *what);

uint64_t soak_random(struct worker *worker, uint64_t limit);

void soak_signals(struct worker *worker);   /* wake-ups that race with deadlines */
void soak_answers(struct worker *worker);   /* its partner */
void soak_exchanges(struct worker *worker); /* permits, to and fro with a partner of the same kind */
void soak_sleeps(struct worker *worker);    /* never early */
void soak_lives(struct worker *worker);     /* threads that are made, suspended, killed, joined */
void soak_computes(struct worker *worker);  /* vector registers stay what they are */
void soak_maps(struct worker *worker);      /* memory comes and goes */
void soak_shakes(struct worker *worker);    /* priorities, CPUs, slices, suspensions of the others */

/* All of them, for who shakes. */
extern struct worker soak_workers[];
extern unsigned soak_count;

#endif
