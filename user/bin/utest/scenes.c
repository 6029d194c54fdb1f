/* Good arguments for each system call; see scenes.h. */
#include "user/bin/utest/scenes.h"

#include "abi/account.h"
#include "abi/memory.h"
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/books.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"

#define PLACE 0x0000200000000000ull

static char buffer[4096] __attribute__((aligned(4096)));
static char text[300]; /* shows nothing, and is longer than what a call has room for without allocating */

static bool keep(struct scene *scene, uint32_t handle, unsigned slot)
{
    scene->kept[scene->count++] = handle;
    if (slot < SCENE_WORDS) {
        scene->words[slot] = handle;
    }
    return true;
}

static void memory(struct scene *scene, unsigned slot, const void *at, uint64_t bytes)
{
    scene->words[slot] = (uint64_t)at;
    scene->words[slot + 1] = bytes;
}

static bool new_task(struct scene *scene, unsigned slot)
{
    uint32_t task;
    CHECK_OK(sys_task_create(0, "scene", 5, &task));
    return keep(scene, task, slot);
}

/* A thread in a task of its own, suspended before its first instruction, where it would fault. */
static bool new_thread(struct scene *scene, unsigned slot)
{
    uint32_t thread;
    if (!new_task(scene, SCENE_WORDS)) {
        return false;
    }
    scene->task = scene->kept[scene->count - 1];
    CHECK_OK(sys_thread_create(scene->task, PLACE, PLACE, 0, 1, &thread));
    return keep(scene, thread, slot);
}

/* So that this thread can wait for it at once. */
static bool give_own_permit(void)
{
    uint32_t self;
    CHECK_OK(sys_thread_self(&self));
    CHECK_OK(sys_thread_unpark(self));
    CHECK_OK(sys_handle_close(self));
    return true;
}

static bool new_notification(struct scene *scene, unsigned slot)
{
    uint32_t notification;
    CHECK_OK(sys_notification_create(0, &notification));
    return keep(scene, notification, slot);
}

static bool new_memory(struct scene *scene, unsigned slot)
{
    uint32_t handle;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &handle));
    return keep(scene, handle, slot);
}

static bool new_account(struct scene *scene, unsigned slot, uint64_t frames, uint64_t bytes)
{
    uint32_t account;
    CHECK_OK(sys_account_create(startup->account, frames, bytes, "scene", 5, &account));
    return keep(scene, account, slot);
}

static bool set_null(struct scene *scene)
{
    (void)scene;
    return true;
}

static bool set_task_exit(struct scene *scene)
{
    scene->ends = true;
    return true;
}

#define set_thread_exit set_task_exit
#define set_thread_quit set_task_exit

#define set_thread_yield       set_null
#define set_thread_sleep       set_null
#define set_thread_sleep_until set_null
#define set_clock_read         set_null

static bool set_handle_close(struct scene *scene)
{
    return new_notification(scene, 0);
}

static bool set_handle_copy(struct scene *scene)
{
    scene->words[2] = RIGHT_SIGNAL;
    return new_task(scene, 0) && new_notification(scene, 1);
}

static bool set_handle_duplicate(struct scene *scene)
{
    scene->words[1] = RIGHT_SIGNAL;
    scene->result_is_ours = true;
    return new_notification(scene, 0);
}

static bool set_handle_replace(struct scene *scene)
{
    scene->words[1] = RIGHT_SIGNAL;
    scene->result_is_ours = true;
    return new_notification(scene, 0);
}

static bool set_handle_query(struct scene *scene)
{
    memory(scene, 1, buffer, sizeof(struct handle_info));
    return new_notification(scene, 0);
}

/* Of some copies, in our own table and another task's. */
static bool set_handle_revoke(struct scene *scene)
{
    uint32_t copy, other;
    if (!new_notification(scene, 0) || !new_task(scene, SCENE_WORDS)) {
        return false;
    }
    CHECK_OK(sys_handle_duplicate((uint32_t)scene->words[0], RIGHT_ALL, &copy));
    CHECK_OK(sys_handle_copy(scene->kept[1], copy, RIGHT_ALL, &other));
    return true;
}

