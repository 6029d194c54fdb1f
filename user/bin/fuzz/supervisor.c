/* The supervisor of the fuzzer: starts workers, watches over them, and keeps the books; see fuzz.h. */
#include "abi/account.h"
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/fuzz/fuzz.h"
#include "user/libq/bundle_map.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/pages.h"
#include "user/libq/print.h"
#include "user/libq/process.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

/* What the workers have, all in all. */
#define FRAMES 3000
#define BYTES  (2 * MIB)

/* A worker that has made no call for so long waits for something that never comes, and is killed. */
#define PATIENCE (100 * MILLISECOND)
#define LOOK     (2 * MILLISECOND)
/* And then it has to end: else the kernel does not go on. */
#define STALL (30 * SECOND)

#define SHARED_BYTES ((sizeof(struct fuzz_shared) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))

struct fuzzer {
    struct bundle_member image;
    struct fuzz_shared *shared;
    uint32_t shared_memory;
    uint32_t ended; /* notification */
    uint64_t seed;
    uint64_t deadline;
    uint64_t workers, killed;
    const char *wrong;
};

struct books {
    struct account_info account;
    struct system_books things;
};

static void must(enum error error, const char *what)
{
    if (error != ERR_NONE) {
        program_fail("%s: %s", what, error_text(error));
    }
}

static void books_read(struct books *books)
{
    must(sys_account_read(startup->account, &books->account, sizeof books->account), "reading the account");
    must(system_record(TOPIC_BOOKS, 0, &books->things, sizeof books->things), "reading the books");
}

static bool books_equal(const struct books *a, const struct books *b)
{
    bool equal = a->things.handles == b->things.handles && a->things.threads == b->things.threads;
    for (unsigned r = 0; r < RESOURCES; r++) {
        equal = equal && a->account.resources[r].used == b->account.resources[r].used &&
                a->account.resources[r].lent == b->account.resources[r].lent;
    }
    for (unsigned type = 1; type < OBJECT_TYPES; type++) {
        equal = equal && a->things.objects[type] == b->things.objects[type];
    }
    return equal;
}

static enum error share(struct fuzzer *fuzzer, uint32_t task)
{
    uint64_t where;
    return pages_map(task, fuzzer->shared_memory, FUZZ_SHARED_AT, SHARED_BYTES, &where);
}

/* What a worker gets beside its own: everything but the right to end the machine. */
static enum error give(struct fuzzer *fuzzer, uint32_t task, uint32_t account)
{
    struct fuzz_shared *s = fuzzer->shared;
    const uint32_t all = RIGHT_ALL & ~(uint32_t)RIGHT_MANAGE;
    enum error error = sys_handle_copy(task, account, RIGHT_ALL, &s->account);
    error = error == ERR_NONE ? sys_handle_copy(task, startup->console, all, &s->console) : error;
    return error == ERR_NONE ? sys_handle_copy(task, startup->system, all, &s->system) : error;
}

static enum error start(struct fuzzer *fuzzer, uint32_t account, struct process *process)
{
    static const char *const argv[] = {"fuzz", "worker"};
    struct process_request request = {
        .name = "fuzzed",
        .image = fuzzer->image.data,
        .image_bytes = fuzzer->image.size,
        .argc = 2,
        .argv = argv,
        .account = {account, RIGHT_READ | RIGHT_CHARGE},
    };
    fuzzer->shared->seed = fuzzer->seed * 1000003 + fuzzer->workers++;
    enum error error = process_create(&request, process);
    if (error != ERR_NONE) {
        return error;
    }
    error = share(fuzzer, process->task);
    if (error == ERR_NONE) {
        error = give(fuzzer, process->task, account);
    }
    if (error == ERR_NONE) {
        error = sys_task_watch(process->task, fuzzer->ended, 1);
    }
    if (error != ERR_NONE) {
        process_discard(process);
        return error;
    }
    return process_start(process);
}

static bool over(const struct fuzzer *fuzzer)
{
    return atomic_load(&fuzzer->shared->calls) >= atomic_load(&fuzzer->shared->most) ||
           (fuzzer->deadline != 0 && clock_now() >= fuzzer->deadline);
}

static bool has_ended(const struct process *process)
{
    struct task_status status = {0};
    return sys_task_status(process->task, &status, sizeof status) == ERR_NONE && status.state == TASK_ENDED;
}

/* Until it has ended. It can take our watch on its end away, so that is only good for an early word of it. */
static void watch(struct fuzzer *fuzzer, struct process *process)
{
    uint64_t bits, last = ~0ull;
    uint64_t patience = clock_after(PATIENCE), given_up = DEADLINE_NEVER;
    while (!has_ended(process)) {
        sys_notification_wait(fuzzer->ended, 1, clock_after(LOOK), &bits);
        uint64_t calls = atomic_load(&fuzzer->shared->calls);
        if (calls != last) {
            last = calls;
            patience = clock_after(PATIENCE);
        }
        if (given_up == DEADLINE_NEVER && (clock_now() > patience || over(fuzzer))) {
            fuzzer->killed++;
            given_up = clock_after(STALL);
            sys_task_kill(process->task, 0);
        }
        if (clock_now() > given_up) {
            fuzzer->wrong = "a worker that was killed does not end";
            return;
        }
    }
}

