/* The kernel's books; see books.h. */
#include "user/bin/utest/books.h"

#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

#define SETTLE (10 * SECOND)

/* What is going is looked at first: what has gone by then is not in the account any more. */
bool books_take(struct books *books)
{
    *books = (struct books){0};
    CHECK_OK(system_record(TOPIC_BOOKS, 0, &books->things, sizeof books->things));
    CHECK_OK(sys_account_read(startup->account, &books->account, sizeof books->account));
    return true;
}

/* What differs, or NULL. */
static const char *difference(const struct books *a, const struct books *b, uint64_t *was, uint64_t *is)
{
#define COMPARE(member, name)                                                                                \
    if (a->member != b->member) {                                                                            \
        *was = a->member;                                                                                    \
        *is = b->member;                                                                                     \
        return name;                                                                                         \
    }
    COMPARE(account.resources[RESOURCE_FRAMES].used, "frames used")
    COMPARE(account.resources[RESOURCE_FRAMES].lent, "frames lent")
    COMPARE(account.resources[RESOURCE_BYTES].used, "bytes used")
    COMPARE(account.resources[RESOURCE_BYTES].lent, "bytes lent")
    COMPARE(things.objects[OBJECT_TASK], "tasks")
    COMPARE(things.objects[OBJECT_MEMORY], "memory objects")
    COMPARE(things.objects[OBJECT_NOTIFICATION], "notifications")
    COMPARE(things.objects[OBJECT_ACCOUNT], "accounts")
    COMPARE(things.objects[OBJECT_THREAD], "records of threads")
    COMPARE(things.handles, "handles")
    COMPARE(things.threads, "threads")
#undef COMPARE
    return NULL;
}

/* Nothing changes for a while, and nothing is on its way out, such as the record of a thread that was joined.
 */
bool books_at_rest(struct books *books)
{
    struct books earlier;
    uint64_t was, is;
    uint64_t deadline = clock_after(SETTLE);
    bool rest = false;
    while (!rest && clock_now() < deadline) {
        if (!books_take(&earlier)) {
            return false;
        }
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
        if (!books_take(books)) {
            return false;
        }
        rest = books->things.going == 0 && difference(&earlier, books, &was, &is) == NULL;
    }
    CHECK(rest);
    return true;
}

static bool told(const struct books *before, const struct books *now, const char *what)
{
    uint64_t was = 0, is = 0;
    const char *differs = difference(before, now, &was, &is);
    return differs == NULL ||
           test_fail(__FILE__, __LINE__, "%s: %s were %lu and are %lu", what, differs, was, is);
}

bool books_unchanged(const struct books *before, const char *what)
{
    struct books now;
    return books_take(&now) && told(before, &now, what);
}

bool books_settle(const struct books *before, const char *what)
{
    struct books now;
    uint64_t was, is;
    uint64_t deadline = clock_after(SETTLE);
    do {
        if (!books_take(&now)) {
            return false;
        }
        if (difference(before, &now, &was, &is) == NULL) {
            return true;
        }
    } while (clock_now() < deadline && sys_thread_sleep(clock_after(MILLISECOND)) == ERR_NONE);
    return told(before, &now, what);
}
