/*
 * A space that has what another one has; see aspace.h. Each object is copied once, however many mappings show
 * it, so that what is shared within the space is shared within the copy.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/thread.h"

/* What has been copied: by address of the original, which stays as long as this is here. */
struct copy {
    struct avl_node node;
    struct memory *memory, *copy; /* a reference to each */
};

struct cloning {
    struct aspace *from, *to;
    struct account *account;
    struct avl copies;
    uint64_t at;
};

/* The mapping as it is from this address on: what is below was copied in an earlier step, as something else.
 */
static void copy_from(struct mapping *out, const struct mapping *m, uint64_t at)
{
    uint64_t low = mapping_start(m) < at ? at - mapping_start(m) : 0;
    *out = *m;
    out->node.key += low;
    out->bytes -= low;
    out->offset += low;
}

/* Look for it at some mappings; `*more` when there are others. */
static bool look_on(struct cloning *c, struct mapping *out, bool *more, enum error *error)
{
    bool found = false;
    rw_lock_read(&c->from->lock);
    *error = c->from->closed ? ERR_DEAD : ERR_NONE;
    const struct mapping *m = mapping_from(c->from, c->at);
    for (unsigned i = 0; *error == ERR_NONE && m != NULL && !found && i < ASPACE_STEP_MAPPINGS; i++) {
        uint64_t at = c->at;
        c->at = mapping_end(m);
        found = !mapping_is_busy(m) && (m->mode & MAP_MODE_PRIVATE) == 0;
        if (found) {
            copy_from(out, m, at);
        } else {
            m = mapping_of(avl_next(&((struct mapping *)(uintptr_t)m)->node));
        }
    }
    *more = m != NULL;
    if (found && out->memory != NULL) {
        memory_retain(out->memory);
    }
    c->to->cursor = c->from->cursor; /* neighbours of what is there share tables with it */
    rw_unlock_read(&c->from->lock);
    return found;
}

/* The next mapping that the copy gets, with a reference to its object; false at the end. */
static bool next_mapping(struct cloning *c, struct mapping *out, enum error *error)
{
    bool more;
    while (!look_on(c, out, &more, error)) {
        *error = *error == ERR_NONE && more ? thread_preemption_point() : *error;
        if (*error != ERR_NONE || !more) {
            return false;
        }
    }
    return true;
}

static struct copy *find_copy(const struct cloning *c, const struct memory *memory)
{
    struct avl_node *node = avl_at_or_below(&c->copies, (uintptr_t)memory);
    return node != NULL && node->key == (uintptr_t)memory ? (struct copy *)(void *)node : NULL;
}

/* Make a copy, and note it. The reference to the original goes with that. */
static enum error make_copy(struct cloning *c, struct memory *memory, struct memory **out)
{
    void *record;
    enum error error = charged_alloc_zeroed(c->account, sizeof(struct copy), &record);
    if (error != ERR_NONE) {
        return error;
    }
    struct copy *copy = record;
    error = memory_clone(memory, c->account, &copy->copy);
    if (error != ERR_NONE) {
        charged_free(c->account, copy, sizeof(*copy));
        return error;
    }
    memory_retain(memory);
    copy->memory = memory;
    copy->node.key = (uintptr_t)memory;
    avl_insert(&c->copies, &copy->node);
    *out = copy->copy;
    return ERR_NONE;
}

/* What the copy of a mapping shows: `*out` is the object, with no reference of its own. */
static enum error object_for(struct cloning *c, const struct mapping *m, struct memory **out)
{
    *out = m->memory;
    if (m->memory == NULL || (m->mode & MAP_MODE_SHARED) != 0 || m->memory->kind == MEMORY_PHYSICAL) {
        return ERR_NONE;
    }
    const struct copy *copy = find_copy(c, m->memory);
    if (copy == NULL) {
        return make_copy(c, m->memory, out);
    }
    *out = copy->copy;
    return ERR_NONE;
}

static enum error clone_mapping(struct cloning *c, const struct mapping *m)
{
    struct memory *memory;
    struct mapping *record;
    enum error error = object_for(c, m, &memory);
    if (error == ERR_NONE) {
        error = mapping_make(c->to, &record);
    }
    if (error != ERR_NONE) {
        return error;
    }
    record->node.key = m->node.key;
    record->bytes = m->bytes;
    record->offset = m->offset;
    record->mode = m->mode;
    record->memory = memory;
    if (memory != NULL) {
        memory_retain(memory);
    }
    rw_lock_write(&c->to->lock);
    mapping_insert(record, mapping_of(avl_last(&c->to->mappings))); /* they come in order */
    rw_unlock_write(&c->to->lock);
    return ERR_NONE;
}

static void forget_copies(struct cloning *c)
{
    struct avl_node *node;
    while ((node = avl_first(&c->copies)) != NULL) {
        struct copy *copy = (struct copy *)(void *)node;
        avl_remove(&c->copies, node);
        memory_release(copy->copy);
        memory_release(copy->memory);
        charged_free(c->account, copy, sizeof(*copy));
    }
}

enum error aspace_clone(struct aspace *from, struct aspace *to, struct account *account)
{
    struct cloning c = {.from = from, .to = to, .account = account};
    struct mapping m;
    enum error error;
    for (unsigned i = 1; next_mapping(&c, &m, &error); i++) {
        error = clone_mapping(&c, &m);
        if (m.memory != NULL) {
            memory_release(m.memory);
        }
        if (error == ERR_NONE && i % ASPACE_STEP_MAPPINGS == 0) {
            error = thread_preemption_point();
        }
        if (error != ERR_NONE) {
            break;
        }
    }
    forget_copies(&c);
    return error;
}