static void run(struct fuzzer *fuzzer)
{
    while (!over(fuzzer) && fuzzer->wrong == NULL) {
        uint32_t account;
        struct process process;
        must(sys_account_create(startup->account, FRAMES, BYTES, "fuzzed", 6, &account), "making an account");
        must(start(fuzzer, account, &process), "starting a worker");
        watch(fuzzer, &process);
        process_discard(&process);
        sys_account_end(account, 0); /* what it has started, and what holds itself */
        sys_handle_close(account);
    }
}

static void open(struct fuzzer *fuzzer, uint64_t seed, uint64_t calls, uint64_t seconds)
{
    static struct bundle bundle;
    struct system_boot boot;
    uint64_t where;
    *fuzzer = (struct fuzzer){.seed = seed};
    must(bundle_map(&bundle), "reading the bundle");
    must(bundle_find(&bundle, "bin/fuzz", strlen("bin/fuzz"), &fuzzer->image), "finding bin/fuzz");
    must(system_record(TOPIC_BOOT, 0, &boot, sizeof boot), "counting the CPUs");
    must(sys_notification_create(0, &fuzzer->ended), "making a notification");
    must(sys_memory_create(0, SHARED_BYTES, 0, &fuzzer->shared_memory), "making the shared page");
    must(pages_map(startup->self, fuzzer->shared_memory, FUZZ_SHARED_AT, SHARED_BYTES, &where),
         "mapping the shared page");
    fuzzer->shared = (struct fuzz_shared *)where;
    fuzzer->shared->most = seconds != 0 ? ~0ull : calls;
    fuzzer->shared->threads = boot.cpus_online < FUZZ_THREADS_MOST ? boot.cpus_online + 1 : FUZZ_THREADS_MOST;
    fuzzer->deadline = seconds != 0 ? clock_after(seconds * SECOND) : 0;
}

static unsigned result(const char *name, bool good, const char *reason)
{
    if (good) {
        print("ok fuzz.%s\n", name);
    } else {
        print("FAIL fuzz.%s: %s\n", name, reason);
    }
    return good ? 0 : 1;
}

/* Does no worker have the right to it? It could stop the machine, or reach what is a device's. */
static bool is_privileged(uint32_t number)
{
    return number == SYS_SYSTEM_CONTROL || number == SYS_MEMORY_PIN || number == SYS_MEMORY_UNPIN ||
           number == SYS_MEMORY_DEVICE || number == SYS_TASK_TRANSLATE;
}

static unsigned tell_calls(const struct fuzzer *fuzzer)
{
    char never[200] = "";
    size_t length = 0;
    for (unsigned i = 0; i < GRAMMAR_CALLS; i++) {
        const struct grammar_call *call = &grammar_calls[i];
        bool returns = call->number != SYS_TASK_EXIT && call->number != SYS_THREAD_EXIT &&
                       call->number != SYS_THREAD_QUIT && !is_privileged(call->number);
        if (returns && fuzzer->shared->done[call->number] == 0 && length < sizeof never) {
            length += text_format(never + length, sizeof never - length, " %s", call->name);
        }
    }
    print("fuzz: %lu calls by %lu workers, %lu of them killed, %lu calls succeeded\n", fuzzer->shared->calls,
          fuzzer->workers, fuzzer->killed, fuzzer->shared->kinds[0]);
    return result("every_call_succeeded_now_and_then", length == 0, never);
}

int fuzz_supervise(uint64_t seed, uint64_t calls, uint64_t seconds)
{
    struct fuzzer fuzzer;
    struct books before, after;
    open(&fuzzer, seed, calls, seconds);
    sys_thread_sleep(clock_after(20 * MILLISECOND));
    must(sys_console_watch(startup->console, fuzzer.ended, 2), "watching the console");
    books_read(&before);
    print("fuzz: seed %lu\n", seed);
    run(&fuzzer);
    must(sys_console_watch(startup->console, fuzzer.ended, 2),
         "watching the console"); /* instead of a worker's */
    uint64_t deadline = clock_after(STALL);
    do {
        sys_thread_sleep(clock_after(10 * MILLISECOND));
        books_read(&after);
    } while (!books_equal(&before, &after) && clock_now() < deadline);
    enum error audit = sys_system_control(startup->system, ACTION_AUDIT, 0);
    print("\n");
    unsigned failed = result("every_worker_comes_to_an_end", fuzzer.wrong == NULL, fuzzer.wrong);
    failed +=
        result("nothing_is_lost", books_equal(&before, &after), "the books are not as they were before");
    failed += result("the_books_of_the_frames_are_right", audit == ERR_NONE, error_text(audit));
    failed += seconds == 0 && calls < 100000 ? 0 : tell_calls(&fuzzer);
    print("fuzz: %u passed, %u failed\n", (seconds == 0 && calls < 100000 ? 3 : 4) - failed, failed);
    return failed == 0 ? 0 : 1;
}
