/*
 * Handles used, copied, replaced, closed and revoked by many CPUs at once, without a lock around it: whoever
 * finds an object finds it alive, for as long as its hazard slot names it, and at the end nothing is left.
 * Under the thread sanitizer (make -f build.mk handle-threads) each access to an object is also shown to be
 * ordered with its end.
 */
#include "tests/host/host.h"
#include "tests/host/kernel_host.h"
#include "tests/host/workers.h"

#include "kernel/mm/account.h"
#include "kernel/obj/derive.h"

#define CPUS   4
#define TABLES 2
#define SHOWN  64 /* handles that all CPUs know of */
#define STEPS  400000

static struct handle_table tables[TABLES];
static uint64_t shown[TABLES][SHOWN]; /* atomic */
static unsigned long made;            /* atomic */
static unsigned long found;           /* atomic */

struct worker {
    struct host_worker base;
};

static uint64_t *pick(struct worker *self, unsigned *table)
{
    *table = (unsigned)random_below(&self->base.dice, TABLES);
    return &shown[*table][random_below(&self->base.dice, SHOWN)];
}

/* Show a handle in place of another one, which is closed. */
static void show(uint64_t *place, unsigned table, uint64_t value)
{
    struct handle_found old;
    uint64_t before = __atomic_exchange_n(place, value, __ATOMIC_RELAXED);
    if (handle_prepare(&tables[table], before, &old) == ERR_NONE) {
        handle_close_commit(&old);
    }
}

static void make(struct worker *self)
{
    unsigned table;
    uint64_t value;
    uint64_t *place = pick(self, &table);
    struct object *object;
    assert_int_equal(object_create(OBJECT_NOTIFICATION, &kernel_account, &object), ERR_NONE);
    ((struct host_object *)object)->alive = HOST_OBJECT_ALIVE;
    __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
    assert_int_equal(handle_insert(&tables[table], object, RIGHT_ALL, &value), ERR_NONE);
    show(place, table, value);
}

static void use(struct worker *self)
{
    unsigned table;
    uint64_t value = __atomic_load_n(pick(self, &table), __ATOMIC_RELAXED);
    struct object **hazard = &arch_this_cpu()->hazards[0];
    struct object *object =
        handle_look(&tables[table], value, handle_want(OBJECT_NOTIFICATION, RIGHT_READ), hazard);
    if (object == NULL) {
        return;
    }
    assert_int_equal(((struct host_object *)object)->alive, HOST_OBJECT_ALIVE);
    bool held = random_below(&self->base.dice, 4) == 0 && object_try_retain(object);
    hazard_clear(hazard);
    if (held) {
        host_leave_kernel();
        assert_int_equal(((struct host_object *)object)->alive, HOST_OBJECT_ALIVE);
        object_release(object);
    }
    __atomic_fetch_add(&found, 1, __ATOMIC_RELAXED);
}

static void copy(struct worker *self)
{
    unsigned from, to;
    struct handle_copy plan;
    uint64_t value;
    uint64_t source = __atomic_load_n(pick(self, &from), __ATOMIC_RELAXED);
    uint64_t *place = pick(self, &to);
    if (handle_copy_prepare(&tables[from], source, RIGHT_DUPLICATE, RIGHT_ALL, &tables[to], &plan) ==
        ERR_NONE) {
        handle_copy_commit(&plan, &value);
        show(place, to, value);
    }
}

static void change(struct worker *self, void (*commit)(struct handle_found *found, uint64_t *place))
{
    unsigned table;
    struct handle_found handle;
    uint64_t *place = pick(self, &table);
    if (handle_prepare(&tables[table], __atomic_load_n(place, __ATOMIC_RELAXED), &handle) == ERR_NONE) {
        commit(&handle, place);
    }
}

static void replace(struct handle_found *handle, uint64_t *place)
{
    __atomic_store_n(place, handle_replace_commit(handle, RIGHT_ALL), __ATOMIC_RELAXED);
}

static void close_it(struct handle_found *handle, uint64_t *place)
{
    (void)place;
    handle_close_commit(handle);
}

static void revoke(struct handle_found *handle, uint64_t *place)
{
    (void)place;
    handle_revoke_commit(handle);
}

static void *work(void *argument)
{
    struct worker *self = argument;
    host_enter(self->base.number);
    for (unsigned step = 0; step < STEPS; step++) {
        switch (random_below(&self->base.dice, 12)) {
        case 0:
            make(self);
            break;
        case 1:
        case 2:
        case 3:
            copy(self);
            break;
        case 4:
            change(self, replace);
            break;
        case 5:
            change(self, close_it);
            break;
        case 6:
            change(self, revoke);
            break;
        default:
            use(self);
        }
        host_leave_kernel();
    }
    return NULL;
}

static void objects_are_alive_where_they_are_found_and_gone_at_the_end(void **state)
{
    static struct worker workers[CPUS];
    (void)state;
    host_start(CPUS);
    for (unsigned i = 0; i < TABLES; i++) {
        assert_int_equal(handle_table_init(&tables[i], &kernel_account), ERR_NONE);
    }
    WORKERS_RUN(workers, 0, work);
    for (unsigned i = 0; i < TABLES; i++) {
        handle_table_close(&tables[i]);
        handle_table_free(&tables[i]);
    }
    for (unsigned i = 0; i < CPUS; i++) { /* what was left to a CPU that is no more */
        host_enter(i);
        host_leave_kernel();
    }
    assert_true(found > STEPS && made > STEPS / 4);

    assert_int_equal(host_objects_destroyed, made);
    assert_int_equal(host_heap_pieces, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_alive_where_they_are_found_and_gone_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
