/*
 * The firmware as the loader uses it: memory, messages, waiting. Valid until boot services are left.
 */
#ifndef QUIRE_BOOT_FIRMWARE_H
#define QUIRE_BOOT_FIRMWARE_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern EFI_SYSTEM_TABLE *firmware;
extern EFI_BOOT_SERVICES *services;
extern EFI_HANDLE image;

/* Remember where the firmware is; stop its watchdog, which would reset the machine while a message waits. */
void firmware_open(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table);

/* Give all memory back that was taken, for when the loader returns to the firmware. */
void firmware_close(void);

/*
 * Whole pages below 4 GiB, zeroed; NULL when there are none, or when 256 pieces are held. MEMORY_LIVE is
 * reported to the kernel as used, since it still runs from or reads it; MEMORY_SCRATCH is free once the
 * kernel has been entered.
 */
#define MEMORY_LIVE    EfiReservedMemoryType
#define MEMORY_SCRATCH EfiLoaderData
void *memory_take(uint64_t bytes, EFI_MEMORY_TYPE type);
/* The same, below this address. */
void *memory_take_below(uint64_t limit, uint64_t bytes, EFI_MEMORY_TYPE type);
void memory_give(void *memory, uint64_t bytes);

/* The most that memory_take could deliver in one piece just now. */
uint64_t memory_largest(void);

/* The firmware's map in scratch memory with room to grow, for a look before the real one is taken. */
struct efi_map;
bool memory_map_read(struct efi_map *map, UINTN *key, UINTN room);
UINTN memory_map_room(void);

/* Print one line, "quire-boot: FILE: ...". fail() is for what ends the boot, and returns false. */
void note(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fail(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Let the user read the messages: wait for a key, but no longer than ten seconds. */
void wait_for_key(void);

#endif
