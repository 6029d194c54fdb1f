/* Handles: copying, dropping rights, revoking, and the end of a handle. */
#include "abi/system.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/errors.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

static bool a_closed_handle_names_nothing_even_when_its_slot_is_used_again(void)
{
    uint32_t first;
    uint32_t second;
    uint64_t bytes;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &first));
    CHECK_OK(sys_handle_close(first));
    CHECK_ERROR(sys_handle_close(first), ERR_BAD_HANDLE);
    for (unsigned i = 0; i < 1000; i++) {
        CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &second));
        CHECK(second != first);
        CHECK_ERROR(sys_memory_size(first, &bytes), ERR_BAD_HANDLE);
        CHECK_OK(sys_handle_close(second));
    }
    return true;
}

static bool closing_what_names_nothing_is_refused(void)
{
    uint64_t value;
    CHECK_ERROR(sys_handle_close(0), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_handle_close(0xffffffff), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_raw(SYS_HANDLE_CLOSE, startup->self | 1ull << 32, 0, 0, 0, 0, 0, &value), ERR_BAD_HANDLE);
    return true;
}

static bool a_copy_names_the_same_object(void)
{
    uint32_t first;
    uint32_t second;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_WAIT, &second));
    CHECK(second != first);
    CHECK_OK(sys_notification_signal(first, 5));
    CHECK_OK(sys_handle_close(first));
    CHECK_OK(sys_notification_wait(second, ~0ull, 0, &bits));
    CHECK_EQUAL(bits, 5);
    CHECK_OK(sys_handle_close(second));
    return true;
}

static bool rights_can_be_dropped_and_never_gained(void)
{
    uint32_t strong;
    uint32_t weak;
    uint32_t weaker;
    CHECK_OK(sys_notification_create(0, &strong));
    CHECK_OK(sys_handle_duplicate(strong, RIGHT_WAIT | RIGHT_DUPLICATE, &weak));
    CHECK_ERROR(sys_handle_duplicate(weak, RIGHT_WAIT | RIGHT_SIGNAL, &weaker), ERR_NO_RIGHT);
    CHECK_OK(sys_handle_duplicate(weak, RIGHT_WAIT, &weaker));
    CHECK_ERROR(sys_notification_signal(weaker, 1), ERR_NO_RIGHT);
    CHECK_OK(sys_handle_close(strong));
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(weaker));
    return true;
}

static bool a_copy_needs_the_right_to_duplicate(void)
{
    uint32_t strong;
    uint32_t weak;
    uint32_t copy;
    CHECK_OK(sys_notification_create(0, &strong));
    CHECK_OK(sys_handle_duplicate(strong, RIGHT_ALL & ~RIGHT_DUPLICATE, &weak));
    CHECK_ERROR(sys_handle_duplicate(weak, RIGHT_WAIT, &copy), ERR_NO_RIGHT);
    CHECK_ERROR(sys_handle_duplicate(0, RIGHT_WAIT, &copy), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_handle_duplicate(strong, RIGHT_ALL + 1, &copy), ERR_NO_RIGHT);
    CHECK_ERROR(sys_handle_duplicate(strong, ~0ull, &copy), ERR_NO_RIGHT);
    CHECK_OK(sys_handle_close(strong));
    CHECK_OK(sys_handle_close(weak));
    return true;
}

static struct handle_info query(uint32_t handle)
{
    struct handle_info info = {0};
    return sys_handle_query(handle, &info, sizeof info) == ERR_NONE ? info : (struct handle_info){0};
}

static bool a_query_tells_type_rights_and_which_object(void)
{
    uint32_t first, second, copy;
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_notification_create(0, &second));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_WAIT | RIGHT_READ, &copy));
    CHECK_EQUAL(query(first).type, OBJECT_NOTIFICATION);
    CHECK_EQUAL(query(first).rights, RIGHT_ALL);
    CHECK_EQUAL(query(copy).rights, RIGHT_WAIT | RIGHT_READ);
    CHECK_EQUAL(query(startup->self).type, OBJECT_TASK);
    CHECK(query(first).object != 0 && query(first).object == query(copy).object);
    CHECK(query(first).object != query(second).object);
    CHECK_OK(sys_handle_close(first));
    CHECK_OK(sys_handle_close(second));
    CHECK_EQUAL(query(copy).type, OBJECT_NOTIFICATION);
    CHECK_OK(sys_handle_close(copy));
    return true;
}