static bool set_memory_create(struct scene *scene)
{
    scene->words[0] = startup->account;
    scene->words[1] = 600 * PAGE_SIZE; /* two tables of frames */
    scene->result_is_ours = true;
    return true;
}

static bool set_memory_size(struct scene *scene)
{
    return new_memory(scene, 0);
}

static bool set_memory_map(struct scene *scene)
{
    scene->words[3] = PLACE - PAGE_SIZE; /* two tables of each level */
    scene->words[4] = PAGE_SIZE;
    scene->words[5] = ACCESS_READ | ACCESS_WRITE;
    return new_task(scene, 0) && new_memory(scene, 1);
}

static bool set_memory_unmap(struct scene *scene)
{
    uint64_t where;
    if (!new_task(scene, 0) || !new_memory(scene, SCENE_WORDS)) {
        return false;
    }
    scene->words[1] = PLACE;
    CHECK_OK(sys_memory_map(scene->kept[0], scene->kept[1], 0, PLACE, PAGE_SIZE, ACCESS_READ, &where));
    return true;
}

static bool set_memory_clone(struct scene *scene)
{
    scene->words[1] = startup->account;
    scene->result_is_ours = true;
    return new_memory(scene, 0);
}

static bool set_memory_resize(struct scene *scene)
{
    scene->words[1] = 600 * PAGE_SIZE;
    return new_memory(scene, 0);
}

static bool set_memory_commit(struct scene *scene)
{
    scene->words[2] = PAGE_SIZE;
    return new_memory(scene, 0);
}

static bool set_memory_decommit(struct scene *scene)
{
    return set_memory_commit(scene);
}

static bool set_memory_query(struct scene *scene)
{
    memory(scene, 2, buffer, 1);
    return new_memory(scene, 0);
}

static bool set_memory_pin(struct scene *scene)
{
    scene->words[1] = startup->system;
    memory(scene, 3, buffer, sizeof(uint64_t));
    return new_memory(scene, 0);
}

static bool set_memory_unpin(struct scene *scene)
{
    uint64_t frame;
    scene->words[1] = startup->system;
    scene->words[3] = PAGE_SIZE;
    if (!new_memory(scene, 0)) {
        return false;
    }
    CHECK_OK(sys_memory_pin(scene->kept[0], startup->system, 0, &frame, sizeof frame));
    return true;
}

/* One page in the midst of others. */
static bool set_memory_protect(struct scene *scene)
{
    uint64_t where;
    uint32_t memory_handle;
    if (!new_task(scene, 0)) {
        return false;
    }
    CHECK_OK(sys_memory_create(0, 3 * PAGE_SIZE, 0, &memory_handle));
    keep(scene, memory_handle, SCENE_WORDS);
    CHECK_OK(sys_memory_map(scene->kept[0], memory_handle, 0, PLACE, 3 * PAGE_SIZE,
                            ACCESS_READ | ACCESS_WRITE, &where));
    scene->words[1] = PLACE + PAGE_SIZE;
    scene->words[2] = PAGE_SIZE;
    scene->words[3] = ACCESS_READ;
    return true;
}

static bool set_memory_reserve(struct scene *scene)
{
    scene->words[1] = PLACE;
    scene->words[2] = GIB;
    return new_task(scene, 0);
}

static bool set_memory_device(struct scene *scene)
{
    scene->words[0] = startup->system;
    scene->words[1] = startup->account;
    scene->words[2] = 0xfed00000; /* the timer that every machine has there, or nothing: it is not touched */
    scene->words[3] = PAGE_SIZE;
    scene->words[4] = MEMORY_CACHE_NONE;
    scene->result_is_ours = true;
    return true;
}

static bool set_task_clone(struct scene *scene)
{
    uint64_t where;
    scene->words[1] = startup->account;
    memory(scene, 2, "scene", 5);
    scene->result_is_ours = true;
    if (!new_task(scene, 0) || !new_memory(scene, SCENE_WORDS)) {
        return false;
    }
    CHECK_OK(sys_memory_map(scene->kept[0], scene->kept[1], 0, PLACE, PAGE_SIZE, ACCESS_READ, &where));
    return true;
}

