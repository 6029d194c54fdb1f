/* Accounts: what is lent, charged, refused and given back, to the frame and to the byte. */
#include "abi/account.h"
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define PLACE  0x0000200000000000ull
#define SETTLE (5 * SECOND)

#define FRAMES (RESOURCE_FRAMES)
#define BYTES  (RESOURCE_BYTES)

static struct account_info read_account(uint32_t account)
{
    struct account_info info = {0};
    enum error error = sys_account_read(account, &info, sizeof info);
    return error == ERR_NONE ? info : (struct account_info){.flags = ~0u};
}

static uint64_t used(uint32_t account, enum resource resource)
{
    return read_account(account).resources[resource].used;
}

static enum error make(uint64_t frames, uint64_t bytes, uint32_t *account)
{
    return sys_account_create(startup->account, frames, bytes, "utest", 5, account);
}

/* Do the books of our own account say the same as before? The last of an ended task may go a little later. */
static bool settles_at(const struct account_info *before)
{
    struct account_info now = read_account(startup->account);
    for (uint64_t deadline = clock_after(SETTLE); clock_now() < deadline;) {
        now = read_account(startup->account);
        bool same = true;
        for (unsigned r = 0; r < RESOURCES; r++) {
            same = same && now.resources[r].used == before->resources[r].used &&
                   now.resources[r].lent == before->resources[r].lent;
        }
        if (same) {
            return true;
        }
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
    }
    for (unsigned r = 0; r < RESOURCES; r++) {
        CHECK_EQUAL(now.resources[r].lent, before->resources[r].lent);
        CHECK_EQUAL(now.resources[r].used, before->resources[r].used);
    }
    return true;
}

static bool what_is_lent_is_the_childs_and_comes_back(void)
{
    uint32_t account;
    struct account_info before = read_account(startup->account);
    CHECK_OK(make(100, 50000, &account));
    struct account_info child = read_account(account), parent = read_account(startup->account);
    CHECK_EQUAL(child.parent, parent.number);
    CHECK(child.number != parent.number && text_equal(child.name, "utest"));
    CHECK_EQUAL(child.resources[FRAMES].limit, 100);
    CHECK_EQUAL(child.resources[BYTES].limit, 50000);
    CHECK_EQUAL(child.resources[FRAMES].used, 0);
    CHECK_EQUAL(parent.resources[FRAMES].lent, before.resources[FRAMES].lent + 100);
    CHECK_EQUAL(parent.resources[BYTES].lent, before.resources[BYTES].lent + 50000);
    CHECK_OK(sys_handle_close(account));
    return settles_at(&before);
}

static bool the_limit_is_exact_and_the_error_says_what_is_missing(void)
{
    uint32_t account, memory, more, notification;
    char text[80];
    CHECK_OK(make(10, 100000, &account));
    struct account_info info = read_account(account);
    CHECK_OK(sys_memory_create(account, 10 * PAGE_SIZE, 0, &memory));
    CHECK_EQUAL(used(account, FRAMES), 10);
    CHECK_ERROR(sys_memory_create(account, 3 * PAGE_SIZE, 0, &more), ERR_LIMIT);
    CHECK_EQUAL(lack_account(syscall_lack), info.number);
    CHECK_EQUAL(lack_resource(syscall_lack), FRAMES);
    CHECK_EQUAL(lack_amount(syscall_lack), 3);
    text_format(text, sizeof text, "account %u lacks 3 frames", info.number);
    CHECK(text_equal(error_text(ERR_LIMIT), text));
    CHECK_EQUAL(used(account, FRAMES), 10);
    CHECK_OK(sys_notification_create(account, &notification));
    CHECK_OK(sys_handle_close(notification));
    CHECK_OK(sys_handle_close(memory));
    CHECK_EQUAL(used(account, FRAMES), 0);
    CHECK_EQUAL(used(account, BYTES), 0);
    CHECK_OK(sys_memory_create(account, 10 * PAGE_SIZE, 0, &memory));
    CHECK_EQUAL(read_account(account).resources[FRAMES].peak, 10);
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_handle_close(account));
    return true;
}

