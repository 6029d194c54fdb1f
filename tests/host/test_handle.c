/*
 * Handle tables, rights and derivation against a model that is nothing but lists: a random sequence of
 * everything that can be done with handles, in which each answer and at the end of each step each handle is
 * compared.
 */
#include "tests/host/host.h"
#include "tests/host/kernel_host.h"
#include "tests/host/random.h"

#include "kernel/mm/account.h"
#include "kernel/obj/derive.h"

#define TABLES  3
#define MODEL   4000
#define STEPS   60000
#define NOWHERE UINT32_MAX

struct model_handle {
    bool live;
    unsigned table;
    uint64_t value;
    uint32_t rights;
    struct host_object *object;
    uint32_t number; /* of the object */
    uint32_t parent; /* index, or NOWHERE */
};

static struct model_handle model[MODEL];
static uint32_t used;
static struct handle_table tables[TABLES];
static uint32_t objects_made;
static struct random dice;

static struct object **hazard(void)
{
    return &arch_this_cpu()->hazards[0];
}

static uint32_t random_rights(void)
{
    return (uint32_t)random_below(&dice, RIGHT_ALL + 1) | (uint32_t)random_below(&dice, RIGHT_ALL + 1);
}

static uint32_t record(unsigned table, uint64_t value, uint32_t rights, struct host_object *object,
                       uint32_t number, uint32_t parent)
{
    assert_true(used < MODEL);
    model[used] = (struct model_handle){true, table, value, rights, object, number, parent};
    return used++;
}

/* A handle of the model, live or not; NOWHERE when there is none yet. */
static uint32_t any_handle(void)
{
    return used == 0 ? NOWHERE : (uint32_t)random_below(&dice, used);
}

static bool derives_from(uint32_t handle, uint32_t ancestor)
{
    while (handle != NOWHERE && handle != ancestor) {
        handle = model[handle].parent;
    }
    return handle == ancestor;
}

static void make_object(void)
{
    struct object *object;
    uint64_t value;
    unsigned table = (unsigned)random_below(&dice, TABLES);
    enum object_type type = random_below(&dice, 2) == 0 ? OBJECT_MEMORY : OBJECT_NOTIFICATION;
    assert_int_equal(object_create(type, &kernel_account, &object), ERR_NONE);
    struct host_object *mine = (struct host_object *)object;
    mine->alive = HOST_OBJECT_ALIVE;
    mine->number = objects_made++;
    uint32_t rights = random_rights();
    assert_int_equal(handle_insert(&tables[table], object, rights, &value), ERR_NONE);
    record(table, value, rights, mine, mine->number, NOWHERE);
}

static unsigned chain_length(uint32_t handle)
{
    unsigned length = 0;
    for (; handle != NOWHERE; handle = model[handle].parent) {
        length++;
    }
    return length;
}

static void copy(void)
{
    uint32_t source = any_handle();
    if (source == NOWHERE) {
        return;
    }
    struct model_handle *from = &model[source];
    unsigned to = (unsigned)random_below(&dice, TABLES);
    uint32_t need = to == from->table ? RIGHT_DUPLICATE : RIGHT_TRANSFER;
    uint64_t rights = random_below(&dice, 4) == 0 ? random_next(&dice) : random_rights() & from->rights;
    struct handle_copy plan;
    uint64_t value = 0;
    enum error error =
        handle_copy_prepare(&tables[from->table], from->value, need, rights, &tables[to], &plan);
    enum error expected = !from->live ? ERR_BAD_HANDLE
                          : (from->rights & need) == 0 || (rights & ~(uint64_t)from->rights) != 0
                              ? ERR_NO_RIGHT
                          : chain_length(source) > HANDLE_COPIES_MOST ? ERR_LIMIT
                                                                      : ERR_NONE;
    assert_int_equal(error, expected);
    if (error == ERR_NONE) {
        handle_copy_commit(&plan, &value);
        record(to, value, (uint32_t)rights, from->object, from->number, source);
    }
}

static void forget(uint32_t handle)
{
    for (uint32_t i = 0; i < used; i++) {
        if (model[i].parent == handle) {
            model[i].parent = model[handle].parent;
        }
    }
    model[handle].live = false;
    model[handle].parent = NOWHERE;
}

