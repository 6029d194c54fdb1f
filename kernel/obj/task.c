/*
 * Tasks; see task.h.
 */
#include "kernel/obj/task.h"

#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/obj/clock_page.h"
#include "lib/text.h"

/* Threads that are told of the end of their task while it is locked. */
#define KILLS_AT_ONCE 32

static struct spinlock all_lock = SPINLOCK("list of tasks", LOCK_TASK_LIST);

/* Guarded by all_lock. */
static struct list all_tasks = {&all_tasks, &all_tasks};
static uint32_t next_number = 1;

void task_destroy(struct object *object)
{
    struct task *task = (struct task *)object;
    ASSERT(task->thread_count == 0);
    spin_lock(&all_lock);
    list_remove(&task->all_node);
    spin_unlock(&all_lock);
    handle_table_close(&task->handles);
    handle_table_free(&task->handles);
    aspace_close(&task->space);
    if (task->watcher != NULL) {
        notification_release(task->watcher);
    }
    account_release(task->account);
    object_free(object);
}

/* A task with a space that has nothing in it. */
static enum error make_bare(struct account *account, const char *name, uint8_t ceiling, struct task **out)
{
    struct object *object;
    if (account_has_ended(account)) {
        return ERR_DEAD;
    }
    enum error error = object_create(OBJECT_TASK, account, &object);
    if (error != ERR_NONE) {
        return error;
    }
    struct task *task = (struct task *)object;
    account_retain(account);
    task->account = account;
    spin_init(&task->lock, "task", LOCK_TASK);
    task->ceiling = ceiling;
    list_init(&task->threads);
    list_init(&task->all_node);
    text_format(task->name, sizeof(task->name), "%s", name);
    aspace_init(&task->space, account);
    error = handle_table_init(&task->handles, account);
    if (error == ERR_NONE) {
        error = aspace_open(&task->space);
    }
    if (error != ERR_NONE) {
        task_release(task);
        return error;
    }
    *out = task;
    return ERR_NONE;
}

enum error task_make(struct account *account, const char *name, uint8_t ceiling, struct task **out)
{
    enum error error = make_bare(account, name, ceiling, out);
    if (error == ERR_NONE) {
        error = clock_page_map(&(*out)->space);
        if (error != ERR_NONE) {
            task_release(*out);
        }
    }
    return error;
}

enum error task_clone(struct task *from, struct account *account, const char *name, uint8_t ceiling,
                      struct task **out)
{
    enum error error = make_bare(account, name, ceiling, out);
    if (error == ERR_NONE) {
        error = aspace_clone(&from->space, &(*out)->space, account);
        if (error != ERR_NONE) {
            task_release(*out);
        }
    }
    return error;
}

enum error task_start_prepare(struct task *task, uint64_t entry, uint64_t stack, uint64_t argument,
                              struct thread **out)
{
    enum error error = thread_create_user(task, entry, stack, argument, out);
    if (error != ERR_NONE) {
        return error;
    }
    if (task_ceiling(task) < PRIORITY_DEFAULT) {
        thread_set_priority(*out, task_ceiling(task));
    }
    spin_lock(&task->lock);
    if (task->ending) {
        spin_unlock(&task->lock);
        thread_discard(*out);
        return ERR_DEAD;
    }
    return ERR_NONE;
}

uint32_t task_start_commit(struct task *task, struct thread *thread)
{
    uint32_t number = thread->number;
    list_append(&task->threads, &thread->task_node);
    task->thread_count++;
    task->status.state = TASK_RUNNING;
    thread_start(thread);
    spin_unlock(&task->lock);
    return number;
}

/* Whoever finds the task without threads and ending gives its things back, once. The task is not locked. */
static void tear_down(struct task *task)
{
    handle_table_close(&task->handles);
    aspace_close(&task->space);
    objects_bury(); /* who is told of the end finds everything given back */
    spin_lock(&task->lock);
    task->status.state = TASK_ENDED;
    struct notification *watcher = task->watcher;
    uint64_t bits = task->watcher_bits;
    task->watcher = NULL;
    spin_unlock(&task->lock);
    if (watcher != NULL) {
        notification_signal(watcher, bits);
        notification_release(watcher);
    }
}

enum error task_end_prepare(struct task *task)
{
    spin_lock(&task->lock);
    if (task->ending) {
        spin_unlock(&task->lock);
        return ERR_DEAD;
    }
    return ERR_NONE;
}

/*
 * Tell all threads, a few at a time: one that has been told goes to the end of the list. There are no new
 * ones any more, and to tell one twice does no harm.
 */
static void kill_all(struct task *task, uint32_t status, bool may_pause)
{
    uint32_t left = UINT32_MAX;
    do {
        spin_lock(&task->lock);
        left = task->thread_count < left ? task->thread_count : left;
        for (unsigned i = 0; i < KILLS_AT_ONCE && left > 0; i++, left--) {
            struct list *node = task->threads.next;
            list_remove(node);
            list_append(&task->threads, node);
            thread_kill(LIST_ENTRY(node, struct thread, task_node), status);
        }
        spin_unlock(&task->lock);
        if (left > 0 && may_pause) {
            enum error error = thread_preemption_point();
            (void)error; /* also when the caller is one of those who are told */
        }
    } while (left > 0);
}

/* Note the reason and tell all threads. The task is locked, and unlocked on return. */
static void end_with(struct task *task, const struct task_status *status, bool may_pause)
{
    __atomic_store_n(&task->ending, true, __ATOMIC_RELAXED);
    uint32_t state = task->status.state;
    task->status = *status;
    task->status.state = state;
    bool empty = task->thread_count == 0;
    spin_unlock(&task->lock);
    if (empty) {
        tear_down(task);
    } else {
        kill_all(task, status->status, may_pause);
    }
}

