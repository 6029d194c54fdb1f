/*
 * The kernel as a whole.
 */
#ifndef QUIRE_KERNEL_MAIN_H
#define QUIRE_KERNEL_MAIN_H

#include <stdbool.h>
#include <stdint.h>

/* From the assembly: the boot processor, with the time stamp of its entry. */
_Noreturn void kernel_entry(uint64_t entry_stamp);

/* test=1: powering off and panics end an emulator with a status. */
bool main_under_test(void);

#endif
