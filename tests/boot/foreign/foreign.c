/*
 * A kernel that is not Quire's: it follows the BOOTBOOT protocol and nothing else, looks at what it was
 * handed, and says on COM1 whether that is right. It leaves QEMU through the isa-debug-exit device.
 *
 * With strict=1 in its environment it also expects what only Quire's loader promises. The key expect= has to
 * be there, so that an empty environment does not pass.
 */
#include <stdbool.h>

#include "boot/bootboot.h"
#include "boot/cpu.h"
#include "lib/bundle.h"
#include "lib/environment.h"
#include "lib/text.h"
#include "lib/units.h"

#define COM1          0x3f8
#define COM1_STATUS   (COM1 + 5)
#define COM1_CAN_SEND 0x20
#define DEBUG_EXIT    0xf4
#define CORES_MOST    256
#define WAIT_ROUNDS   100000000ull
#define BSS_BYTES     100000

extern struct bootboot bootboot;
extern const char environment[ENVIRONMENT_SIZE];
extern volatile uint32_t fb[];
extern const char initstack[]; /* its address is the size of a stack */

void foreign_main(uint64_t stack);

static uint32_t arrived_total;
static uint8_t arrived[CORES_MOST];
static uint32_t strange_cores;
static volatile uint8_t zeroes[BSS_BYTES];
static volatile uint64_t initialised = 0x1122334455667788ull;

