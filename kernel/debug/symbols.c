/*
 * Names of functions; see symbols.h. The table is made from the linked kernel by tools/make-symbols.py.
 */
#include "kernel/debug/symbols.h"

extern const uint64_t kernel_symbol_base;
extern const uint32_t kernel_symbol_count;
extern const uint32_t kernel_symbol_offsets[];
extern const uint32_t kernel_symbol_name_offsets[];
extern const char kernel_symbol_names[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    extern const char text_end[];
    if (address < kernel_symbol_base || address >= (uint64_t)(uintptr_t)text_end ||
        kernel_symbol_count == 0) {
        return 0;
    }
    uint32_t at = (uint32_t)(address - kernel_symbol_base);
    uint32_t low = 0, high = kernel_symbol_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (kernel_symbol_offsets[middle] <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *offset = at - kernel_symbol_offsets[low];
    return kernel_symbol_names + kernel_symbol_name_offsets[low];
}
