/* The worker of the fuzzer: makes up calls and makes them; see fuzz.h. */
#include "abi/account.h"
#include "abi/handle.h"
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/fuzz/fuzz.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/thread.h"

#define POOL 96 /* handles that are known */
#define MAPS 16 /* places where something was mapped */

#define PLACES_AT 0x0000500000000000ull

/* Text that may be printed, before a page that is not there; and a page to be written to. */
#define TEXT_AT 0x0000400000000000ull
#define DATA_AT 0x0000410000000000ull

struct known {
    _Atomic uint32_t handle;
    _Atomic uint32_t type;
};

static struct known pool[POOL];
static _Atomic uint64_t maps[MAPS];

static struct fuzz_shared *shared(void)
{
    return (struct fuzz_shared *)FUZZ_SHARED_AT;
}

static void learn(uint64_t *state, uint32_t handle, uint32_t type)
{
    struct known *known = &pool[8 + fuzz_below(state, POOL - 8)];
    atomic_store(&known->type, type);
    uint32_t old = atomic_exchange(&known->handle, handle);
    if (old != 0 && fuzz_below(state, 8) != 0) {
        sys_handle_close(old); /* some are forgotten, for the end of the task to close */
    }
}

/* --- arguments --- */

static uint64_t any_number(uint64_t *state)
{
    static const uint64_t edges[] = {
        0,           1,           2,          7,          255,        4095,       4096,  4097,
        65535,       1ull << 31,  0xffffffff, 1ull << 32, 1ull << 47, 1ull << 63, ~0ull, ~0ull - 4095,
        USER_LOWEST, USER_HIGHEST};
    switch (fuzz_below(state, 3)) {
    case 0:
        return edges[fuzz_below(state, sizeof edges / sizeof edges[0])] + fuzz_below(state, 3) - 1;
    case 1:
        return fuzz_next(state) >> fuzz_below(state, 64);
    default:
        return fuzz_below(state, 64);
    }
}

static uint32_t known_handle(uint64_t *state, uint32_t type)
{
    uint64_t start = fuzz_below(state, POOL);
    for (unsigned i = 0; i < POOL; i++) {
        struct known *known = &pool[(start + i) % POOL];
        uint32_t handle = atomic_load(&known->handle);
        if (handle != 0 && (type == OBJECT_NONE || atomic_load(&known->type) == type)) {
            return handle;
        }
    }
    return 0;
}

static uint64_t a_handle(uint64_t *state, const struct grammar_argument *argument)
{
    uint64_t what = fuzz_below(state, 100);
    if (argument->optional && what < 30) {
        return 0;
    }
    if (what < 88) {
        return known_handle(state, argument->type);
    }
    if (what < 94) {
        return known_handle(state, OBJECT_NONE);
    }
    if (what < 97) {
        return known_handle(state, argument->type) ^ 1ull << fuzz_below(state, 34);
    }
    return any_number(state);
}

static uint64_t a_value(uint64_t *state, const struct grammar_argument *argument)
{
    uint64_t span = argument->high - argument->low;
    switch (argument->unit) {
    case UNIT_NANOSECONDS:
        return fuzz_below(state, 1000) == 0 ? ~0ull : clock_after(fuzz_below(state, 200) * MICROSECOND);
    case UNIT_MASK:
        return fuzz_below(state, 8) == 0 ? fuzz_next(state) : fuzz_next(state) & (argument->high & RIGHT_ALL);
    case UNIT_BYTES:
        if (fuzz_below(state, 10) != 0) {
            return fuzz_below(state, 20) * PAGE_SIZE;
        }
        break;
    case UNIT_FRAMES:
        if (fuzz_below(state, 10) != 0) {
            return fuzz_below(state, 50);
        }
        break;
    default:
        break;
    }
    if (fuzz_below(state, 8) == 0) {
        return any_number(state);
    }
    return argument->low + (span < 1ull << 32 ? fuzz_below(state, span + 1) : fuzz_below(state, 64));
}

static void fuzz_thread(void *argument);

static uint64_t an_address(uint64_t *state)
{
    switch (fuzz_below(state, 6)) {
    case 0:
        return 0;
    case 1:
        return atomic_load(&maps[fuzz_below(state, MAPS)]);
    case 2:
        return (uint64_t)fuzz_thread;
    case 3:
        return any_number(state);
    default:
        return PLACES_AT + fuzz_below(state, 600) * 64 * PAGE_SIZE;
    }
}

