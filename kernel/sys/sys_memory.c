/*
 * System calls on memory objects.
 */
#include "abi/memory.h"
#include "kernel/mm/charged.h"
#include "kernel/sched/thread.h"
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

/* A range of an object, in pages. */
struct page_range {
    uint64_t first, count;
};

/* ERR_BAD_ARGUMENT unless these are whole pages inside of the object. */
static enum error range_of(const struct memory *memory, uint64_t offset, uint64_t bytes,
                           struct page_range *out)
{
    uint64_t size = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED) << PAGE_SHIFT;
    if (!is_aligned(offset | bytes, PAGE_SIZE) || bytes == 0 || bytes > size || offset > size - bytes) {
        return ERR_BAD_ARGUMENT;
    }
    *out = (struct page_range){offset >> PAGE_SHIFT, bytes >> PAGE_SHIFT};
    return ERR_NONE;
}

/* --- objects ---------------------------------------------------------------------------------------------
 */

enum error prepare_memory_create(struct account *account, uint64_t bytes, uint64_t flags,
                                 struct memory_create_plan *plan)
{
    struct memory *memory;
    unsigned kind = (flags & MEMORY_CREATE_SPARSE) != 0 ? MEMORY_SPARSE : 0;
    enum error error = memory_make(account, pages_for_bytes(bytes), kind, &memory);
    return error != ERR_NONE ? error : creation_prepare(&memory->object, &plan->made);
}

void commit_memory_create(struct memory_create_plan *plan, uint64_t *result)
{
    creation_commit(&plan->made, result);
}

enum error prepare_memory_clone(struct memory *memory, struct account *account,
                                struct memory_clone_plan *plan)
{
    struct memory *copy;
    enum error error = memory_clone(memory, account, &copy);
    return error != ERR_NONE ? error : creation_prepare(&copy->object, &plan->made);
}

void commit_memory_clone(struct memory_clone_plan *plan, uint64_t *result)
{
    creation_commit(&plan->made, result);
}

void commit_memory_size(struct memory *memory, uint64_t *result)
{
    *result = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED) << PAGE_SHIFT;
}

enum error prepare_memory_resize(struct memory *memory, uint64_t bytes)
{
    return memory_resize(memory, pages_for_bytes(bytes));
}

/* Frames that are looked at between two preemption points. */
#define SURVEY_PAGES (GIB / PAGE_SIZE)

/* ERR_NO_RIGHT where there is RAM. */
static enum error check_no_ram(uint64_t first, uint64_t count)
{
    enum error error = ERR_NONE;
    for (uint64_t done = 0; error == ERR_NONE && done < count; done += SURVEY_PAGES) {
        uint64_t classes[FRAME_CLASSES];
        uint64_t pages = count - done < SURVEY_PAGES ? count - done : SURVEY_PAGES;
        frame_survey(pfn(first + done), (pages_t){pages}, classes);
        error = classes[FRAME_ABSENT] != pages ? ERR_NO_RIGHT : thread_preemption_point();
    }
    return error;
}

enum error prepare_memory_device(struct system *system, struct account *account, uint64_t physical,
                                 uint64_t bytes, uint64_t cache, struct memory_device_plan *plan)
{
    static const unsigned flags[] = {
        [MEMORY_CACHE_BACK] = 0,
        [MEMORY_CACHE_NONE] = MAP_UNCACHED,
        [MEMORY_CACHE_COMBINE] = MAP_COMBINE,
    };
    uint64_t end = arch_physical_end();
    (void)system;
    if (!is_aligned(physical | bytes, PAGE_SIZE) || physical >= end || bytes > end - physical) {
        return ERR_BAD_ARGUMENT;
    }
    struct memory *memory;
    enum error error = check_no_ram(physical >> PAGE_SHIFT, bytes >> PAGE_SHIFT);
    if (error == ERR_NONE) {
        error = memory_make_physical(account, paddr_to_pfn(paddr(physical)), pages_for_bytes(bytes),
                                     flags[cache], &memory);
    }
    return error != ERR_NONE ? error : creation_prepare(&memory->object, &plan->made);
}

void commit_memory_device(struct memory_device_plan *plan, uint64_t *result)
{
    creation_commit(&plan->made, result);
}

/* --- pages -----------------------------------------------------------------------------------------------
 */

enum error prepare_memory_commit(struct memory *memory, uint64_t offset, uint64_t bytes)
{
    struct page_range range;
    enum error error = range_of(memory, offset, bytes, &range);
    return error != ERR_NONE ? error : memory_commit_pages(memory, range.first, range.count);
}

enum error prepare_memory_decommit(struct memory *memory, uint64_t offset, uint64_t bytes,
                                   struct memory_decommit_plan *plan)
{
    struct page_range range;
    enum error error = range_of(memory, offset, bytes, &range);
    return error != ERR_NONE ? error : memory_decommit_prepare(memory, range.first, range.count, plan);
}

void commit_memory_decommit(struct memory_decommit_plan *plan)
{
    memory_decommit_commit(plan);
}

/* Pages that are told at once. */
#define QUERY_PAGES 512u

enum error prepare_memory_query(struct memory *memory, uint64_t offset, uaddr_t pages, uint64_t pages_length,
                                uint64_t *result)
{
    uint8_t some[QUERY_PAGES];
    if (!is_aligned(offset, PAGE_SIZE)) {
        return ERR_BAD_ARGUMENT;
    }
    uint64_t size = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED), first = offset >> PAGE_SHIFT;
    uint64_t count = first >= size ? 0 : size - first < pages_length ? size - first : pages_length;
    for (uint64_t done = 0; done < count; done += QUERY_PAGES) {
        uint64_t now = count - done < QUERY_PAGES ? count - done : QUERY_PAGES;
        memory_query(memory, first + done, now, some);
        enum error error = copy_to_user(uaddr(pages.value + done), some, now);
        if (error != ERR_NONE) {
            return error;
        }
    }
    *result = count;
    return ERR_NONE;
}

enum error prepare_memory_pin(struct memory *memory, struct system *system, uint64_t offset, uaddr_t frames,
                              uint64_t frames_length)
{
    struct page_range range;
    void *addresses;
    (void)system;
    enum error error = is_aligned(frames_length, sizeof(paddr_t)) ? ERR_NONE : ERR_BAD_ARGUMENT;
    if (error == ERR_NONE) {
        error = range_of(memory, offset, frames_length / sizeof(paddr_t) << PAGE_SHIFT, &range);
    }
    if (error == ERR_NONE && memory->kind == MEMORY_PHYSICAL) {
        error = ERR_UNSUPPORTED;
    }
    struct account *account = caller()->account;
    if (error == ERR_NONE) {
        error = charged_alloc(account, frames_length, &addresses);
    }
    if (error != ERR_NONE) {
        return error;
    }
    error = memory_pin(memory, range.first, range.count, addresses);
    if (error == ERR_NONE) {
        error = copy_to_user(frames, addresses, frames_length);
        if (error != ERR_NONE) {
            enum error undone = memory_unpin(memory, range.first, range.count);
            ASSERT(undone == ERR_NONE);
        }
    }
    charged_free(account, addresses, frames_length);
    return error;
}

enum error prepare_memory_unpin(struct memory *memory, struct system *system, uint64_t offset, uint64_t bytes)
{
    struct page_range range;
    (void)system;
    enum error error = range_of(memory, offset, bytes, &range);
    return error != ERR_NONE ? error : memory_unpin(memory, range.first, range.count);
}
