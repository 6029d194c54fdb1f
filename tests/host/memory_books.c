/* Accounts for tests of memory; see memory_books.h. */
#include "tests/host/memory_books.h"

#include "kernel/obj/account_tree.h"
#include "tests/host/host.h"
#include "tests/host/memory_host.h"

#define ACCOUNTS 8u

static struct account *lender, *accounts[ACCOUNTS];
static unsigned account_count;
static uint64_t frames_at_start;

uint64_t books_frames_free(void)
{
    struct frame_counts counts;
    frame_count(&counts);
    return counts.free;
}

void books_open(uint64_t frames, uint64_t bytes)
{
    const uint64_t all[RESOURCES] = {frames, bytes};
    assert_int_equal(account_make(&kernel_account, "machine", &lender), ERR_NONE);
    account_endow(lender, all);
    frames_at_start = books_frames_free();
}

struct account *books_account(const char *name, uint64_t frames, uint64_t bytes)
{
    struct account **account = &accounts[account_count++];
    assert_true(account_count <= ACCOUNTS);
    assert_int_equal(account_make(lender, name, account), ERR_NONE);
    books_limit(*account, frames, bytes);
    return *account;
}

void books_limit(struct account *account, uint64_t frames, uint64_t bytes)
{
    const uint64_t limits[RESOURCES] = {frames, bytes};
    assert_int_equal(account_lend_prepare(lender, account, limits), ERR_NONE);
    account_lend_commit(lender, account, limits);
}

uint64_t books_used(struct account *account, enum resource resource)
{
    struct account_info info;
    account_describe(account, &info);
    return info.resources[resource].used;
}

void books_close(void)
{
    const char *what;
    pfn_t where;
    for (; account_count > 0; account_count--) {
        struct account *account = accounts[account_count - 1];
        assert_int_equal(books_used(account, RESOURCE_FRAMES), 0);
        assert_int_equal(books_used(account, RESOURCE_BYTES), 0);
        account_release(account);
    }
    assert_int_equal(books_frames_free(), frames_at_start);
    assert_int_equal(memory_host_shares(), 0);
    assert_int_equal(object_count(OBJECT_MEMORY), 0);
    assert_true(frame_audit(&what, &where));
    account_release(lender);
    host_leave_kernel();
    assert_int_equal(host_heap_pieces, 0);
}