static void close_one(void)
{
    uint32_t handle = any_handle();
    struct handle_found found;
    if (handle == NOWHERE) {
        return;
    }
    enum error error = handle_prepare(&tables[model[handle].table], model[handle].value, &found);
    assert_int_equal(error, model[handle].live ? ERR_NONE : ERR_BAD_HANDLE);
    if (error == ERR_NONE) {
        handle_close_commit(&found);
        forget(handle);
    }
}

static void replace(void)
{
    uint32_t handle = any_handle();
    struct handle_found found;
    if (handle == NOWHERE ||
        handle_prepare(&tables[model[handle].table], model[handle].value, &found) != ERR_NONE) {
        return;
    }
    assert_true(model[handle].live);
    uint32_t rights = random_rights() & model[handle].rights;
    uint64_t value = handle_replace_commit(&found, rights);
    assert_int_not_equal(value, model[handle].value);
    assert_int_equal(value & 0xffff, model[handle].value & 0xffff);
    model[handle].value = value;
    model[handle].rights = rights;
}

static void revoke(void)
{
    uint32_t handle = any_handle();
    struct handle_found found;
    if (handle == NOWHERE) {
        return;
    }
    enum error error = handle_prepare(&tables[model[handle].table], model[handle].value, &found);
    assert_int_equal(error, model[handle].live ? ERR_NONE : ERR_BAD_HANDLE);
    if (error != ERR_NONE) {
        return;
    }
    handle_revoke_commit(&found);
    for (uint32_t i = 0; i < used; i++) {
        if (i != handle && model[i].live && derives_from(i, handle)) {
            model[i].live = false;
        }
    }
    for (uint32_t i = 0; i < used; i++) {
        if (!model[i].live) {
            model[i].parent = NOWHERE;
        }
    }
}

/* What a look-up says of the handle, for some type and rights. */
static void look(uint32_t handle)
{
    const struct model_handle *m = &model[handle];
    struct handle_table *table = &tables[m->table];
    enum object_type type = random_below(&dice, 2) == 0 ? OBJECT_MEMORY : OBJECT_NOTIFICATION;
    uint64_t want = handle_want(type, random_rights());
    struct object *object = handle_look(table, m->value, want, hazard());
    enum error expected = !m->live                                          ? ERR_BAD_HANDLE
                          : m->object->object.type != type                  ? ERR_WRONG_TYPE
                          : (want & TAG_RIGHTS & ~(uint64_t)m->rights) != 0 ? ERR_NO_RIGHT
                                                                            : ERR_NONE;
    if (expected == ERR_NONE) {
        assert_ptr_equal(object, m->object);
        assert_ptr_equal(*hazard(), object);
        assert_int_equal(m->object->alive, HOST_OBJECT_ALIVE);
        hazard_clear(hazard());
    } else {
        assert_null(object);
        assert_null(*hazard());
        assert_int_equal(handle_refusal(table, m->value, want), expected);
    }
    /* The value of a live handle with a bit changed names nothing, or something else. */
    uint64_t other = m->value ^ (uint64_t)1 << random_below(&dice, 64);
    object = handle_look(table, other, handle_want(type, 0), hazard());
    assert_true(!m->live || object == NULL || (other & 0xffff) != (m->value & 0xffff));
    hazard_clear(hazard());
}

static uint32_t model_objects(void)
{
    static bool seen[STEPS];
    uint32_t count = 0;
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < used; i++) {
        if (model[i].live && !seen[model[i].number]) {
            seen[model[i].number] = true;
            count++;
        }
    }
    return count;
}

/* Objects go with their last handle, not before and not after. */
static void check_objects(void)
{
    host_leave_kernel();
    assert_int_equal(objects_made - host_objects_destroyed, model_objects());
}

/* The model forgets handles that are no more, when it is full of them. Parents keep their meaning. */
static void tidy(void)
{
    static uint32_t moved[MODEL];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < used; i++) {
        if (model[i].live) {
            moved[i] = kept;
            model[kept++] = model[i];
        }
    }
    for (uint32_t i = 0; i < kept; i++) {
        model[i].parent = model[i].parent == NOWHERE ? NOWHERE : moved[model[i].parent];
    }
    used = kept;
}

