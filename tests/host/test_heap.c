/* The allocator of user space against a simple model, with pages from the host and page failures on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/libq/heap.h"
#include "user/libq/lock.h"
#include "user/libq/pages.h"

#define PIECES 512

static size_t pages_held;
static size_t pages_left = SIZE_MAX; /* how many takes succeed from now on */

enum error pages_take(uint64_t bytes, void **pages)
{
    if (pages_left == 0) {
        return ERR_NO_MEMORY;
    }
    pages_left--;
    pages_held++;
    *pages = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    assert_non_null(*pages);
    return ERR_NONE;
}

void pages_give(void *pages)
{
    pages_held--;
    free(pages);
}

void lock_yield(void)
{
    fail_msg("a lock is held with one thread");
}

struct held {
    unsigned char *piece;
    size_t bytes;
    unsigned char fill;
};

static void check_and_release(struct held *held)
{
    for (size_t i = 0; i < held->bytes; i++) {
        assert_int_equal(held->piece[i], held->fill);
    }
    heap_release(held->piece);
    held->piece = NULL;
}

static void pieces_are_aligned_apart_and_keep_their_content(void **state)
{
    (void)state;
    static struct held held[PIECES];
    srand(2);
    for (unsigned i = 0; i < 50000; i++) {
        struct held *at = &held[rand() % PIECES];
        if (at->piece != NULL) {
            check_and_release(at);
            continue;
        }
        at->bytes = 1 + (size_t)rand() % (rand() % 50 == 0 ? 100000 : 3000);
        at->fill = (unsigned char)rand();
        at->piece = heap_allocate(at->bytes);
        assert_non_null(at->piece);
        assert_int_equal((uintptr_t)at->piece % 16, 0);
        memset(at->piece, at->fill, at->bytes);
    }
    for (unsigned i = 0; i < PIECES; i++) {
        if (held[i].piece != NULL) {
            check_and_release(&held[i]);
        }
    }
}

static void a_large_piece_goes_back_at_once(void **state)
{
    (void)state;
    size_t before = pages_held;
    void *piece = heap_allocate(1000000);
    assert_int_equal(pages_held, before + 1);
    heap_release(piece);
    assert_int_equal(pages_held, before);
}

static void small_pieces_are_used_again(void **state)
{
    (void)state;
    heap_release(heap_allocate(100));
    size_t before = pages_held;
    for (unsigned i = 0; i < 100000; i++) {
        heap_release(heap_allocate(100));
    }
    assert_int_equal(pages_held, before);
}

static void without_pages_the_answer_is_null_and_the_heap_lives_on(void **state)
{
    (void)state;
    pages_left = 0;
    assert_null(heap_allocate(1000000));
    void *last = NULL;
    for (void *piece = heap_allocate(8000); piece != NULL; piece = heap_allocate(8000)) {
        last = piece;
    }
    pages_left = SIZE_MAX;
    heap_release(last);
    void *piece = heap_allocate(8000);
    assert_non_null(piece);
    heap_release(piece);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_null(heap_allocate(0));
    assert_null(heap_allocate(SIZE_MAX));
    assert_null(heap_allocate(SIZE_MAX - 8));
    heap_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_apart_and_keep_their_content),
        cmocka_unit_test(a_large_piece_goes_back_at_once),
        cmocka_unit_test(small_pieces_are_used_again),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(without_pages_the_answer_is_null_and_the_heap_lives_on),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
