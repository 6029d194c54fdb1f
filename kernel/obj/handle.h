/*
 * The table of handles of a task: which objects it may name, with which rights. Index in the low 16 bits of a
 * handle, generation in the high 16, so a value that was closed is refused for the next 65534 uses of its
 * slot.
 */
#ifndef QUIRE_KERNEL_HANDLE_H
#define QUIRE_KERNEL_HANDLE_H

#include <stdint.h>

#include "abi/error.h"
#include "abi/handle.h"
#include "kernel/sched/spinlock.h"
#include "kernel/obj/object.h"

#define HANDLE_SLOTS 256

struct handle_slot {
    struct object *object; /* holds a reference; NULL when free */
    uint32_t rights;
    uint16_t generation; /* never 0 */
    uint16_t next_free;
};

struct handle_table {
    struct spinlock lock;

    /* Guarded by lock. */
    struct handle_slot *slots;
    uint16_t first_free; /* HANDLE_SLOTS when full */
    bool closed;         /* the task has ended: nothing goes in any more */
};

enum error handle_table_init(struct handle_table *table) MUST_CHECK;

/* Close all handles and refuse new ones. */
void handle_table_close(struct handle_table *table);

/* Free the memory of a closed table. */
void handle_table_free(struct handle_table *table);

/*
 * Put an object in; the table takes over the caller's reference when this succeeds. ERR_LIMIT when the table
 * is full, ERR_DEAD when it is closed.
 */
enum error handle_insert(struct handle_table *table, struct object *object, uint32_t rights,
                         uint64_t *handle) MUST_CHECK;

/*
 * The object of a handle, with a reference for the caller. ERR_BAD_HANDLE, ERR_WRONG_TYPE, ERR_NO_RIGHT, in
 * this order.
 */
enum error handle_get(struct handle_table *table, uint64_t handle, enum object_type type, uint32_t rights,
                      struct object **out) MUST_CHECK;

/* The same for any type; also tells the rights. */
enum error handle_get_any(struct handle_table *table, uint64_t handle, struct object **out,
                          uint32_t *rights) MUST_CHECK;

enum error handle_close(struct handle_table *table, uint64_t handle) MUST_CHECK;

#endif