static void begin(uint64_t seed)
{
    memset(tables, 0, sizeof tables);
    dice = (struct random){seed};
    used = objects_made = 0;
    host_objects_destroyed = 0;
    host_start(2);
    for (unsigned i = 0; i < TABLES; i++) {
        assert_int_equal(handle_table_init(&tables[i], &kernel_account), ERR_NONE);
    }
}

static void end(void)
{
    for (unsigned i = 0; i < TABLES; i++) {
        handle_table_close(&tables[i]);
        for (uint32_t k = 0; k < used; k++) {
            if (model[k].live && model[k].table == i) {
                forget(k);
            }
        }
        check_objects();
    }
    for (unsigned i = 0; i < TABLES; i++) {
        handle_table_free(&tables[i]);
    }
    assert_int_equal(host_heap_pieces, 0);
}

static void random_work_agrees_with_the_model(void **state)
{
    static void (*const actions[])(void) = {make_object, copy,      copy,    copy,  copy,
                                            close_one,   close_one, replace, revoke};
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        begin(seed);
        for (unsigned step = 0; step < STEPS; step++) {
            uint64_t action = random_below(&dice, 1000);
            bool rare = action >= 990; /* revocations cut much: not too many of them */
            actions[rare ? 8 : action % 8]();
            if (used > 0) {
                look(any_handle());
            }
            if (used > MODEL - 8) {
                tidy();
                for (unsigned i = 0; i < 100 && used > MODEL / 2; i++) {
                    revoke();
                    tidy();
                }
                while (used > MODEL - 16) {
                    close_one();
                    tidy();
                }
            }
            if (step % 64 == 0) {
                check_objects();
            }
        }
        end();
    }
}

/* Copy the handle n times, each from the one before or all from the first. */
static uint64_t fan_out(unsigned count, bool chain)
{
    struct object *object;
    uint64_t first, value;
    assert_int_equal(object_create(OBJECT_MEMORY, &kernel_account, &object), ERR_NONE);
    struct host_object *mine = (struct host_object *)object;
    mine->alive = HOST_OBJECT_ALIVE;
    objects_made++;
    assert_int_equal(handle_insert(&tables[0], object, RIGHT_ALL, &first), ERR_NONE);
    value = first;
    for (unsigned i = 0; i < count; i++) {
        struct handle_copy plan;
        assert_int_equal(handle_copy_prepare(&tables[0], chain ? value : first, RIGHT_DUPLICATE, RIGHT_ALL,
                                             &tables[0], &plan),
                         ERR_NONE);
        handle_copy_commit(&plan, &value);
    }
    return chain ? value : first;
}

static void a_chain_of_copies_has_an_end_and_closing_links_makes_room(void **state)
{
    struct handle_copy plan;
    struct handle_found found;
    uint64_t value;
    (void)state;
    begin(1);
    uint64_t last = fan_out(HANDLE_COPIES_MOST, true);
    assert_int_equal(handle_copy_prepare(&tables[0], last, RIGHT_DUPLICATE, RIGHT_ALL, &tables[0], &plan),
                     ERR_LIMIT);
    handle_close_index(&tables[0], 5);
    assert_int_equal(handle_copy_prepare(&tables[0], last, RIGHT_DUPLICATE, RIGHT_ALL, &tables[0], &plan),
                     ERR_NONE);
    handle_copy_commit(&plan, &value);
    handle_close_index(&tables[0], 1);
    assert_int_equal(handle_prepare(&tables[0], value, &found), ERR_NONE);
    handle_close_commit(&found);
    end();
}

static void many_copies_are_cut_and_given_away_in_steps(void **state)
{
    struct handle_found found;
    (void)state;
    begin(1);
    uint64_t first = fan_out(1000, false);
    unsigned long before = host_preemption_points;
    assert_int_equal(handle_prepare(&tables[0], first, &found), ERR_NONE);
    handle_revoke_commit(&found);
    assert_int_equal(host_preemption_points - before, 1000 / 64);
    assert_int_equal(tables[0].in_use, 1);
    uint64_t second = fan_out(1000, false);
    before = host_preemption_points;
    assert_int_equal(handle_prepare(&tables[0], second, &found), ERR_NONE);
    handle_close_commit(&found);
    assert_int_equal(host_preemption_points - before, 1000 / 64);
    assert_int_equal(tables[0].in_use, 1001);
    end();
}