void task_end_commit(struct task *task, uint32_t end, uint32_t status)
{
    struct task_status reason = {.end = end, .status = status};
    end_with(task, &reason, true);
}

void task_publish(struct task *task)
{
    spin_lock(&all_lock);
    task->number = next_number++;
    list_append(&all_tasks, &task->all_node);
    spin_unlock(&all_lock);
    /* Whoever ended the account after it was asked for may not have seen this one. */
    if (account_has_ended(task->account) && task_end_prepare(task) == ERR_NONE) {
        task_end_commit(task, END_KILLED, 0);
    }
}

/* A task of the account or one below whose end has not begun, with a reference; NULL when there is none. */
static struct task *next_below(const struct account *account)
{
    struct task *found = NULL;
    spin_lock(&all_lock);
    LIST_FOR_EACH(node, &all_tasks)
    {
        struct task *task = LIST_ENTRY(node, struct task, all_node);
        bool lives = !__atomic_load_n(&task->ending, __ATOMIC_RELAXED);
        if (lives && account_is_below(task->account, account) && object_try_retain(&task->object)) {
            found = task;
            break;
        }
    }
    spin_unlock(&all_lock);
    return found;
}

void task_end_all(struct account *account, uint32_t status)
{
    struct task *task;
    enum error killed = ERR_NONE;
    __atomic_store_n(&account->ended, 1, __ATOMIC_SEQ_CST);
    while (killed == ERR_NONE && (task = next_below(account)) != NULL) {
        if (task_end_prepare(task) == ERR_NONE) {
            task_end_commit(task, END_KILLED, status);
        }
        task_release(task);
        killed = thread_preemption_point(); /* the caller may be among them */
    }
}

void task_exit(uint32_t status)
{
    struct task *task = thread_current()->task;
    if (task_end_prepare(task) == ERR_NONE) {
        task_end_commit(task, END_EXIT, status);
    }
}

void task_fault(struct task *task, const struct task_fault *fault)
{
    struct task_status reason = {
        .end = END_FAULT,
        .vector = fault->vector,
        .code = fault->code,
        .address = fault->address,
        .instruction = fault->instruction,
        .stack = fault->stack,
    };
    if (task_end_prepare(task) == ERR_NONE) {
        end_with(task, &reason, fault->own_stack);
        log_info("task %u '%s': %s, code %lx, address %lx, at %lx, stack %lx%s%s", task->number, task->name,
                 fault->name, fault->code, fault->address, fault->instruction, fault->stack,
                 fault->reason != NULL ? ": " : "", fault->reason != NULL ? fault->reason : "");
    }
}

void task_thread_ended(struct task *task, struct thread *thread)
{
    spin_lock(&task->lock);
    list_remove(&thread->task_node);
    task->thread_count--;
    task->ended_time += thread_run_time(thread);
    bool last = task->thread_count == 0;
    if (last && !task->ending) {
        __atomic_store_n(&task->ending, true, __ATOMIC_RELAXED);
        task->status.end = END_EXIT;
    }
    spin_unlock(&task->lock);
    if (last) {
        tear_down(task);
    }
}

void task_get_status(struct task *task, struct task_status *out)
{
    spin_lock(&task->lock);
    *out = task->status;
    if (out->state != TASK_ENDED) {
        *out = (struct task_status){.state = out->state};
    }
    out->number = task->number;
    spin_unlock(&task->lock);
}

void task_set_watcher(struct task *task, struct notification *notification, uint64_t bits)
{
    notification_retain(notification);
    spin_lock(&task->lock);
    struct notification *old = task->watcher;
    bool ended = task->status.state == TASK_ENDED;
    task->watcher = ended ? NULL : notification;
    task->watcher_bits = bits;
    spin_unlock(&task->lock);
    if (old != NULL) {
        notification_release(old);
    }
    if (ended) {
        notification_signal(notification, bits);
        notification_release(notification);
    }
}

static void describe(struct task *task, struct system_task *out)
{
    *out = (struct system_task){.number = task->number};
    memcpy(out->name, task->name, sizeof(out->name));
    out->memory = __atomic_load_n(&task->space.mapped_bytes, __ATOMIC_RELAXED);
    spin_lock(&task->lock);
    out->state = task->status.state;
    out->threads = task->thread_count;
    out->cpu_time = task->ended_time;
    LIST_FOR_EACH(node, &task->threads)
    {
        struct thread *thread = LIST_ENTRY(node, struct thread, task_node);
        struct cpu *cpu = __atomic_load_n(&thread->cpu, __ATOMIC_RELAXED);
        if (node == task->threads.next) {
            out->cpu = cpu->number;
        }
        out->cpu_time += thread_run_time(thread);
    }
    spin_unlock(&task->lock);
}

bool task_describe(uint64_t position, struct system_task *out)
{
    bool found = false;
    spin_lock(&all_lock);
    LIST_FOR_EACH(node, &all_tasks)
    {
        if (position-- == 0) {
            describe(LIST_ENTRY(node, struct task, all_node), out);
            found = true;
            break;
        }
    }
    spin_unlock(&all_lock);
    return found;
}

uint64_t task_count_handles(void)
{
    uint64_t count = 0;
    spin_lock(&all_lock);
    LIST_FOR_EACH(node, &all_tasks)
    {
        count += handle_count(&LIST_ENTRY(node, struct task, all_node)->handles);
    }
    spin_unlock(&all_lock);
    return count;
}
