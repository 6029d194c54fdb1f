/* The modes of a child: what it does between its start and its end. */
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/scenes.h"
#include "user/libq/clock.h"
#include "user/libq/heap.h"
#include "user/libq/program.h"
#include "user/libq/thread.h"

#define CROWD 64

static struct shared *shared(void)
{
    return (struct shared *)SHARED_AT;
}

static int mode_exit(const char *argument)
{
    return (int)program_number("STATUS", argument, 0, UINT32_MAX);
}

static int mode_spin(const char *argument)
{
    (void)argument;
    shared()->answer = 1;
    for (;;) {
        __asm__ volatile("pause");
    }
}

static int mode_sleep(const char *argument)
{
    (void)argument;
    shared()->answer = 1;
    sys_thread_sleep(DEADLINE_NEVER);
    return 1;
}

static int mode_wait(const char *argument)
{
    uint32_t notification;
    uint64_t bits;
    (void)argument;
    if (sys_notification_create(0, &notification) != ERR_NONE) {
        return 2;
    }
    shared()->answer = 1;
    return sys_notification_wait(notification, 1, DEADLINE_NEVER, &bits) == ERR_NONE ? 0 : 1;
}

/* Answers with what the parent wrote, plus one. */
static int mode_answer(const char *argument)
{
    (void)argument;
    shared()->answer = shared()->word + 1;
    return 0;
}

static int mode_signal(const char *argument)
{
    (void)argument;
    return (int)sys_notification_signal(shared()->notification, shared()->word);
}

/* Writes to the address that the parent names. */
static int mode_write(const char *argument)
{
    (void)argument;
    *(volatile uint64_t *)shared()->word = 1;
    return 0;
}

static int mode_read(const char *argument)
{
    (void)argument;
    return (int)*(volatile uint64_t *)shared()->word;
}

/* Calls what is at the address. */
static int mode_run(const char *argument)
{
    (void)argument;
    return ((int (*)(void))shared()->word)();
}

/* Ends its only thread, and with it the task. */
static int mode_thread_exit(const char *argument)
{
    (void)argument;
    sys_thread_exit();
    return 1;
}

