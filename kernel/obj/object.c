/*
 * Kernel objects; see object.h.
 */
#include "kernel/obj/object.h"

#include "kernel/arch/arch.h"
#include "kernel/mm/charged.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

enum error object_create(enum object_type type, struct account *account, struct object **out)
{
    void *memory;
    enum error error = charged_slab_alloc_zeroed(account, object_kinds[type].cache, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    struct object *object = memory;
    arch_this_cpu()->objects[type]++;
    object->references = 1;
    object->type = type;
    object->account = account;
    spin_init(&object->tree, "handle tree", LOCK_HANDLE_TREE);
    *out = object;
    return ERR_NONE;
}

void object_free(struct object *object)
{
    arch_this_cpu()->objects[object->type]--;
    charged_slab_free(object->account, object_kinds[object->type].cache, object);
}

void object_dies(struct object *object)
{
    struct cpu *cpu = arch_this_cpu();
    object->next_dying = cpu->current->dying;
    cpu->current->dying = object;
    object_note_leaving(cpu);
    __atomic_fetch_or(&cpu->pending, PENDING_DYING, __ATOMIC_RELAXED);
}

/* A CPU that uses the object without a reference, or NULL. */
static struct cpu *user_of(const struct object *object)
{
    unsigned count = arch_cpu_count(); /* one that comes up meanwhile cannot have found it */
    for (unsigned i = 0; i < count; i++) {
        for (unsigned slot = 0; slot < CPU_HAZARDS; slot++) {
            if (__atomic_load_n(&cpus[i]->hazards[slot], __ATOMIC_SEQ_CST) == object) {
                return cpus[i];
            }
        }
    }
    return NULL;
}

static void hand_over(struct object *object, struct cpu *cpu)
{
    struct object *first = __atomic_load_n(&cpu->dying, __ATOMIC_RELAXED);
    do {
        object->next_dying = first;
    } while (
        !__atomic_compare_exchange_n(&cpu->dying, &first, object, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    __atomic_fetch_or(&cpu->pending, PENDING_DYING, __ATOMIC_SEQ_CST);
    arch_cpu_kick(cpu);
}

struct object *object_next_dying(void)
{
    struct thread *self = thread_current();
    if (self->dying == NULL) {
        self->dying = __atomic_exchange_n(&arch_this_cpu()->dying, NULL, __ATOMIC_ACQUIRE);
    }
    struct object *object = self->dying;
    if (object != NULL) {
        self->dying = object->next_dying;
    }
    return object;
}

void objects_bury(void)
{
    struct object *object;
    step_begin();
    while ((object = object_next_dying()) != NULL) {
        struct cpu *user = user_of(object);
        if (user != NULL) {
            ASSERT(user != arch_this_cpu());
            hand_over(object, user);
            continue;
        }
        object_kinds[object->type].destroy(object);
        object_note_gone(arch_this_cpu());
    }
    step_over();
}

uint64_t objects_going(void)
{
    uint64_t gone = 0, leaving = 0;
    unsigned count = arch_cpu_count();
    /* These first: whatever is counted here is counted in the others too, wherever it began to leave. */
    for (unsigned i = 0; i < count; i++) {
        gone += __atomic_load_n(&cpus[i]->gone, __ATOMIC_ACQUIRE);
    }
    count = arch_cpu_count(); /* one that came up meanwhile may have begun what is counted */
    for (unsigned i = 0; i < count; i++) {
        leaving += __atomic_load_n(&cpus[i]->leaving, __ATOMIC_ACQUIRE);
    }
    return leaving - gone;
}

uint64_t object_count(enum object_type type)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        sum += __atomic_load_n(&cpus[i]->objects[type], __ATOMIC_RELAXED);
    }
    return sum > 0 ? (uint64_t)sum : 0;
}

uint64_t object_identity(struct object *object)
{
    static uint64_t last; /* atomic */
    uint64_t known = __atomic_load_n(&object->identity, __ATOMIC_RELAXED);
    if (known == 0) {
        uint64_t mine = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
        if (__atomic_compare_exchange_n(&object->identity, &known, mine, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
            return mine;
        }
    }
    return known;
}
