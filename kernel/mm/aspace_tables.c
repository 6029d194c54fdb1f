/*
 * Frames for page tables, taken before they are needed and given back when nobody walks them; see aspace.h.
 */
#include "kernel/mm/aperture.h"
#include "kernel/mm/aspace_parts.h"

void stock_give_back(struct aspace *space, struct table_stock *stock)
{
    while (stock->count > 0) {
        paddr_t table = stock->first;
        stock->first = *(const paddr_t *)aperture_at(table);
        stock->count--;
        charged_frame_free(space->account, paddr_to_pfn(table));
    }
}

enum error stock_take(struct aspace *space, struct table_stock *stock, uint64_t count)
{
    while (stock->count < count) {
        pfn_t frame;
        enum error error = charged_frame(space->account, FRAME_PAGE_TABLE, &frame);
        if (error != ERR_NONE) {
            stock_give_back(space, stock);
            return error;
        }
        void *table = aperture_at(pfn_to_paddr(frame));
        arch_zero_pages(table, 1);
        *(paddr_t *)table = stock->first;
        stock->first = pfn_to_paddr(frame);
        stock->count++;
    }
    return ERR_NONE;
}

void gather_retire(struct aspace *space, struct table_gather *gather)
{
    if (gather->tables > 0) {
        uint64_t tables = gather->tables;
        tlb_retire_tables(gather);
        account_refund(space->account, RESOURCE_FRAMES, tables);
    }
}

void gather_free(struct aspace *space, struct table_gather *gather)
{
    account_refund(space->account, RESOURCE_FRAMES, gather->tables);
    while (gather->tables > 0) {
        paddr_t table = gather->first;
        gather->first = *(const paddr_t *)aperture_at(table);
        gather->tables--;
        frame_release(paddr_to_pfn(table), 0);
    }
}
