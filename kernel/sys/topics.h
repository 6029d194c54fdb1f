/*
 * The topics of system_read: for each, how large a record is and how to get one.
 */
#ifndef QUIRE_KERNEL_TOPICS_H
#define QUIRE_KERNEL_TOPICS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/account.h"
#include "abi/system.h"
#include "abi/trace.h"

union topic_record {
    struct system_memory memory;
    struct system_cpu cpu;
    struct system_feature feature;
    struct system_log_line line;
    struct system_task task;
    struct system_variable variable;
    struct system_boot boot;
    struct system_frames frames;
    struct account_info account;
    struct system_books books;
    struct system_frame_map frame_map;
    struct system_node node;
    struct system_slab slab;
    struct system_lock lock;
    struct system_thread thread;
    struct system_trace trace;
    struct system_spaces spaces;
    struct system_step step;
};

struct topic {
    uint64_t number;
    uint64_t record_bytes;
    /* Fill in the record with this index, or, in a topic with gaps, the next one, and say which. False: none.
     */
    bool (*read)(uint64_t *index, union topic_record *out);
};

/* NULL when there is no such topic. */
const struct topic *topic_find(uint64_t number);

#endif