static bool a_replaced_handle_names_nothing_and_the_new_one_has_fewer_rights(void)
{
    uint32_t first, second, third, copy;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_SIGNAL, &copy));
    CHECK_OK(sys_handle_replace(first, RIGHT_SIGNAL | RIGHT_WAIT, &second));
    CHECK(second != first);
    CHECK_ERROR(sys_notification_signal(first, 1), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_handle_replace(second, RIGHT_WAIT | RIGHT_READ, &third), ERR_NO_RIGHT);
    CHECK_ERROR(sys_handle_replace(second, RIGHT_ALL + 1, &third), ERR_NO_RIGHT);
    CHECK_OK(sys_notification_signal(copy, 4));
    CHECK_OK(sys_notification_wait(second, ~0ull, 0, &bits));
    CHECK_EQUAL(bits, 4);
    CHECK_OK(sys_handle_revoke(second)); /* the copy still derives from it */
    CHECK_ERROR(sys_notification_signal(copy, 4), ERR_BAD_HANDLE);
    CHECK_OK(sys_handle_close(second));
    return true;
}

static bool a_revoked_handle_is_cut_with_all_that_derives_from_it(void)
{
    uint32_t task, first, given, passed_on, sibling, back;
    CHECK_OK(sys_task_create(0, "holder", 6, &task));
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_ALL, &given));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_ALL, &sibling));
    CHECK_OK(sys_handle_copy(task, given, RIGHT_ALL, &passed_on));
    CHECK_OK(sys_handle_duplicate(given, RIGHT_SIGNAL, &back));
    CHECK_OK(sys_handle_revoke(given));
    CHECK_ERROR(sys_notification_signal(back, 1), ERR_BAD_HANDLE);
    CHECK_OK(sys_notification_signal(given, 1));
    CHECK_OK(sys_notification_signal(sibling, 1));
    CHECK_OK(sys_handle_revoke(first));
    CHECK_ERROR(sys_notification_signal(given, 1), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_notification_signal(sibling, 1), ERR_BAD_HANDLE);
    CHECK_OK(sys_notification_signal(first, 1));
    CHECK_OK(sys_handle_revoke(first));
    CHECK_OK(sys_handle_close(first));
    CHECK_OK(sys_handle_close(task));
    return true;
}

static bool a_handle_that_a_task_was_given_can_be_taken_from_it(void)
{
    struct child child;
    struct task_status status = {0};
    uint32_t first;
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(child_create(&child, "utest", "signal", ""));
    CHECK_OK(sys_handle_copy(child.process.task, first, RIGHT_SIGNAL, &child.shared->notification));
    CHECK_OK(sys_handle_revoke(first));
    child.shared->word = 1;
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.status, ERR_BAD_HANDLE);
    child_discard(&child);
    CHECK_OK(sys_handle_close(first));
    return true;
}

static bool closing_a_handle_leaves_its_copies_to_the_one_before(void)
{
    uint32_t first, middle, last;
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_ALL, &middle));
    CHECK_OK(sys_handle_duplicate(middle, RIGHT_ALL, &last));
    CHECK_OK(sys_handle_close(middle));
    CHECK_OK(sys_notification_signal(last, 1));
    CHECK_OK(sys_handle_revoke(first));
    CHECK_ERROR(sys_notification_signal(last, 1), ERR_BAD_HANDLE);
    CHECK_OK(sys_handle_close(first));
    return true;
}

static bool copies_of_copies_come_to_an_end(void)
{
    uint32_t first, last, more;
    CHECK_OK(sys_notification_create(0, &first));
    last = first;
    for (unsigned i = 0; i < HANDLE_COPIES_MOST; i++) {
        CHECK_OK(sys_handle_duplicate(last, RIGHT_ALL, &last));
    }
    CHECK_ERROR(sys_handle_duplicate(last, RIGHT_ALL, &more), ERR_LIMIT);
    CHECK_EQUAL(syscall_lack, 0);
    CHECK_OK(sys_handle_revoke(first));
    CHECK_ERROR(sys_handle_close(last), ERR_BAD_HANDLE);
    CHECK_OK(sys_handle_close(first));
    return true;
}