static bool set_task_mappings(struct scene *scene)
{
    memory(scene, 2, buffer, sizeof(struct memory_mapping));
    return new_task(scene, 0);
}

static bool set_task_translate(struct scene *scene)
{
    scene->words[1] = startup->system;
    scene->words[2] = PLACE;
    memory(scene, 3, buffer, 5 * sizeof(struct memory_step));
    return new_task(scene, 0);
}

static bool set_task_create(struct scene *scene)
{
    scene->words[0] = startup->account;
    memory(scene, 1, "scene", 5);
    scene->result_is_ours = true;
    return true;
}

static bool set_task_kill(struct scene *scene)
{
    return new_task(scene, 0);
}

static bool set_task_status(struct scene *scene)
{
    memory(scene, 1, buffer, sizeof(struct task_status));
    return new_task(scene, 0);
}

static bool set_task_watch(struct scene *scene)
{
    scene->words[2] = 1;
    return new_task(scene, 0) && new_notification(scene, 1);
}

/* It faults at its first instruction, since nothing is mapped. */
static bool set_thread_start(struct scene *scene)
{
    scene->words[1] = PLACE;
    scene->words[2] = PLACE;
    bool made = new_task(scene, 0);
    scene->task = scene->kept[0];
    return made;
}

static bool set_thread_create(struct scene *scene)
{
    scene->words[4] = 1;
    scene->result_is_ours = true;
    return set_thread_start(scene);
}

static bool set_thread_join(struct scene *scene)
{
    scene->words[1] = DEADLINE_NEVER;
    if (!new_thread(scene, 0)) {
        return false;
    }
    uint64_t end;
    CHECK_OK(sys_thread_kill((uint32_t)scene->words[0], 0));
    CHECK_OK(sys_thread_join((uint32_t)scene->words[0], DEADLINE_NEVER, &end)); /* once more finds it ended */
    return true;
}

static bool set_thread_kill(struct scene *scene)
{
    return new_thread(scene, 0);
}

#define set_thread_suspend set_thread_kill
#define set_thread_resume  set_thread_kill
#define set_thread_unpark  set_thread_kill

static bool set_thread_priority(struct scene *scene)
{
    scene->words[1] = 5;
    return new_thread(scene, 0);
}

static bool set_thread_slice(struct scene *scene)
{
    scene->words[1] = 1000000;
    return new_thread(scene, 0);
}

static bool set_thread_budget(struct scene *scene)
{
    scene->words[1] = 10000000;
    scene->words[2] = 5000000;
    return new_thread(scene, 0);
}

static bool set_thread_cpus(struct scene *scene)
{
    memset(buffer, 0xff, 32);
    memory(scene, 1, buffer, 32);
    return new_thread(scene, 0);
}

static bool set_thread_park(struct scene *scene)
{
    scene->words[0] = DEADLINE_NEVER;
    return give_own_permit();
}

static bool set_thread_exchange(struct scene *scene)
{
    scene->words[1] = DEADLINE_NEVER;
    return new_thread(scene, 0) && give_own_permit();
}

static bool set_thread_self(struct scene *scene)
{
    scene->result_is_ours = true;
    return true;
}

static bool set_task_ceiling(struct scene *scene)
{
    scene->words[1] = 10;
    return new_task(scene, 0);
}

static bool set_notification_create(struct scene *scene)
{
    scene->words[0] = startup->account;
    scene->result_is_ours = true;
    return true;
}

static bool set_notification_signal(struct scene *scene)
{
    scene->words[1] = 1;
    return new_notification(scene, 0);
}

static bool set_notification_wait(struct scene *scene)
{
    scene->words[1] = 1;
    if (!new_notification(scene, 0)) {
        return false;
    }
    CHECK_OK(sys_notification_signal(scene->kept[0], 1));
    return true;
}

static bool set_console_write(struct scene *scene)
{
    memset(text, '\r', sizeof text);
    scene->words[0] = startup->console;
    memory(scene, 1, text, sizeof text);
    return true;
}

