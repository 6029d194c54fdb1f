/*
 * Do the time stamp counters of two CPUs show the same? When another core comes up, the boot processor asks
 * it for its counter a few times, and reads its own before and after: the difference is known to lie between
 * two bounds each time, and so in all of them.
 */
#ifndef QUIRE_X86_TSC_SYNC_H
#define QUIRE_X86_TSC_SYNC_H

#include <stdbool.h>
#include <stdint.h>

/* One question: the asker's counter before and after, and the answer. */
struct tsc_sample {
    uint64_t before, answer, after;
};

enum tsc_verdict {
    TSC_TOGETHER, /* nothing speaks against it */
    TSC_APART,    /* the other one is ahead by *ahead (behind when negative), and that can be corrected */
    TSC_DRIFTS,   /* no one difference explains all samples */
    TSC_UNKNOWN,  /* there are none */
};

/* By at least one sample. `ahead` is right up to the half of the shortest question. */
enum tsc_verdict tsc_judge(const struct tsc_sample *samples, unsigned count, int64_t *ahead);

struct cpu;

/*
 * The two sides, on boot processor and new core at the same time. When the counters differ, the clock has
 * left them before the new core looks at it for the first time. The boot processor's answers
 * TSC_TOGETHER, also after a correction; TSC_UNKNOWN of a core that does not answer in time, and may yet
 * come. Either side gives up when the other stops.
 */
enum tsc_verdict tsc_sync_ask(const struct cpu *cpu);

/* Has this core come to answer? */
bool tsc_sync_has_come(const struct cpu *cpu);
void tsc_sync_answer(const struct cpu *cpu);

#endif
