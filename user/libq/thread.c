/* Threads with stacks of their own; see thread.h. Stacks lie in slots at a fixed stride, the rest is the gap.
 */
#include "user/libq/thread.h"

#include <stdatomic.h>

#include "syscalls.h"
#include "user/libq/program.h"

#define STACKS_AT    0x0000700000000000ull
#define STACK_STRIDE 0x100000ull
#define SLOT_BITS    64u

void thread_entry(void);
_Noreturn void thread_finish(uint32_t notification);
_Noreturn void thread_run(struct thread *thread);

static _Atomic uint64_t slots_used[THREADS_MOST / SLOT_BITS];

_Noreturn void thread_run(struct thread *thread)
{
    uint32_t ended = thread->ended;
    thread->function(thread->argument);
    thread_finish(ended);
}

static enum error slot_take(uint32_t *slot)
{
    for (uint32_t word = 0; word < THREADS_MOST / SLOT_BITS; word++) {
        uint64_t used = atomic_load(&slots_used[word]);
        while (used != ~0ull) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~used);
            if (atomic_compare_exchange_weak(&slots_used[word], &used, used | 1ull << bit)) {
                *slot = word * SLOT_BITS + bit;
                return ERR_NONE;
            }
        }
    }
    return ERR_LIMIT;
}

static void slot_give(uint32_t slot)
{
    atomic_fetch_and(&slots_used[slot / SLOT_BITS], ~(1ull << slot % SLOT_BITS));
}

static uint64_t slot_address(uint32_t slot)
{
    return STACKS_AT + slot * STACK_STRIDE;
}

static enum error stack_map(uint32_t slot)
{
    uint32_t memory;
    enum error error = sys_memory_create(0, THREAD_STACK_BYTES, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t where;
    error = sys_memory_map(startup->self, memory, 0, slot_address(slot), THREAD_STACK_BYTES,
                           ACCESS_READ | ACCESS_WRITE, &where);
    sys_handle_close(memory);
    return error;
}

/* The thread's slot is taken: map its stack and start it. */
static enum error thread_launch(struct thread *thread)
{
    enum error error = stack_map(thread->slot);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t number;
    error = sys_thread_start(startup->self, (uint64_t)thread_entry,
                             slot_address(thread->slot) + THREAD_STACK_BYTES, (uint64_t)thread, &number);
    if (error != ERR_NONE) {
        sys_memory_unmap(startup->self, slot_address(thread->slot));
    }
    return error;
}

enum error thread_create(struct thread *thread, void (*function)(void *argument), void *argument)
{
    *thread = (struct thread){.function = function, .argument = argument};
    enum error error = slot_take(&thread->slot);
    if (error != ERR_NONE) {
        return error;
    }
    error = sys_notification_create(0, &thread->ended);
    if (error != ERR_NONE) {
        slot_give(thread->slot);
        return error;
    }
    error = thread_launch(thread);
    if (error != ERR_NONE) {
        sys_handle_close(thread->ended);
        slot_give(thread->slot);
    }
    return error;
}

enum error thread_join(struct thread *thread, uint64_t deadline)
{
    uint64_t bits;
    enum error error = sys_notification_wait(thread->ended, 1, deadline, &bits);
    if (error != ERR_NONE) {
        return error;
    }
    sys_memory_unmap(startup->self, slot_address(thread->slot));
    sys_handle_close(thread->ended);
    slot_give(thread->slot);
    return ERR_NONE;
}
