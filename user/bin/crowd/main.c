/*
 * crowd N: N threads that all live at the same time, each with two pages of stack: they start, wait for each
 * other, and end. Tells how much memory a thread takes.
 */
#include <stdatomic.h>

#include "abi/handle.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

#define STACK_BYTES (2 * PAGE_SIZE)

static _Atomic uint64_t born;
static _Atomic uint64_t left;
static uint32_t gate;

/* On a stack of its own: told, waits at the gate, told again. */
static void stay(void)
{
    uint64_t bits;
    atomic_fetch_add(&born, 1);
    while (sys_notification_wait(gate, 1, DEADLINE_NEVER, &bits) != ERR_NONE) {
    }
    sys_notification_signal(gate, 1); /* the next one, too */
    atomic_fetch_add(&left, 1);
    sys_thread_exit();
}

static uint64_t free_memory(void)
{
    struct system_memory memory = {0};
    enum error error = system_record(TOPIC_MEMORY, 0, &memory, sizeof memory);
    return error == ERR_NONE ? memory.free : 0;
}

static bool wait_for(_Atomic uint64_t *count, uint64_t wanted)
{
    uint64_t deadline = clock_after(120 * SECOND);
    while (*count < wanted && clock_now() < deadline) {
        clock_sleep(5 * MILLISECOND);
    }
    return *count >= wanted;
}

static uint64_t stacks_make(uint64_t count)
{
    uint32_t memory;
    uint64_t where = 0;
    enum error error = sys_memory_create(0, count * STACK_BYTES, 0, &memory);
    if (error == ERR_NONE) {
        error = sys_memory_map(startup->self, memory, 0, 0, count * STACK_BYTES, ACCESS_READ | ACCESS_WRITE,
                               &where);
    }
    if (error != ERR_NONE) {
        program_fail("no memory for %lu stacks: %s", count, error_text(error));
    }
    return where;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        program_fail("expected: crowd N");
    }
    uint64_t count = program_number("N", argv[1], 1, 60000);
    uint64_t before = free_memory();
    uint64_t stacks = stacks_make(count);
    uint64_t number;
    if (sys_notification_create(0, &gate) != ERR_NONE) {
        program_fail("no memory for the gate");
    }
    for (uint64_t i = 0; i < count; i++) {
        enum error error = sys_thread_start(startup->self, (uint64_t)stay,
                                            stacks + (i + 1) * STACK_BYTES - sizeof(uint64_t), 0, &number);
        if (error != ERR_NONE) {
            program_fail("thread %lu of %lu: %s", i + 1, count, error_text(error));
        }
    }
    bool all = wait_for(&born, count);
    uint64_t taken = before - free_memory();
    sys_notification_signal(gate, 1);
    all = wait_for(&left, count) && all;
    print("%lu threads lived at once%s, %lu bytes of memory each\n", count, all ? "" : ": not all of them",
          taken / (count > 0 ? count : 1));
    return all ? 0 : 1;
}
