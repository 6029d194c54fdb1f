/*
 * The start page: code and data with which every processor gets from wherever it is (real mode after a
 * start-up interrupt, the firmware's long mode) into the kernel. It lies below 1 MiB in memory that the
 * kernel is told is used, since late processors may still come through or be parked in it.
 *
 * Its code is boot/start.S; the data begins at START_DATA. Numbers shared with the assembler come first.
 */
#ifndef QUIRE_BOOT_START_H
#define QUIRE_BOOT_START_H

#define START_DATA       0x800
#define START_GDTR       (START_DATA + 0)
#define START_FAR32      (START_DATA + 16)
#define START_FAR64      (START_DATA + 24)
#define START_CR0        (START_DATA + 32)
#define START_CR3        (START_DATA + 36)
#define START_CR4        (START_DATA + 40)
#define START_SLOTS      (START_DATA + 44)
#define START_SLOT_COUNT (START_DATA + 48)
#define START_OPEN       (START_DATA + 52)
#define START_ENTRY      (START_DATA + 56)
#define START_MXCSR      (START_DATA + 64)

#define SLOT_APIC_ID 0
#define SLOT_STATE   4
#define SLOT_STACK   8
#define SLOT_INDEX   16
#define SLOT_EFER    24
#define SLOT_DELAY   28
#define SLOT_OPENS   32
#define SLOT_IDTR    38
#define SLOT_BYTES   64

#define SLOT_LISTED   0 /* nothing heard of it */
#define SLOT_ANSWERED 1 /* has come, waits for the door to open, will enter */
#define SLOT_REFUSED  2 /* came too late, or shall not enter: parks */

#define SELECTOR_CODE32 0x08
#define SELECTOR_DATA   0x10
#define SELECTOR_CODE64 0x18

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* What LGDT and LIDT load. */
struct __attribute__((packed)) table_register {
    uint16_t limit;
    uint64_t base;
};

/* One processor; an own cache line each. */
struct start_slot {
    uint32_t apic_id;
    uint32_t state; /* atomic: SLOT_LISTED and so on */
    uint64_t stack;
    uint64_t index;
    uint32_t efer;
    uint32_t delay; /* rounds to wait after the door has opened */
    uint32_t opens; /* 1 for the processor that opens the door when it gets there */
    uint16_t pad;
    struct table_register idtr;
    uint64_t pad_to_line[2];
};

struct far_pointer {
    uint32_t offset;
    uint16_t selector;
    uint16_t pad;
};

struct start_page {
    uint8_t code[START_DATA];
    struct table_register gdtr;
    uint16_t pad[3];
    struct far_pointer far32;
    struct far_pointer far64;
    uint32_t cr0;
    uint32_t cr3;
    uint32_t cr4;
    uint32_t slots; /* physical address of the slots */
    uint32_t slot_count;
    uint32_t open; /* atomic: not 0 once all may enter the kernel */
    uint64_t entry;
    uint32_t mxcsr;
    uint32_t pad_to_gdt;
    uint64_t gdt[4];
};

_Static_assert(offsetof(struct start_page, gdtr) == START_GDTR, "shared with start.S");
_Static_assert(offsetof(struct start_page, far32) == START_FAR32, "shared with start.S");
_Static_assert(offsetof(struct start_page, far64) == START_FAR64, "shared with start.S");
_Static_assert(offsetof(struct start_page, cr0) == START_CR0, "shared with start.S");
_Static_assert(offsetof(struct start_page, cr3) == START_CR3, "shared with start.S");
_Static_assert(offsetof(struct start_page, cr4) == START_CR4, "shared with start.S");
_Static_assert(offsetof(struct start_page, slots) == START_SLOTS, "shared with start.S");
_Static_assert(offsetof(struct start_page, slot_count) == START_SLOT_COUNT, "shared with start.S");
_Static_assert(offsetof(struct start_page, open) == START_OPEN, "shared with start.S");
_Static_assert(offsetof(struct start_page, entry) == START_ENTRY, "shared with start.S");
_Static_assert(offsetof(struct start_page, mxcsr) == START_MXCSR, "shared with start.S");
_Static_assert(sizeof(struct start_page) <= 4096, "the start page is one page");
_Static_assert(offsetof(struct start_slot, state) == SLOT_STATE, "shared with start.S");
_Static_assert(offsetof(struct start_slot, stack) == SLOT_STACK, "shared with start.S");
_Static_assert(offsetof(struct start_slot, index) == SLOT_INDEX, "shared with start.S");
_Static_assert(offsetof(struct start_slot, efer) == SLOT_EFER, "shared with start.S");
_Static_assert(offsetof(struct start_slot, delay) == SLOT_DELAY, "shared with start.S");
_Static_assert(offsetof(struct start_slot, opens) == SLOT_OPENS, "shared with start.S");
_Static_assert(offsetof(struct start_slot, idtr) == SLOT_IDTR, "shared with start.S");
_Static_assert(sizeof(struct start_slot) == SLOT_BYTES, "shared with start.S");

/* The code as it lies in the loader's image, and the place in it where the boot processor joins. */
extern const uint8_t start_code[];
extern const uint8_t start_join[];
extern const uint8_t start_protected[]; /* where far32 has to point */
extern const uint8_t start_long[];      /* where far64 has to point */
extern const uint8_t start_code_end[];
#endif

#endif
