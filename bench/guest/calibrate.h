/*
 * Stretches of a known number of instructions, counted as any operation is: whether they come out exactly
 * says whether any other row can be trusted.
 */
#ifndef QUIRE_BENCH_GUEST_CALIBRATE_H
#define QUIRE_BENCH_GUEST_CALIBRATE_H

#include "bench/guest/measure.h"

enum calibration {
    CALIBRATE_LOOP_1000,  /* 1000 instructions */
    CALIBRATE_LOOP_20000, /* 20000 */
    CALIBRATE_STEPS,      /* 1000, with as many before and behind them that must not be counted */
    CALIBRATE_BATCH,      /* a batch of 500 with 2 each */
    CALIBRATE_REP_STOSQ,  /* one instruction, its 500 rounds apart */
    CALIBRATE_REP_MOVSB,  /* the same */
    CALIBRATE_REP_NONE,   /* one instruction that has no round */
    CALIBRATIONS
};

/* The name in the area calibrate: "loop-1000" and so on. */
const char *calibration_name(enum calibration which);

/* NULL when it was counted exactly, or what is wrong. */
const char *calibration_run(enum calibration which, struct measured *out);

#endif