#define COPIERS 4
#define COPIES  400

struct copiers {
    uint32_t given;
    _Atomic uint32_t stop;
    _Atomic uint64_t copied;
};

/* Copies what it was given, and the copies, as long as it can; of its copies it keeps the last few. */
static void copy_on_and_on(void *argument)
{
    struct copiers *copiers = argument;
    uint32_t kept[64] = {0};
    uint32_t source = copiers->given, copy;
    for (unsigned i = 0; !atomic_load(&copiers->stop); i++) {
        if (sys_handle_duplicate(source, RIGHT_ALL, &copy) != ERR_NONE) {
            source = copiers->given;
            continue;
        }
        atomic_fetch_add(&copiers->copied, 1);
        source = i % 16 == 0 ? copiers->given : copy;
        if (kept[i % 64] != 0) {
            sys_handle_close(kept[i % 64]);
        }
        kept[i % 64] = copy;
    }
}

/* While other threads copy what is cut, and copies of it, as fast as they can. */
static bool a_revocation_is_complete_whatever_others_do_meanwhile(void)
{
    static struct copiers copiers;
    static struct thread threads[COPIERS];
    uint32_t first;
    uint64_t bits;
    for (unsigned round = 0; round < 10; round++) {
        struct system_books before, after;
        CHECK_OK(sys_notification_create(0, &first));
        CHECK_OK(system_record(TOPIC_BOOKS, 0, &before, sizeof before));
        copiers = (struct copiers){0};
        CHECK_OK(sys_handle_duplicate(first, RIGHT_ALL, &copiers.given));
        for (unsigned i = 0; i < COPIERS; i++) {
            CHECK_OK(thread_create(&threads[i], copy_on_and_on, &copiers));
        }
        for (uint64_t deadline = clock_after(60 * SECOND);
             copiers.copied < COPIES && clock_now() < deadline;) {
            sys_thread_yield();
        }
        CHECK(copiers.copied >= COPIES);
        CHECK_OK(sys_handle_revoke(first));
        CHECK_ERROR(sys_notification_wait(copiers.given, 1, 0, &bits), ERR_BAD_HANDLE);
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND))); /* they find nothing left to copy */
        copiers.stop = 1;
        for (unsigned i = 0; i < COPIERS; i++) {
            CHECK_OK(thread_join(&threads[i], clock_after(10 * SECOND)));
        }
        CHECK_OK(system_record(TOPIC_BOOKS, 0, &after, sizeof after));
        CHECK_EQUAL(after.handles, before.handles);
        CHECK_OK(sys_handle_close(first));
    }
    return true;
}

/* In a task of its own: a table that has grown stays so. */
static bool a_full_table_is_refused_and_works_again_after(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "fill", "", &status));
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    return true;
}

static const struct test tests[] = {
    TEST(a_closed_handle_names_nothing_even_when_its_slot_is_used_again),
    TEST(closing_what_names_nothing_is_refused),
    TEST(a_copy_names_the_same_object),
    TEST(rights_can_be_dropped_and_never_gained),
    TEST(a_copy_needs_the_right_to_duplicate),
    TEST(a_query_tells_type_rights_and_which_object),
    TEST(a_replaced_handle_names_nothing_and_the_new_one_has_fewer_rights),
    TEST(a_revoked_handle_is_cut_with_all_that_derives_from_it),
    TEST(a_handle_that_a_task_was_given_can_be_taken_from_it),
    TEST(closing_a_handle_leaves_its_copies_to_the_one_before),
    TEST(copies_of_copies_come_to_an_end),
    TEST(a_revocation_is_complete_whatever_others_do_meanwhile),
    TEST(a_full_table_is_refused_and_works_again_after),
};
const struct area area_handles = AREA("handles", tests);