static void a_table_takes_65535_handles_and_no_more(void **state)
{
    static uint64_t values[HANDLES_MOST + 1];
    struct handle_slot *slot;
    struct object *object;
    (void)state;
    begin(1);
    assert_int_equal(object_create(OBJECT_MEMORY, &kernel_account, &object), ERR_NONE);
    ((struct host_object *)object)->alive = HOST_OBJECT_ALIVE;
    objects_made++;
    for (unsigned i = 0; i < HANDLES_MOST; i++) {
        object_retain(object);
        assert_int_equal(handle_insert(&tables[0], object, RIGHT_ALL, &values[i]), ERR_NONE);
        assert_true(values[i] >> 16 != 0 && values[i] <= UINT32_MAX);
    }
    object_release(object);
    assert_int_equal(handle_reserve(&tables[0], &slot), ERR_LIMIT);
    for (unsigned i = 0; i < HANDLES_MOST; i++) {
        assert_ptr_equal(handle_look(&tables[0], values[i], handle_want(OBJECT_MEMORY, RIGHT_ALL), hazard()),
                         object);
        hazard_clear(hazard());
    }
    /* Those that were closed first come back first, with another value. */
    handle_close_index(&tables[0], 300);
    handle_close_index(&tables[0], 200);
    assert_int_equal(handle_reserve(&tables[0], &slot), ERR_NONE);
    assert_int_equal(slot->index, 300);
    assert_int_equal(tag_generation(slot->tag), 2);
    handle_slot_free(slot);
    end();
}

static void a_table_that_cannot_grow_says_so_and_works_on(void **state)
{
    struct handle_slot *slots[80];
    (void)state;
    begin(1);
    for (unsigned i = 0; i < 63; i++) {
        assert_int_equal(handle_reserve(&tables[0], &slots[i]), ERR_NONE);
    }
    host_heap_failures = 1;
    assert_int_equal(handle_reserve(&tables[0], &slots[63]), ERR_NO_MEMORY);
    assert_int_equal(tables[0].in_use, 63);
    assert_int_equal(handle_reserve(&tables[0], &slots[63]), ERR_NONE);
    for (unsigned i = 0; i < 64; i++) {
        handle_slot_free(slots[i]);
    }
    end();
}

static void generations_come_round_without_zero_and_the_tag_stays_new(void **state)
{
    uint64_t tag = TAG_ONE_USE, first = tag;
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t next = tag_next_use(tag | handle_want(OBJECT_TASK, RIGHT_ALL));
        assert_true(tag_generation(next) != 0 && (next & (TAG_TYPE | TAG_RIGHTS)) == 0);
        assert_true(next > tag);
        tag = next;
    }
    assert_true(tag != first);
}

static void a_closed_table_takes_nothing_and_what_was_on_its_way_is_closed(void **state)
{
    struct handle_slot *slot, *more;
    struct object *object;
    uint64_t value;
    (void)state;
    begin(1);
    assert_int_equal(object_create(OBJECT_MEMORY, &kernel_account, &object), ERR_NONE);
    ((struct host_object *)object)->alive = HOST_OBJECT_ALIVE;
    objects_made++;
    assert_int_equal(handle_reserve(&tables[0], &slot), ERR_NONE);
    handle_table_close(&tables[0]);
    assert_int_equal(handle_reserve(&tables[0], &more), ERR_DEAD);
    handle_fill(slot, object, RIGHT_ALL, &value);
    host_leave_kernel();
    assert_int_equal(host_objects_destroyed, 1);
    assert_int_equal(tables[0].in_use, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_agrees_with_the_model),
        cmocka_unit_test(a_chain_of_copies_has_an_end_and_closing_links_makes_room),
        cmocka_unit_test(many_copies_are_cut_and_given_away_in_steps),
        cmocka_unit_test(a_table_takes_65535_handles_and_no_more),
        cmocka_unit_test(a_table_that_cannot_grow_says_so_and_works_on),
        cmocka_unit_test(generations_come_round_without_zero_and_the_tag_stays_new),
        cmocka_unit_test(a_closed_table_takes_nothing_and_what_was_on_its_way_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