static bool limits_change_as_far_as_there_is_room(void)
{
    uint32_t account, below, memory;
    struct account_info before = read_account(startup->account);
    uint64_t rest = before.resources[FRAMES].limit - before.resources[FRAMES].lent;
    CHECK_OK(make(20, 20000, &account));
    CHECK_OK(sys_memory_create(account, 8 * PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_account_create(account, 5, 1000, "below", 5, &below));
    CHECK_ERROR(sys_account_limit(startup->account, account, 12, 20000), ERR_LIMIT);
    CHECK_EQUAL(lack_account(syscall_lack), read_account(account).number);
    CHECK_EQUAL(lack_amount(syscall_lack), 1);
    CHECK_ERROR(sys_account_limit(startup->account, account, 20, 500), ERR_LIMIT);
    CHECK_EQUAL(read_account(account).resources[FRAMES].limit, 20);
    CHECK_OK(sys_account_limit(startup->account, account, 13, 20000));
    CHECK_EQUAL(read_account(account).resources[FRAMES].limit, 13);
    CHECK_OK(sys_account_limit(startup->account, account, 40, 30000));
    CHECK_EQUAL(read_account(startup->account).resources[FRAMES].lent, before.resources[FRAMES].lent + 40);
    CHECK_ERROR(sys_account_limit(startup->account, account, rest + 41, 30000), ERR_LIMIT);
    CHECK_ERROR(sys_account_limit(startup->account, below, 1, 1000), ERR_NOT_FOUND);
    CHECK_ERROR(sys_account_limit(account, account, 1, 1000), ERR_NOT_FOUND);
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_handle_close(below));
    CHECK_OK(sys_handle_close(account));
    return settles_at(&before);
}

/* Nobody can name the account any more, but what it paid for is still there. */
static bool a_closed_account_stays_until_all_that_it_paid_for_is_gone(void)
{
    uint32_t account, below, memory;
    struct account_info before = read_account(startup->account);
    CHECK_OK(make(20, 20000, &account));
    CHECK_OK(sys_account_create(account, 4, 8000, "below", 5, &below));
    CHECK_OK(sys_memory_create(below, 4 * PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_handle_close(account));
    CHECK_OK(sys_handle_close(below));
    CHECK_EQUAL(read_account(startup->account).resources[FRAMES].lent, before.resources[FRAMES].lent + 20);
    CHECK_OK(sys_handle_close(memory));
    struct account_info after = read_account(startup->account);
    CHECK_EQUAL(after.resources[FRAMES].lent, before.resources[FRAMES].lent);
    CHECK_EQUAL(after.resources[BYTES].lent, before.resources[BYTES].lent);
    CHECK_EQUAL(after.resources[BYTES].used, before.resources[BYTES].used);
    return true;
}

static void do_nothing(void *argument)
{
    (void)argument;
}

/* Each kind of thing is paid for while it is there, and no longer. */
static bool everything_is_paid_for_and_given_back(void)
{
    uint32_t memory, task, notification;
    uint64_t where;
    struct thread thread;
    struct account_info before = read_account(startup->account);
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK(used(startup->account, BYTES) > before.resources[BYTES].used);
    CHECK_OK(sys_memory_create(0, 5 * PAGE_SIZE, 0, &memory));
    CHECK_EQUAL(used(startup->account, FRAMES), before.resources[FRAMES].used + 5);
    CHECK_OK(sys_memory_map(startup->self, memory, 0, PLACE, PAGE_SIZE, ACCESS_READ, &where));
    CHECK(used(startup->account, FRAMES) <= before.resources[FRAMES].used + 5 + 3); /* and tables */
    CHECK_OK(sys_memory_unmap(startup->self, PLACE, 0));
    CHECK_OK(sys_task_create(0, "paid", 4, &task));
    uint64_t empty = used(startup->account, FRAMES) - before.resources[FRAMES].used - 5;
    CHECK_EQUAL(empty, 1); /* the root of its tables */
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_handle_close(notification));
    CHECK_EQUAL(used(startup->account, BYTES), before.resources[BYTES].used);
    CHECK_OK(thread_create(&thread, do_nothing, NULL));
    CHECK(used(startup->account, BYTES) > before.resources[BYTES].used);
    CHECK_OK(thread_join(&thread, clock_after(10 * SECOND)));
    struct account_info now = read_account(startup->account);
    for (uint64_t deadline = clock_after(SETTLE); clock_now() < deadline;) {
        now = read_account(startup->account);
        if (now.resources[BYTES].used == before.resources[BYTES].used) {
            break;
        }
    }
    CHECK_EQUAL(now.resources[BYTES].used, before.resources[BYTES].used);
    return true;
}

static bool a_task_that_ends_gives_its_account_all_back(void)
{
    uint32_t account;
    struct child child;
    struct task_status status = {0};
    struct account_info before = read_account(startup->account);
    CHECK_OK(make(200, 200000, &account));
    CHECK_OK(child_create_in(&child, account, "utest", "exit", "4"));
    CHECK(used(account, FRAMES) > 30);
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.status, 4);
    child_discard(&child);
    for (uint64_t deadline = clock_after(SETTLE); used(account, BYTES) != 0 && clock_now() < deadline;) {
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
    }
    CHECK_EQUAL(used(account, FRAMES), 0);
    CHECK_EQUAL(used(account, BYTES), 0);
    CHECK_OK(sys_handle_close(account));
    return settles_at(&before);
}