static uint8_t read_port(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void print(const char *text)
{
    for (; *text != 0; text++) {
        while ((read_port(COM1_STATUS) & COM1_CAN_SEND) == 0) {
        }
        write_port(COM1, (uint8_t)*text);
    }
}

static _Noreturn void leave(uint8_t code)
{
    write_port(DEBUG_EXIT, code);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void expect(bool holds, const char *what)
{
    if (!holds) {
        print("foreign kernel: FAIL ");
        print(what);
        print("\n");
        leave(1);
    }
}

static bool has_key(const char *key, const char *expected)
{
    const char *value;
    size_t length;
    return environment_get(environment, ENVIRONMENT_SIZE, key, &value, &length) &&
           text_matches(value, length, expected);
}

static uint64_t read_cr0(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint64_t read_cr3(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static bool interrupts_are_off(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return (flags & 0x200) == 0;
}

static size_t map_entries(void)
{
    return (bootboot.size - offsetof(struct bootboot, map)) / sizeof(bootboot.map[0]);
}

static uint64_t entry_end(const struct bootboot_map_entry *entry)
{
    return entry->address + (entry->size_and_type & ~15ull);
}

static bool is_free(uint64_t address)
{
    for (size_t i = 0; i < map_entries(); i++) {
        const struct bootboot_map_entry *entry = &bootboot.map[i];
        if (address >= entry->address && address < entry_end(entry)) {
            return (entry->size_and_type & 15) == BOOTBOOT_MAP_FREE;
        }
    }
    return false;
}

static void check_map(void)
{
    uint64_t free_bytes = 0;
    expect(bootboot.size <= sizeof(bootboot) && map_entries() > 1, "the memory map has no entries");
    for (size_t i = 0; i < map_entries(); i++) {
        const struct bootboot_map_entry *entry = &bootboot.map[i];
        bool is_free_entry = (entry->size_and_type & 15) == BOOTBOOT_MAP_FREE;
        expect(entry_end(entry) > entry->address, "an entry of the memory map is empty");
        free_bytes += is_free_entry ? entry->size_and_type & ~15ull : 0;
        if (i > 0) {
            const struct bootboot_map_entry *before = entry - 1;
            bool same = ((entry->size_and_type ^ before->size_and_type) & 15) == 0;
            expect(entry_end(before) <= entry->address, "the memory map is not sorted, or overlaps");
            expect(!same || entry_end(before) < entry->address, "the memory map is not merged");
        }
    }
    expect(free_bytes > 32 * MIB, "there is hardly any free memory");
    expect(!is_free(bootboot.initrd_ptr), "the bundle lies in memory called free");
    expect(!is_free(bootboot.acpi_ptr), "the ACPI tables lie in memory called free");
}

static void check_information(void)
{
    const char *root = (const char *)bootboot.acpi_ptr;
    struct bundle bundle;
    struct bundle_member member;
    size_t cursor = 0;
    expect(memcmp(bootboot.magic, "BOOT", 4) == 0, "the magic is wrong");
    expect(bootboot.datetime[0] == 0x20 && bootboot.datetime[2] >= 1 && bootboot.datetime[2] <= 0x12,
           "the date is wrong");
    expect(root != NULL && (memcmp(root, "XSDT", 4) == 0 || memcmp(root, "RSDT", 4) == 0),
           "acpi_ptr is no XSDT or RSDT");
    expect(bootboot.smbi_ptr != 0 && memcmp((const void *)bootboot.smbi_ptr, "_SM", 3) == 0,
           "smbi_ptr is no SMBIOS entry point");
    expect(bundle_open(&bundle, (const void *)bootboot.initrd_ptr, bootboot.initrd_size) == ERR_NONE &&
               bundle_next(&bundle, &cursor, &member) == ERR_NONE,
           "the bundle is not there");
    expect(has_key("expect", "tea at five"), "the environment is not the one from the disk");
}

static void check_image(void)
{
    expect(initialised == 0x1122334455667788ull, "initialised data is wrong");
    for (size_t i = 0; i < BSS_BYTES; i++) {
        expect(zeroes[i] == 0, "bss is not zero");
    }
    initialised = 1;
    expect(initialised == 1, "data cannot be written");
}

/* The window and the physical address have to be the same memory, where the latter can be reached. */
static void check_framebuffer(void)
{
    if (bootboot.fb_ptr == 0) {
        expect(bootboot.fb_width == 0 && bootboot.fb_height == 0 && bootboot.fb_scanline == 0,
               "there is no framebuffer, but it has a size");
        return;
    }
    volatile uint32_t *direct = (volatile uint32_t *)bootboot.fb_ptr;
    uint64_t last = ((uint64_t)bootboot.fb_scanline * bootboot.fb_height) / 4 - 1;
    expect(bootboot.fb_width >= 640 && bootboot.fb_scanline >= 4 * bootboot.fb_width &&
               4 * last < bootboot.fb_size,
           "the framebuffer has impossible sizes");
    if (4 * last < BOOTBOOT_WINDOW && bootboot.fb_ptr < 4 * GIB) {
        fb[0] = 0x123456;
        fb[last] = 0x654321;
        expect(direct[0] == 0x123456 && direct[last] == 0x654321, "fb does not show the framebuffer");
    }
}

/* All RAM is identity mapped, however much there is: were it not, this would be the end. */
static void check_reach(void)
{
    for (size_t i = 0; i < map_entries(); i++) {
        if ((bootboot.map[i].size_and_type & 15) == BOOTBOOT_MAP_FREE) {
            (void)*(volatile uint64_t *)(entry_end(&bootboot.map[i]) - 8);
        }
    }
}

/* What Quire's loader does beyond the protocol: see docs/boot.md. */
static void check_strict(void)
{
    expect(bootboot.protocol == BOOTBOOT_PROTOCOL_DYNAMIC, "the protocol level is not 2");
    expect((read_cr0() & 0x60000000) == 0, "the caches are off");
    expect((read_msr(0xc0000080) & 0x800) != 0, "NX is off");
    expect(!is_free(read_cr3()), "the page tables lie in memory called free");
    check_reach();
    size_t length = environment_length(environment, ENVIRONMENT_SIZE);
    for (; length < ENVIRONMENT_SIZE; length++) {
        expect(environment[length] == 0, "the environment's page is not zero behind the text");
    }
}

/* Each core notes itself; one that comes twice, off its stack or with interrupts on is strange. */
static void arrive(uint64_t stack)
{
    uint64_t stack_bytes = (uintptr_t)initstack;
    uint64_t index = (0 - stack) / stack_bytes;
    bool is_placed = (0 - stack) % stack_bytes == 0 && index < bootboot.numcores && index < CORES_MOST;
    bool is_strict = has_key("strict", "1");
    bool is_configured =
        !is_strict || ((read_cr0() & 0x60000000) == 0 && (read_msr(0xc0000080) & 0x800) != 0);
    if (!is_placed || !interrupts_are_off() || !is_configured ||
        __atomic_exchange_n(&arrived[index], 1, __ATOMIC_ACQ_REL) != 0) {
        __atomic_fetch_add(&strange_cores, 1, __ATOMIC_ACQ_REL);
    }
    __atomic_fetch_add(&arrived_total, 1, __ATOMIC_ACQ_REL);
}

static void await_cores(void)
{
    for (uint64_t i = 0; i < WAIT_ROUNDS; i++) {
        if (__atomic_load_n(&arrived_total, __ATOMIC_ACQUIRE) >= bootboot.numcores) {
            return;
        }
        relax();
    }
    expect(false, "not all cores have come");
}

void foreign_main(uint64_t stack)
{
    static char line[160]; /* stacks can be small */
    arrive(stack);
    if (cpuid(1, 0).b >> 24 != bootboot.bspid) {
        return;
    }
    check_information();
    check_image();
    check_map();
    check_framebuffer();
    await_cores();
    expect(strange_cores == 0, "a core came twice, on a wrong stack or in a wrong state");
    if (has_key("strict", "1")) {
        check_strict();
    }
    text_format(
        line, sizeof(line), "foreign kernel: ok cores=%u screen=%ux%u protocol=%u acpi=%.4s cd=%u wp=%u\n",
        bootboot.numcores, bootboot.fb_width, bootboot.fb_height, bootboot.protocol,
        (const char *)bootboot.acpi_ptr, (unsigned)(read_cr0() >> 30 & 1), (unsigned)(read_cr0() >> 16 & 1));
    print(line);
    leave(0);
}