static void a_buffer(uint64_t *state, const struct grammar_argument *argument, uint64_t words[2])
{
    uint64_t base = argument->kind == GRAMMAR_IN ? TEXT_AT : DATA_AT;
    uint64_t room = argument->high < PAGE_SIZE ? argument->high : PAGE_SIZE;
    words[1] = fuzz_below(state, room + 1);
    words[0] = base + fuzz_below(state, PAGE_SIZE - words[1] + 1);
    switch (fuzz_below(state, 12)) {
    case 0:
        words[0] = any_number(state);
        break;
    case 1:
        words[1] = any_number(state);
        break;
    case 2:
        words[0] = base + PAGE_SIZE - fuzz_below(state, 20); /* its end is not there */
        break;
    case 3:
        words[0] = argument->kind == GRAMMAR_IN ? DATA_AT : TEXT_AT; /* which cannot be written */
        break;
    default:
        break;
    }
}

static void fill(uint64_t *state, const struct grammar_call *call, uint64_t words[6])
{
    for (unsigned i = 0; i < 6; i++) {
        words[i] = any_number(state);
    }
    for (unsigned i = 0; i < call->count; i++) {
        const struct grammar_argument *argument = &call->arguments[i];
        uint64_t *word = &words[argument->slot];
        switch (argument->kind) {
        case GRAMMAR_HANDLE:
        case GRAMMAR_ANY:
            *word = a_handle(state, argument);
            break;
        case GRAMMAR_VALUE:
            *word = a_value(state, argument);
            break;
        case GRAMMAR_ADDRESS:
            *word = an_address(state);
            break;
        default:
            a_buffer(state, argument, word);
        }
    }
}

/* --- calls --- */

/* Is this call to be made? Those that end the worker, or that only make noise, seldom. */
static bool wanted(uint64_t *state, const struct grammar_call *call, const uint64_t words[6])
{
    switch (call->number) {
    case SYS_TASK_EXIT:
    case SYS_THREAD_EXIT:
    case SYS_THREAD_QUIT:
        return fuzz_below(state, 300) == 0;
    case SYS_THREAD_SUSPEND: /* perhaps itself, and then nobody resumes it */
    case SYS_THREAD_KILL:
        return fuzz_below(state, 50) == 0;
    case SYS_TASK_KILL:
        return words[0] != startup->self || fuzz_below(state, 100) == 0;
    case SYS_CONSOLE_WRITE:
    case SYS_LOG_WRITE:
        return fuzz_below(state, 40) == 0;
    case SYS_THREAD_START:
    case SYS_THREAD_CREATE:
        return fuzz_below(state, 6) == 0; /* most end by a fault, which is a line of the log */
    case SYS_HANDLE_CLOSE:
    case SYS_HANDLE_REPLACE:
        return words[0] != startup->self || fuzz_below(state, 50) == 0;
    default:
        return true;
    }
}

/* Arguments that hang together, where random ones would hardly ever do. */
static void sharpen(uint64_t *state, const struct grammar_call *call, uint64_t words[6])
{
    if (fuzz_below(state, 4) == 0) {
        return;
    }
    switch (call->number) {
    case SYS_MEMORY_MAP:
        words[2] = fuzz_below(state, 3) * PAGE_SIZE;
        words[4] = (1 + fuzz_below(state, 3)) * PAGE_SIZE;
        words[5] = fuzz_below(state, 2) == 0 ? ACCESS_READ : ACCESS_READ | ACCESS_WRITE;
        break;
    case SYS_MEMORY_UNMAP:
        words[1] = atomic_load(&maps[fuzz_below(state, MAPS)]);
        break;
    case SYS_MEMORY_PROTECT:
        words[0] = startup->self;
        words[1] = atomic_load(&maps[fuzz_below(state, MAPS)]);
        words[2] = PAGE_SIZE;
        words[3] = fuzz_below(state, 2) == 0 ? ACCESS_READ : ACCESS_READ | ACCESS_WRITE;
        break;
    case SYS_SYSTEM_READ:
        words[1] = 1 + fuzz_below(state, 16);
        words[2] = fuzz_below(state, 6);
        words[3] = DATA_AT;
        words[4] = PAGE_SIZE;
        break;
    case SYS_TASK_STATUS:
    case SYS_HANDLE_QUERY:
    case SYS_ACCOUNT_READ:
        words[1] = DATA_AT;
        words[2] = PAGE_SIZE;
        break;
    case SYS_ACCOUNT_LIMIT:
        words[0] = shared()->account;
        break;
    case SYS_THREAD_SLICE:
        words[1] = 100000 + fuzz_below(state, 20) * 100000;
        break;
    case SYS_THREAD_BUDGET:
        words[1] = 1000000 + fuzz_below(state, 20) * 1000000;
        words[2] = words[1] / 2;
        break;
    case SYS_THREAD_CPUS:
        words[1] = DATA_AT;
        words[2] = 32;
        break;
    case SYS_THREAD_AFFINITY:
        words[0] = fuzz_below(state, 2) == 0 ? ~0ull : fuzz_below(state, 4);
        break;
    default:
        break;
    }
}

