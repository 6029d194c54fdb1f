#include "boot/firmware.h"

#include <stdarg.h>

#include "boot/memory_map.h"
#include "lib/text.h"
#include "lib/units.h"

#define LINE_TEXT      256
#define KEY_WAIT_100NS 100000000ull
#define MAP_ROOM_EXTRA (64 * KIB) /* for regions that appear between two looks at the map */

#define PIECES_MOST 256

/* What memory_take has given and memory_give not got back; a piece without pages is a free place. */
static struct piece {
    EFI_PHYSICAL_ADDRESS address;
    UINTN pages;
} pieces[PIECES_MOST];

EFI_SYSTEM_TABLE *firmware;
EFI_BOOT_SERVICES *services;
EFI_HANDLE image;

void firmware_open(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table)
{
    image = handle;
    firmware = table;
    services = table->BootServices;
    services->SetWatchdogTimer(0, 0, 0, NULL);
}

static struct piece *find_piece(EFI_PHYSICAL_ADDRESS address, UINTN pages)
{
    for (size_t i = 0; i < PIECES_MOST; i++) {
        if (pieces[i].pages == pages && (pages == 0 || pieces[i].address == address)) {
            return &pieces[i];
        }
    }
    return NULL;
}

void *memory_take_below(uint64_t limit, uint64_t bytes, EFI_MEMORY_TYPE type)
{
    EFI_PHYSICAL_ADDRESS address = limit - 1;
    UINTN pages = pages_for_bytes(bytes).value;
    struct piece *piece = find_piece(0, 0);
    if (piece == NULL || pages == 0 ||
        EFI_ERROR(services->AllocatePages(AllocateMaxAddress, type, pages, &address))) {
        return NULL;
    }
    *piece = (struct piece){address, pages};
    return memset((void *)(uintptr_t)address, 0, pages * PAGE_SIZE);
}

void *memory_take(uint64_t bytes, EFI_MEMORY_TYPE type)
{
    return memory_take_below(4 * GIB, bytes, type);
}

void memory_give(void *memory, uint64_t bytes)
{
    struct piece *piece = find_piece((uintptr_t)memory, pages_for_bytes(bytes).value);
    if (piece != NULL && piece->pages > 0) {
        services->FreePages(piece->address, piece->pages);
        piece->pages = 0;
    }
}

void firmware_close(void)
{
    for (size_t i = 0; i < PIECES_MOST; i++) {
        if (pieces[i].pages > 0) {
            services->FreePages(pieces[i].address, pieces[i].pages);
            pieces[i].pages = 0;
        }
    }
}

UINTN memory_map_room(void)
{
    UINTN bytes = 0, key, stride;
    UINT32 version;
    services->GetMemoryMap(&bytes, NULL, &key, &stride, &version);
    return bytes + MAP_ROOM_EXTRA;
}

bool memory_map_read(struct efi_map *map, UINTN *key, UINTN room)
{
    UINT32 version;
    map->bytes = room;
    EFI_STATUS status = services->GetMemoryMap(&map->bytes, map->data, key, &map->stride, &version);
    return !EFI_ERROR(status);
}

uint64_t memory_largest(void)
{
    UINTN room = memory_map_room();
    UINTN key;
    uint64_t largest = 0;
    struct efi_map map = {.data = memory_take(room, MEMORY_SCRATCH)};
    if (map.data == NULL || !memory_map_read(&map, &key, room)) {
        return 0;
    }
    for (size_t at = 0; at + sizeof(struct efi_region) <= map.bytes; at += map.stride) {
        const struct efi_region *region = (const void *)((const uint8_t *)map.data + at);
        uint64_t bytes = region->pages * PAGE_SIZE;
        if (region->type == EfiConventionalMemory && region->physical + bytes <= 4 * GIB && bytes > largest) {
            largest = bytes;
        }
    }
    memory_give(map.data, room);
    return largest;
}

static void print(const char *text)
{
    CHAR16 wide[LINE_TEXT + 2];
    size_t length = strlen(text);
    size_t at = 0;
    for (; at < length && at < LINE_TEXT - 1; at++) {
        bool is_plain = text[at] >= ' ' && text[at] < 0x7f;
        wide[at] = is_plain ? (CHAR16)text[at] : L'?';
    }
    wide[at++] = L'\r';
    wide[at++] = L'\n';
    wide[at] = 0;
    firmware->ConOut->OutputString(firmware->ConOut, wide);
}

static void print_line(const char *file, const char *format, va_list arguments)
{
    char line[LINE_TEXT];
    size_t length = text_format(line, sizeof(line), "quire-boot: %s: ", file);
    if (length < sizeof(line)) {
        text_format_list(line + length, sizeof(line) - length, format, arguments);
    }
    print(line);
}

void note(const char *file, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(file, format, arguments);
    va_end(arguments);
}

bool fail(const char *file, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(file, format, arguments);
    va_end(arguments);
    return false;
}

void wait_for_key(void)
{
    EFI_EVENT events[2] = {firmware->ConIn->WaitForKey, NULL};
    UINTN which;
    EFI_INPUT_KEY key;
    print("Press a key to return to the firmware; it goes on by itself after ten seconds.");
    if (EFI_ERROR(services->CreateEvent(EVT_TIMER, TPL_APPLICATION, NULL, NULL, &events[1]))) {
        return;
    }
    services->SetTimer(events[1], TimerRelative, KEY_WAIT_100NS);
    services->WaitForEvent(2, events, &which);
    firmware->ConIn->ReadKeyStroke(firmware->ConIn, &key);
    services->CloseEvent(events[1]);
}
