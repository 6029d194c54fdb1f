/*
 * Counting the instructions of an operation, in the kernel and in programs alike. Under QEMU's -icount on one
 * CPU the time stamp counter advances by MEASURE_TICKS with each instruction, and with each round of a rep
 * string instruction. An operation is done many times and the smallest count is taken, which is one that no
 * interrupt fell into; the cost of counting is taken off. Whether that is exact, calibrate.h proves.
 */
#ifndef QUIRE_BENCH_GUEST_MEASURE_H
#define QUIRE_BENCH_GUEST_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 2^shift of -icount, which tools/qemu.py chooses. */
#define MEASURE_TICKS 8

/* What one row needs at most, with the final NUL. */
#define MEASURE_ROW_BYTES 128

/* False when it failed. */
typedef bool measure_step(void *context);

struct measure {
    measure_step *operation; /* all that is in the function is counted, its call is not */
    measure_step *before;    /* if not NULL, done before each operation and not counted */
    measure_step *after;     /* the same, behind it */
    void *context;           /* of all three */
    unsigned tries;          /* of which the smallest counts; at least 1 */
    unsigned batch;          /* that many are done by one call of the operation, and one is told; 0 means 1 */
    uint64_t rep_rounds;     /* rounds of rep string instructions in each of them that are told apart */
};

/* Of one of the batch. */
struct measured {
    uint64_t hundredths; /* of an instruction; one rep instruction counts as one */
    uint64_t rep_rounds;
    bool averaged; /* over a batch of more than one */
};

/*
 * NULL, or what went wrong. Nothing is cleaned up behind a step that failed: what the steps before it made is
 * still there.
 */
const char *measure_run(const struct measure *measure, struct measured *out);

/* The row as text, without the end of the line: AREA.NAME VALUE instructions[, N rounds of rep apart] */
void measure_format(char text[MEASURE_ROW_BYTES], const char *row, const struct measured *measured);

#endif