/* The trap flag is set when the system call begins, and must not reach the kernel. */
static int mode_step(const char *argument)
{
    (void)argument;
    __asm__ volatile("pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "movl %0, %%eax\n\t"
                     "popfq\n\t"
                     "syscall"
                     :
                     : "i"(SYS_NULL)
                     : "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "cc", "memory");
    return 0;
}

/* Its task has a ceiling of 50, and it tries to get itself or others above it. Says at which step it could.
 */
static int mode_ceiling(const char *argument)
{
    uint32_t self, task;
    (void)argument;
    if (sys_thread_self(&self) != ERR_NONE || sys_task_create(0, "below", 5, &task) != ERR_NONE) {
        return 1;
    }
    if (sys_thread_priority(self, 51) != ERR_NO_RIGHT ||
        sys_task_ceiling(startup->self, 51) != ERR_NO_RIGHT) {
        return 2;
    }
    if (sys_task_ceiling(task, 51) != ERR_NO_RIGHT || sys_task_ceiling(task, 50) != ERR_NONE) {
        return 3;
    }
    if (sys_thread_priority(self, 50) != ERR_NONE || sys_task_ceiling(startup->self, 40) != ERR_NONE) {
        return 4;
    }
    return sys_thread_priority(self, 41) == ERR_NO_RIGHT &&
                   sys_task_ceiling(startup->self, 50) == ERR_NO_RIGHT
               ? 0
               : 5;
}

/* Makes a system call with the very last bytes that can be mapped: the way back leads to the first that
 * cannot. */
static int mode_edge(const char *argument)
{
    static const uint8_t code[] = {0x31, 0xc0, 0x0f, 0x05}; /* xor %eax, %eax; syscall */
    const uint64_t last = USER_HIGHEST - sizeof code;
    uint32_t memory;
    uint64_t here, there;
    (void)argument;
    if (sys_memory_create(0, PAGE_SIZE, 0, &memory) != ERR_NONE ||
        sys_memory_map(startup->self, memory, 0, 0, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, &here) !=
            ERR_NONE ||
        sys_memory_unmap(startup->self, CLOCK_PAGE_AT, 0) != ERR_NONE || /* which is there */
        sys_memory_map(startup->self, memory, 0, USER_HIGHEST - PAGE_SIZE, PAGE_SIZE,
                       ACCESS_READ | ACCESS_EXECUTE, &there) != ERR_NONE) {
        return 2;
    }
    memcpy((void *)(here + PAGE_SIZE - sizeof code), code, sizeof code);
    ((void (*)(void))last)();
    return 0;
}

/* Every selector that user code may load, in every segment register that it may load. */
static int mode_segments(const char *argument)
{
    uint16_t stack;
    (void)argument;
    __asm__ volatile("movw %%ss, %0" : "=r"(stack));
    const uint16_t selectors[] = {0, 1, 2, 3, stack, 0};
    for (unsigned i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        __asm__ volatile("movw %0, %%ds\n\t"
                         "movw %0, %%es\n\t"
                         "movw %0, %%fs\n\t"
                         "movw %0, %%gs"
                         :
                         : "r"(selectors[i])
                         : "memory");
        if (sys_null() != ERR_NONE || sys_thread_sleep(clock_after(MILLISECOND)) != ERR_NONE) {
            return 1;
        }
    }
    return 0;
}

/* Fills its table of handles, and finds every way to get one more refused; with one closed, one more is
 * given. */
static int mode_fill(const char *argument)
{
    uint32_t self = startup->self, first = 0, last = 0, count = 0;
    enum error error;
    (void)argument;
    while ((error = sys_handle_duplicate(self, RIGHT_READ, &last)) == ERR_NONE) {
        first = first == 0 ? last : first;
        count++;
    }
    bool refused = error == ERR_LIMIT && sys_memory_create(0, PAGE_SIZE, 0, &last) == ERR_LIMIT &&
                   sys_notification_create(0, &last) == ERR_LIMIT &&
                   sys_task_create(0, "full", 4, &last) == ERR_LIMIT;
    bool most = count <= HANDLES_MOST && (count > HANDLES_MOST - 8 || syscall_lack != 0);
    return refused && most && sys_handle_close(first) == ERR_NONE &&
                   sys_memory_create(0, PAGE_SIZE, 0, &last) == ERR_NONE
               ? 0
               : 1;
}

static void sleep_for_ever(void *argument)
{
    (void)argument;
    sys_thread_sleep(DEADLINE_NEVER);
}

/* Takes one more of a kind of thing. */
static enum error take_one(const char *kind)
{
    uint32_t handle;
    uint64_t where;
    if (text_equal(kind, "handles")) {
        return sys_handle_duplicate(startup->self, RIGHT_READ, &handle);
    }
    if (text_equal(kind, "objects")) {
        return sys_notification_create(0, &handle);
    }
    if (text_equal(kind, "tasks")) {
        return sys_task_create(0, "greedy", 6, &handle);
    }
    if (text_equal(kind, "threads")) {
        struct thread *thread = heap_allocate(sizeof *thread);
        return thread == NULL ? ERR_LIMIT : thread_create(thread, sleep_for_ever, NULL);
    }
    if (text_equal(kind, "accounts")) {
        return sys_task_create(0, "no right", 8, &handle) == ERR_NONE &&
                       sys_account_create(startup->account, 1, 1, "greedy", 6, &handle) == ERR_NO_RIGHT
                   ? ERR_NONE
                   : ERR_LIMIT;
    }
    enum error error = sys_memory_create(0, 8 * PAGE_SIZE, 0, &handle);
    return error == ERR_NONE && text_equal(kind, "mappings")
               ? sys_memory_map(startup->self, handle, 0, 0, PAGE_SIZE, ACCESS_READ, &where)
               : error;
}

/* Takes all that it can get, and goes on asking. */
static int mode_greedy(const char *kind)
{
    for (;;) {
        if (take_one(kind) != ERR_NONE) {
            atomic_fetch_add(&shared()->answer, 1);
        }
    }
}

/* A call that ends the caller, with its first allocation failing. */
static int mode_armed(const char *argument)
{
    return sys_system_control(shared()->other, ACTION_FAIL, 1) == ERR_NONE ? scene_child(argument) : 2;
}

static void crowd_member(void *argument)
{
    uint64_t number = (uint64_t)argument;
    sys_thread_affinity(number / 2);
    atomic_fetch_add(&shared()->answer, 1);
    for (uint64_t turn = 0;; turn++) {
        if (number % 2 == 0) {
            sys_thread_yield();
        }
    }
}

/* Two threads a CPU, one that spins and one that yields; then "exit" ends the task, anything else waits. */
static int mode_crowd(const char *argument)
{
    static struct thread threads[2 * CROWD];
    uint64_t cpus = shared()->word < CROWD ? shared()->word : CROWD;
    for (uint64_t i = 0; i < 2 * cpus; i++) {
        if (thread_create(&threads[i], crowd_member, (void *)i) != ERR_NONE) {
            return 2;
        }
    }
    while (shared()->answer < 2 * cpus) {
        sys_thread_yield();
    }
    if (!text_equal(argument, "exit")) {
        sys_thread_sleep(DEADLINE_NEVER);
    }
    return 7;
}

static int mode_entry(const char *argument)
{
    (void)argument;
    return entry_run();
}

int child_main(const char *mode, const char *argument)
{
    static const struct {
        const char *name;
        int (*function)(const char *argument);
    } modes[] = {
        {"exit", mode_exit},    {"spin", mode_spin},       {"sleep", mode_sleep},
        {"wait", mode_wait},    {"answer", mode_answer},   {"signal", mode_signal},
        {"write", mode_write},  {"step", mode_step},       {"segments", mode_segments},
        {"crowd", mode_crowd},  {"fill", mode_fill},       {"greedy", mode_greedy},
        {"scene", scene_child}, {"armed", mode_armed},     {"thread-exit", mode_thread_exit},
        {"read", mode_read},    {"run", mode_run},         {"entry", mode_entry},
        {"edge", mode_edge},    {"ceiling", mode_ceiling},
    };
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (text_equal(modes[i].name, mode)) {
            return modes[i].function(argument);
        }
    }
    return 3;
}
