/*
 * The clock page; see clock_page.h.
 */
#include "kernel/obj/clock_page.h"

#include "abi/clock.h"
#include "abi/handle.h"
#include "kernel/arch/machine.h"
#include "kernel/mm/account.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame_report.h"
#include "lib/text.h"

_Static_assert(CLOCK_PAGE_AT + PAGE_SIZE == USER_HIGHEST, "the last page of user space");

/* Set once at boot. */
static struct clock_page *page;
static struct memory *memory;

enum error clock_page_make(uint64_t wall_time)
{
    pfn_t frame;
    enum error error = frame_alloc(0, FRAME_KERNEL, &frame);
    if (error != ERR_NONE) {
        return error;
    }
    error = memory_make_physical(&kernel_account, frame, (pages_t){1}, 0, &memory);
    if (error != ERR_NONE) {
        frame_release(frame, 0);
        return error;
    }
    page = aperture_at(pfn_to_paddr(frame));
    memset(page, 0, PAGE_SIZE);
    machine_clock_describe(page);
    page->wall_time = wall_time;
    return ERR_NONE;
}

enum error clock_page_map(struct aspace *space)
{
    struct map_request request = {memory, 0, CLOCK_PAGE_AT, PAGE_SIZE, ACCESS_READ};
    struct map_plan plan;
    enum error error = aspace_map_prepare(space, &request, &plan);
    if (error == ERR_NONE) {
        (void)aspace_map_commit(&plan);
    }
    return error;
}

uint64_t clock_page_wall_time(void)
{
    return page->wall_time;
}