static uint32_t type_of(const struct grammar_call *call, const uint64_t words[6])
{
    struct handle_info info;
    switch (call->number) {
    case SYS_MEMORY_CREATE:
        return OBJECT_MEMORY;
    case SYS_TASK_CREATE:
        return OBJECT_TASK;
    case SYS_NOTIFICATION_CREATE:
        return OBJECT_NOTIFICATION;
    case SYS_ACCOUNT_CREATE:
        return OBJECT_ACCOUNT;
    case SYS_THREAD_CREATE:
    case SYS_THREAD_SELF:
        return OBJECT_THREAD;
    default:
        return sys_handle_query((uint32_t)words[0], &info, sizeof info) == ERR_NONE ? info.type : OBJECT_NONE;
    }
}

static void one_call(uint64_t *state)
{
    const struct grammar_call *call = &grammar_calls[fuzz_below(state, GRAMMAR_CALLS)];
    uint64_t words[6], result = 0;
    uint64_t number = call->number;
    fill(state, call, words);
    sharpen(state, call, words);
    if (!wanted(state, call, words)) {
        return;
    }
    if (fuzz_below(state, 500) == 0) {
        number = any_number(state);
        number = number < SYS_COUNT ? SYS_COUNT : number;
    }
    atomic_fetch_add(&shared()->calls, 1);
    atomic_fetch_add(&shared()->tried[call->number], 1);
    enum error error = sys_raw(number, words[0], words[1], words[2], words[3], words[4], words[5], &result);
    atomic_fetch_add(&shared()->kinds[error < 64 ? error : 63], 1);
    if (error != ERR_NONE) {
        return;
    }
    atomic_fetch_add(&shared()->done[call->number], 1);
    if (call->result == UNIT_HANDLE && call->number != SYS_HANDLE_COPY) {
        learn(state, (uint32_t)result,
              call->number == SYS_HANDLE_REPLACE ? OBJECT_NONE : type_of(call, words));
    }
    if (call->number == SYS_MEMORY_MAP && words[0] == startup->self) {
        atomic_store(&maps[fuzz_below(state, MAPS)], result);
    }
}

static void fuzz_thread(void *argument)
{
    uint64_t state = shared()->seed * 1000 + (uint64_t)argument;
    while (atomic_load(&shared()->calls) < atomic_load(&shared()->most)) {
        one_call(&state);
    }
}

static bool page_at(uint64_t place, char byte, uint64_t access)
{
    uint32_t memory;
    uint64_t where;
    if (sys_memory_create(0, PAGE_SIZE, 0, &memory) != ERR_NONE ||
        sys_memory_map(startup->self, memory, 0, place, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, &where) !=
            ERR_NONE) {
        return false;
    }
    memset((void *)place, byte, PAGE_SIZE);
    if (access == ACCESS_READ) {
        sys_memory_unmap(startup->self, place, 0);
        if (sys_memory_map(startup->self, memory, 0, place, PAGE_SIZE, access, &where) != ERR_NONE) {
            return false;
        }
    }
    sys_handle_close(memory);
    return true;
}

int fuzz_work(void)
{
    static struct thread threads[FUZZ_THREADS_MOST];
    const struct known given[] = {{startup->self, OBJECT_TASK},
                                  {shared()->account, OBJECT_ACCOUNT},
                                  {shared()->console, OBJECT_CONSOLE},
                                  {shared()->system, OBJECT_SYSTEM}};
    for (unsigned i = 0; i < sizeof given / sizeof given[0]; i++) {
        atomic_store(&pool[i].handle, given[i].handle);
        atomic_store(&pool[i].type, given[i].type);
    }
    if (!page_at(TEXT_AT, '.', ACCESS_READ) || !page_at(DATA_AT, '.', ACCESS_READ | ACCESS_WRITE)) {
        return 2;
    }
    for (uint64_t i = 1; i < shared()->threads; i++) {
        if (thread_create(&threads[i], fuzz_thread, (void *)i) != ERR_NONE) {
            return 2;
        }
    }
    fuzz_thread(NULL);
    for (uint64_t i = 1; i < shared()->threads; i++) {
        if (thread_join(&threads[i], clock_after(SECOND)) != ERR_NONE) {
            return 0; /* it waits for something, or has ended itself: the end of the task is its end */
        }
    }
    return 0;
}
