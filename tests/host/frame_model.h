/*
 * A reference model of the frame allocator, one byte a frame: free, held, or no RAM, over a window of frame
 * numbers from 0. It can tell whether a free block of some order exists, which is all that a request depends
 * on.
 */
#ifndef QUIRE_TESTS_HOST_FRAME_MODEL_H
#define QUIRE_TESTS_HOST_FRAME_MODEL_H

#include "kernel/mm/frame.h"

struct frame_model {
    uint64_t frames;
    uint64_t free;
    uint8_t *class; /* enum frame_class of each frame */
};

/* A block that the test holds. */
struct held_block {
    uint64_t first;
    unsigned order;
    enum frame_class class;
};

void model_start(struct frame_model *model, uint64_t frames, const struct memory_range *ram, size_t count);
void model_end(struct frame_model *model);

/* Is there a free, aligned block of this order? */
bool model_can_serve(const struct frame_model *model, unsigned order);

/* Record a block as taken; fails the test when any of it is not free or it is not aligned. */
void model_take(struct frame_model *model, struct held_block block);
void model_give(struct frame_model *model, struct held_block block);

/* Fails the test when the allocator's classes of all frames, its counts or its own audit disagree. */
void model_compare(const struct frame_model *model);

/* Fails the test when surveys of ranges, of no round size, disagree with the classes of the single frames. */
void model_survey(uint64_t frames);

/* Zeroed, page-aligned memory for frame_init's metadata, and frame_init itself. Ends with model_end. */
void model_boot(struct frame_model *model, uint64_t frames, const struct memory_range *ram, size_t count,
                unsigned cpus);

#endif
