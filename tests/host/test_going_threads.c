/*
 * What is on its way out, counted while it goes from one CPU to another: one CPU drops the last references,
 * another destroys, as the reaper does, but always leaves one. A third one looks, and always finds one.
 */
#include <pthread.h>

#include "tests/host/host.h"
#include "tests/host/kernel_host.h"

#include "kernel/mm/account.h"

#define OBJECTS 60000
#define MOST    16 /* between the two */

enum { LOOKER, DROPPER, DESTROYER, CPUS };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *between; /* guarded by lock */
static unsigned count;         /* guarded by lock */
static unsigned long made;     /* guarded by lock */
static bool over;              /* atomic */
static unsigned long missed;   /* the looker's */

static void drop_one(void)
{
    struct object *object;
    assert_int_equal(object_create(OBJECT_NOTIFICATION, &kernel_account, &object), ERR_NONE);
    ((struct host_object *)object)->alive = HOST_OBJECT_ALIVE;
    object_release(object);
    pthread_mutex_lock(&lock);
    object = object_next_dying();
    object->next_dying = between;
    between = object;
    count++;
    made++;
    pthread_mutex_unlock(&lock);
}

static bool is_full(void)
{
    pthread_mutex_lock(&lock);
    bool full = count >= MOST;
    pthread_mutex_unlock(&lock);
    return full;
}

static void *drop(void *unused)
{
    host_enter(DROPPER);
    for (unsigned long i = 0; i < OBJECTS;) {
        if (!is_full()) {
            drop_one();
            i++;
        }
    }
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    return unused;
}

/* All of them but `left`. */
static void destroy_all_but(unsigned left)
{
    struct object *object = NULL;
    do {
        pthread_mutex_lock(&lock);
        object = count > left ? between : NULL;
        if (object != NULL) {
            between = object->next_dying;
            count--;
            object->next_dying = NULL;
        }
        pthread_mutex_unlock(&lock);
        thread_current()->dying = object;
        objects_bury();
    } while (object != NULL);
}

static void *destroy(void *unused)
{
    host_enter(DESTROYER);
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        destroy_all_but(1);
    }
    return unused;
}

static void what_goes_from_one_cpu_to_another_is_always_counted(void **state)
{
    pthread_t dropper, destroyer;
    (void)state;
    host_start(CPUS);
    assert_int_equal(objects_going(), 0);
    host_enter(DROPPER);
    drop_one();
    host_enter(LOOKER);
    assert_int_equal(objects_going(), 1);
    assert_int_equal(pthread_create(&dropper, NULL, drop, NULL), 0);
    assert_int_equal(pthread_create(&destroyer, NULL, destroy, NULL), 0);
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        missed += objects_going() == 0;
    }
    assert_int_equal(pthread_join(dropper, NULL), 0);
    assert_int_equal(pthread_join(destroyer, NULL), 0);
    assert_int_equal(missed, 0);

    destroy_all_but(0);
    assert_int_equal(objects_going(), 0);
    assert_int_equal(host_objects_destroyed, made);
    assert_int_equal(made, OBJECTS + 1);
    assert_int_equal(host_heap_pieces, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_from_one_cpu_to_another_is_always_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
