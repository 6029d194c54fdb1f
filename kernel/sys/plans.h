/*
 * What the first half of a call hands to the second, by call.
 */
#ifndef QUIRE_KERNEL_PLANS_H
#define QUIRE_KERNEL_PLANS_H

#include "abi/system.h"
#include "kernel/obj/derive.h"
#include "kernel/sys/context.h"

/* An object that was made, and the slot of the caller's table for it. */
struct creation {
    struct object *object;
    struct handle_slot *slot;
};

struct handle_close_plan {
    struct handle_found found;
};

struct handle_copy_plan {
    struct handle_copy copy;
};

struct handle_duplicate_plan {
    struct handle_copy copy;
};

struct handle_replace_plan {
    struct handle_found found;
    uint32_t rights;
};

struct handle_revoke_plan {
    struct handle_found found;
};

struct memory_create_plan {
    struct creation made;
};

struct memory_map_plan {
    struct map_plan map;
};

struct memory_unmap_plan {
    struct range_plan range;
};

struct memory_protect_plan {
    struct range_plan range;
};

struct memory_reserve_plan {
    struct map_plan map;
};

struct memory_clone_plan {
    struct creation made;
};

struct memory_device_plan {
    struct creation made;
};

struct task_clone_plan {
    struct creation made;
};

struct task_create_plan {
    struct creation made;
};

struct task_kill_plan {
    struct task *task;
    uint32_t status;
};

struct thread_start_plan {
    struct task *task;
    struct thread *thread;
};

struct task_ceiling_plan {
    struct task *task;
    uint8_t ceiling;
};

struct thread_create_plan {
    struct task *task;
    struct thread *thread;
    struct handle_slot *slot;
    bool suspended;
};

struct thread_self_plan {
    struct handle_slot *slot;
};

struct thread_suspend_plan {
    struct thread *thread;
    struct cpu *home;
};

struct thread_resume_plan {
    struct thread *thread;
    struct cpu *home;
};

struct thread_priority_plan {
    struct thread *thread;
    uint8_t priority;
};

struct thread_budget_plan {
    struct thread *thread;
    struct budget *fresh;
    uint64_t period, quantum;
};

struct thread_cpus_plan {
    struct thread *thread;
    struct cpu_mask mask;
};

struct notification_create_plan {
    struct creation made;
};

struct lending {
    struct account *parent;
    struct account *child;
    uint64_t limits[RESOURCES];
};

struct account_create_plan {
    struct creation made;
    struct lending lending;
};

struct account_limit_plan {
    struct lending lending;
};

struct console_write_plan {
    struct account *account; /* that paid for the buffer */
    char *text;
    uint64_t length;
    char little[256]; /* the text, when it is short */
};

struct console_read_plan {
    uint64_t count;
};

struct system_control_plan {
    uint64_t action;
    uint32_t status;
};

struct thread_affinity_plan {
    uint32_t cpu;
};

struct thread_base_plan {
    bool gs;
    uint64_t base;
};

struct log_write_plan {
    uint64_t level;
    char text[LOG_TEXT + 1];
};

#endif