static bool set_console_read(struct scene *scene)
{
    scene->words[0] = startup->console;
    memory(scene, 1, buffer, 1);
    return true;
}

static bool set_console_watch(struct scene *scene)
{
    scene->words[0] = startup->console;
    scene->words[2] = 1;
    return new_notification(scene, 1);
}

static bool set_system_read(struct scene *scene)
{
    scene->words[0] = startup->system;
    scene->words[1] = TOPIC_BOOT;
    memory(scene, 3, buffer, sizeof(struct system_boot));
    return true;
}

static bool set_system_control(struct scene *scene)
{
    scene->words[0] = startup->system;
    scene->words[1] = ACTION_AUDIT;
    return true;
}

static bool set_thread_affinity(struct scene *scene)
{
    scene->words[0] = ~0ull;
    return true;
}

static bool set_log_write(struct scene *scene)
{
    scene->words[0] = startup->system;
    memory(scene, 2, "scene", 5); /* at the level that is not shown */
    return true;
}

static bool set_account_create(struct scene *scene)
{
    scene->words[0] = startup->account;
    scene->words[1] = 3;
    scene->words[2] = 3000;
    memory(scene, 3, "scene", 5);
    scene->result_is_ours = true;
    return true;
}

static bool set_account_limit(struct scene *scene)
{
    scene->words[0] = startup->account;
    scene->words[2] = 5;
    scene->words[3] = 1000;
    return new_account(scene, 1, 3, 3000);
}

static bool set_account_read(struct scene *scene)
{
    memory(scene, 1, buffer, sizeof(struct account_info));
    return new_account(scene, 0, 1, 100);
}

static bool set_thread_base(struct scene *scene)
{
    scene->words[1] = 0x12345000;
    return true;
}

static bool set_account_end(struct scene *scene)
{
    uint32_t task;
    if (!new_account(scene, 0, 10, 20000)) {
        return false;
    }
    CHECK_OK(sys_task_create(scene->kept[0], "scene", 5, &task));
    return keep(scene, task, SCENE_WORDS);
}

bool scene_set(struct scene *scene, const struct grammar_call *call)
{
    static bool (*const set[SYS_COUNT])(struct scene * scene) = {
#define SET_ROW(number, name) [number] = set_##name,
        SYS_NAMES(SET_ROW)
#undef SET_ROW
    };
    *scene = (struct scene){.call = call};
    return set[call->number](scene);
}

enum error scene_call(const struct scene *scene, uint64_t *result)
{
    const uint64_t *words = scene->words;
    return sys_raw(scene->call->number, words[0], words[1], words[2], words[3], words[4], words[5], result);
}

/* A task with a thread ends in its own time, and the thread's record goes a little after that. */
static bool end_task(uint32_t task)
{
    struct task_status status = {0};
    sys_task_kill(task, 0);
    for (uint64_t deadline = clock_after(10 * SECOND);
         status.state != TASK_ENDED && clock_now() < deadline;) {
        CHECK_OK(sys_task_status(task, &status, sizeof status));
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND / 10))); /* its thread may be lower than this one */
    }
    CHECK_EQUAL(status.state, TASK_ENDED);
    struct books rest;
    return books_at_rest(&rest);
}

bool scene_clear(struct scene *scene, uint64_t result)
{
    if (scene->task != 0 && !end_task(scene->task)) {
        return false;
    }
    (void)sys_thread_park(0); /* a permit that the call did not take */
    if (scene->result_is_ours && result != 0) {
        CHECK_OK(sys_handle_close((uint32_t)result));
    }
    while (scene->count > 0) {
        sys_handle_close(scene->kept[--scene->count]); /* or the call has closed or replaced it */
    }
    return true;
}

int scene_child(const char *argument)
{
    struct scene scene;
    uint64_t result;
    uint64_t number = program_number("CALL", argument, 0, SYS_COUNT - 1);
    for (unsigned i = 0; i < GRAMMAR_CALLS; i++) {
        if (grammar_calls[i].number == number && scene_set(&scene, &grammar_calls[i])) {
            scene_call(&scene, &result);
        }
    }
    return 1;
}
