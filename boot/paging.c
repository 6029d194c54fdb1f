/* Entry format: AMD64 Architecture Programmer's Manual volume 2, section 5.3. */
#include "boot/paging.h"

#include <stddef.h>

#include "lib/units.h"

#define ENTRY_PRESENT 0x001ull
#define ENTRY_LARGE   0x080ull
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define TABLE_ENTRIES 512

/* Levels 0 to 2 are those of PAGING_4_KIB to PAGING_1_GIB, 3 is the root. */
#define LEVEL_ROOT 3

static uint64_t level_bytes(unsigned level)
{
    return PAGE_SIZE << (9 * level);
}

static uint64_t *entry_at(uint64_t *table, unsigned level, uint64_t address)
{
    return &table[address / level_bytes(level) % TABLE_ENTRIES];
}

static uint64_t *take_table(const struct paging *paging, uint64_t *entry)
{
    uint64_t *table = paging->take();
    if (table != NULL) {
        *entry = (uint64_t)(uintptr_t)table | PAGING_WRITE | ENTRY_PRESENT;
    }
    return table;
}

/* The entry for an address at a level, with all tables above it; NULL when one cannot be had. */
static uint64_t *walk(struct paging *paging, uint64_t address, unsigned level)
{
    uint64_t *table = paging->root;
    for (unsigned at = LEVEL_ROOT; table != NULL && at > level; at--) {
        uint64_t *entry = entry_at(table, at, address);
        bool is_present = (*entry & ENTRY_PRESENT) != 0;
        table = is_present ? (uint64_t *)(uintptr_t)(*entry & ENTRY_ADDRESS) : take_table(paging, entry);
    }
    return table != NULL ? entry_at(table, level, address) : NULL;
}

static unsigned largest_level(uint64_t address, uint64_t physical, uint64_t bytes, unsigned most)
{
    unsigned level = most;
    while (level > 0 && (!is_aligned(address | physical, level_bytes(level)) || bytes < level_bytes(level))) {
        level--;
    }
    return level;
}

bool paging_map(struct paging *paging, uint64_t address, uint64_t physical, uint64_t bytes, uint64_t flags,
                unsigned largest)
{
    unsigned most = largest == PAGING_1_GIB && !paging->has_gib_pages ? PAGING_2_MIB : largest;
    if (paging->root == NULL) {
        paging->root = paging->take();
    }
    while (bytes > 0) {
        unsigned level = largest_level(address, physical, bytes, most);
        uint64_t *entry = walk(paging, address, level);
        if (entry == NULL) {
            return false;
        }
        *entry = physical | flags | ENTRY_PRESENT | (level > 0 ? ENTRY_LARGE : 0);
        address += level_bytes(level);
        physical += level_bytes(level);
        bytes -= level_bytes(level);
    }
    return true;
}
