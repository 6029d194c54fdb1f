/* Threads with stacks of their own; see thread.h. Stacks lie in slots at a fixed stride, the rest is the gap.
 */
#include "user/libq/thread.h"

#include <stdatomic.h>

#include "syscalls.h"
#include "user/libq/pages.h"
#include "user/libq/program.h"

#define STACKS_AT    0x0000700000000000ull
#define STACK_STRIDE 0x100000ull
#define SLOT_BITS    64u

/* Stacks that are kept for the next threads when theirs have ended. */
#define KEPT_MOST 8u

void thread_entry(void);
_Noreturn void thread_run(struct thread *thread);

static _Atomic uint64_t slots_used[THREADS_MOST / SLOT_BITS];

/* Slots that nobody uses but whose stack is mapped; who takes an entry out of here owns its slot. 0 is none,
 * n slot n - 1. */
static _Atomic uint32_t kept[KEPT_MOST];

_Noreturn void thread_run(struct thread *thread)
{
    thread->function(thread->argument);
    sys_thread_exit();
    __builtin_trap();
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
    enum error error = sys_memory_create(0, THREAD_STACK_BYTES, 0, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t where;
    error = pages_map(startup->self, memory, slot_address(slot), THREAD_STACK_BYTES, &where);
    sys_handle_close(memory);
    return error;
}

/* A slot with its stack mapped. */
static enum error stack_take(uint32_t *slot)
{
    for (uint32_t i = 0; i < KEPT_MOST; i++) {
        uint32_t found = atomic_load_explicit(&kept[i], memory_order_relaxed);
        if (found != 0 && atomic_compare_exchange_strong(&kept[i], &found, 0)) {
            *slot = found - 1;
            return ERR_NONE;
        }
    }
    enum error error = slot_take(slot);
    if (error == ERR_NONE) {
        error = stack_map(*slot);
        if (error != ERR_NONE) {
            slot_give(*slot);
        }
    }
    return error;
}

static void stack_give(uint32_t slot)
{
    for (uint32_t i = 0; i < KEPT_MOST; i++) {
        uint32_t none = 0;
        if (atomic_compare_exchange_strong(&kept[i], &none, slot + 1)) {
            return;
        }
    }
    sys_memory_unmap(startup->self, slot_address(slot), 0);
    slot_give(slot);
}

static enum error thread_make(struct thread *thread, void (*function)(void *argument), void *argument,
                              uint64_t suspended)
{
    *thread = (struct thread){.function = function, .argument = argument};
    enum error error = stack_take(&thread->slot);
    if (error != ERR_NONE) {
        return error;
    }
    error = sys_thread_create(startup->self, (uint64_t)thread_entry,
                              slot_address(thread->slot) + THREAD_STACK_BYTES, (uint64_t)thread, suspended,
                              &thread->handle);
    if (error != ERR_NONE) {
        stack_give(thread->slot);
    }
    return error;
}

enum error thread_create(struct thread *thread, void (*function)(void *argument), void *argument)
{
    return thread_make(thread, function, argument, 0);
}

enum error thread_prepare(struct thread *thread, void (*function)(void *argument), void *argument)
{
    return thread_make(thread, function, argument, 1);
}

enum error thread_join(struct thread *thread, uint64_t deadline)
{
    uint64_t end;
    enum error error = sys_thread_join(thread->handle, deadline, &end);
    if (error != ERR_NONE) {
        return error;
    }
    sys_handle_close(thread->handle);
    stack_give(thread->slot);
    return ERR_NONE;
}