static bool a_program_that_its_account_cannot_hold_does_not_start(void)
{
    struct account_info before = read_account(startup->account);
    unsigned refused = 0;
    bool started = false;
    for (uint64_t frames = 0; !started; frames += 7) {
        uint32_t account;
        struct child child;
        CHECK_OK(make(frames, 100000, &account));
        enum error error = child_create_in(&child, account, "utest", "exit", "0");
        started = error == ERR_NONE;
        if (started) {
            child_discard(&child);
        } else {
            CHECK_ERROR(error, ERR_LIMIT);
            refused++;
        }
        CHECK_OK(sys_handle_close(account));
        if (!settles_at(&before)) {
            return false;
        }
    }
    CHECK(refused > 2);
    return true;
}

/* A greedy task has taken all that its account holds, and asks for more all the time. */
static bool others_are_undisturbed_by(const char *kind)
{
    uint32_t account;
    struct child greedy;
    struct account_info before = read_account(startup->account);
    CHECK_OK(make(1000, 400000, &account));
    CHECK_OK(child_create_in(&greedy, account, "utest", "greedy", kind));
    CHECK_OK(child_run(&greedy));
    for (uint64_t deadline = clock_after(60 * SECOND);
         greedy.shared->answer < 100 && clock_now() < deadline;) {
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
    }
    CHECK(greedy.shared->answer >= 100);
    struct account_info info = read_account(account);
    CHECK(info.resources[FRAMES].used <= 1000 && info.resources[BYTES].used <= 400000);
    for (unsigned i = 0; i < 5; i++) {
        struct task_status status = {0};
        CHECK_OK(child_complete("utest", "exit", "6", &status));
        CHECK_EQUAL(status.status, 6);
    }
    child_discard(&greedy);
    CHECK_OK(sys_handle_close(account));
    return settles_at(&before);
}

static bool a_greedy_task_leaves_the_others_undisturbed(void)
{
    static const char *const kinds[] = {"handles", "objects", "memory",  "mappings",
                                        "tasks",   "threads", "accounts"};
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!others_are_undisturbed_by(kinds[i])) {
            return false;
        }
    }
    return true;
}

static bool promises_never_exceed_what_there_is(void)
{
    uint32_t account, more;
    struct account_info before = read_account(startup->account);
    const struct account_resource *frames = &before.resources[FRAMES];
    uint64_t rest = frames->limit - frames->lent - frames->used;
    CHECK_OK(make(rest - 8, 1000, &account));
    CHECK_ERROR(make(9, 1000, &more), ERR_LIMIT);
    CHECK_ERROR(sys_memory_create(0, 9 * PAGE_SIZE, 0, &more), ERR_LIMIT);
    CHECK_ERROR(make(~0ull, 1000, &more), ERR_LIMIT);
    CHECK_ERROR(make(1, ~0ull, &more), ERR_LIMIT);
    CHECK_OK(sys_handle_close(account));
    return settles_at(&before);
}

/* All that programs can have is lent out, and still the root server has what it needs for itself. */
static bool the_root_servers_reserve_is_lent_to_nobody(void)
{
    struct account_info account;
    bool seen = false;
    for (uint64_t i = 0; system_record(TOPIC_ACCOUNTS, i, &account, sizeof account) == ERR_NONE; i++) {
        if (text_equal(account.name, "root")) {
            seen = true;
            CHECK_EQUAL(account.resources[FRAMES].lent, 0);
            CHECK(account.resources[FRAMES].limit - account.resources[FRAMES].used > 200);
            CHECK(account.resources[BYTES].limit - account.resources[BYTES].used > 100000);
        }
    }
    CHECK(seen);
    return true;
}

static const struct test tests[] = {
    TEST(what_is_lent_is_the_childs_and_comes_back),
    TEST(the_limit_is_exact_and_the_error_says_what_is_missing),
    TEST(limits_change_as_far_as_there_is_room),
    TEST(a_closed_account_stays_until_all_that_it_paid_for_is_gone),
    TEST(everything_is_paid_for_and_given_back),
    TEST(a_task_that_ends_gives_its_account_all_back),
    TEST(a_program_that_its_account_cannot_hold_does_not_start),
    TEST(promises_never_exceed_what_there_is),
    TEST(the_root_servers_reserve_is_lent_to_nobody),
    TEST(a_greedy_task_leaves_the_others_undisturbed),
};
const struct area area_accounts = AREA("accounts", tests);
