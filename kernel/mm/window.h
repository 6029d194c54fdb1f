/*
 * Windows: frames that the aperture does not show, reachable by one CPU for a moment. Frames of users are
 * zeroed and copied through them.
 *
 * Each CPU has one slot for each use, since uses can be under way inside each other. A slot is open from
 * window_open to window_close; between them the code neither waits nor passes a preemption point. Interrupts
 * may come while a large window is open, which no handler uses. No locks, no memory: a slot is its CPU's
 * own.
 */
#ifndef QUIRE_KERNEL_WINDOW_H
#define QUIRE_KERNEL_WINDOW_H

#include "abi/error.h"
#include "lib/units.h"

struct cpu;

enum window {
    WINDOW_ZERO,    /* filling a frame, or looking through it */
    WINDOW_FROM,    /* a copy: read */
    WINDOW_TO,      /* a copy: written */
    WINDOW_DEBUG,   /* filling and checking frames that are given back and taken */
    WINDOW_RECORDS, /* making the records of frames; open inside all others */
    WINDOWS
};

/* Most frames in a row that WINDOW_RECORDS shows at once, and most that window_open_some shows. */
#define WINDOW_RECORDS_MOST 16u
#define WINDOW_SOME_MOST    16u

/* The aperture shows all that is asked for here: use it, no window is needed. Once, at boot. */
void window_use_aperture(void);

/* Make a CPU's windows: tables and nothing else. ERR_NO_MEMORY. */
enum error window_setup(struct cpu *cpu) MUST_CHECK;

/* Where the frame can be read and written until window_close. */
void *window_open(enum window use, pfn_t frame);
void window_close(enum window use);

/* The same for some frames in a row, in WINDOW_RECORDS. */
void *window_open_records(pfn_t first, unsigned count);
void window_close_records(unsigned count);

/* The same for some frames anywhere, which are shown in a row, for what WINDOW_ZERO does; NULL when the
 * aperture shows them, where they are not. */
void *window_open_some(const pfn_t *frames, unsigned count);
void window_close_some(unsigned count);

/* Copy a frame through WINDOW_FROM and WINDOW_TO. */
void window_copy(pfn_t to, pfn_t from);

/* As window_open for the 512 frames from an aligned one on; one slot in all, for what WINDOW_ZERO does. */
void *window_open_large(pfn_t first);
void window_close_large(void);

/* Zero the last so many words of the 512 frames from an aligned one on, through the window of
 * window_open_large, with interrupts on; see arch_zero_open. */
uint64_t window_zero_large(pfn_t first, uint64_t left) MUST_CHECK;

#endif
