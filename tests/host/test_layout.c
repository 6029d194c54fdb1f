/* boot/layout: kernels that the protocol allows are laid out as they ask, the others refused with a reason.
 */
#include "tests/host/host.h"

#include "boot/layout.h"
#include "tests/host/make_elf.h"

#define BASE   0xffffffffe0000000ull
#define MIB    0x100000ull
#define RIGHTS (PF_R | PF_W | PF_X)

static char reason[LAYOUT_TEXT];

static bool read_layout(struct layout *layout, const struct made_elf *made, bool is_static)
{
    struct elf64 elf;
    reason[0] = 0;
    assert_int_equal(elf64_open(&elf, made, sizeof(*made)), ERR_NONE);
    return layout_read(layout, &elf, is_static, reason);
}

static void assert_refused(const struct made_elf *made, const char *why)
{
    struct layout layout;
    assert_false(read_layout(&layout, made, false));
    assert_string_equal(reason, why);
}

static void begin(struct made_elf *made)
{
    made_elf_begin(made, BASE + 8);
    made_elf_segment(made, BASE, 4096, 10000, RIGHTS);
}

static void symbols_are_honoured(void **state)
{
    (void)state;
    struct made_elf made;
    struct layout layout;
    begin(&made);
    made_elf_symbol(&made, "bootboot", 0xffffffffc0000000ull);
    made_elf_symbol(&made, "environment", 0xffffffffc0001000ull);
    made_elf_symbol(&made, "fb", 0xffffffffd0000000ull);
    made_elf_symbol(&made, "mmio", 0xffffffffc8000000ull);
    made_elf_symbol(&made, "initstack", 4096);
    assert_true(read_layout(&layout, &made, false));
    assert_int_equal(layout.base, BASE);
    assert_int_equal(layout.end, BASE + 3 * 4096ull);
    assert_int_equal(layout.bootboot, 0xffffffffc0000000ull);
    assert_int_equal(layout.environment, 0xffffffffc0001000ull);
    assert_int_equal(layout.fb, 0xffffffffd0000000ull);
    assert_int_equal(layout.fb_room, BASE - layout.fb);
    assert_int_equal(layout.stack, 4096);
    assert_int_equal(layout.stack_room, 0 - layout.end);
    assert_int_equal(layout.segment_count, 1);
}

static void without_symbols_or_at_level_1_the_addresses_are_fixed(void **state)
{
    (void)state;
    struct made_elf made;
    struct layout layout;
    made_elf_begin(&made, 0xffffffffffe02000ull);
    made_elf_segment(&made, 0xffffffffffe02000ull, 4096, 4096, RIGHTS);
    for (int is_static = 0; is_static <= 1; is_static++) {
        assert_true(read_layout(&layout, &made, is_static));
        assert_int_equal(layout.bootboot, 0xffffffffffe00000ull);
        assert_int_equal(layout.environment, 0xffffffffffe01000ull);
        assert_int_equal(layout.fb, 0xfffffffffc000000ull);
        assert_int_equal(layout.fb_room, 62 * MIB);
        assert_int_equal(layout.stack, 1024);
        assert_int_equal(layout.stack_room, 2 * MIB - 3 * 4096ull);
        made_elf_symbol(&made, "bootboot", 12345);
        made_elf_symbol(&made, "initstack", 4096);
    }
}

static void symbols_outside_the_range_are_refused(void **state)
{
    (void)state;
    struct made_elf made;
    begin(&made);
    made_elf_symbol(&made, "bootboot", 0xffffffffbffff000ull);
    assert_refused(&made, "symbol bootboot is 0xffffffffbffff000, outside the top GiB of the address space");
    begin(&made);
    made_elf_symbol(&made, "environment", 0xffffffffc0000800ull);
    assert_refused(&made, "symbol environment is 0xffffffffc0000800, not a multiple of 4 KiB");
    begin(&made);
    made_elf_symbol(&made, "fb", 0xffffffffc0100000ull);
    assert_refused(&made, "symbol fb is 0xffffffffc0100000, not a multiple of 2048 KiB");
    begin(&made);
    made_elf_symbol(&made, "mmio", 0);
    assert_refused(&made, "symbol mmio is 0x0, outside the top GiB of the address space");
    begin(&made);
    made_elf_symbol(&made, "initstack", 3000);
    assert_refused(&made, "symbol initstack is 3000, not a multiple of 16");
}

static void overlaps_are_refused(void **state)
{
    (void)state;
    struct made_elf made;
    begin(&made);
    made_elf_symbol(&made, "bootboot", 0xffffffffc0000000ull);
    made_elf_symbol(&made, "environment", 0xffffffffc0000000ull);
    assert_refused(&made, "its bootboot page and environment page overlap");
    begin(&made);
    made_elf_symbol(&made, "bootboot", BASE + 8192);
    assert_refused(&made, "its segments and bootboot page overlap");
    begin(&made);
    made_elf_symbol(&made, "fb", BASE - 14 * MIB);
    assert_refused(&made, "its segments and fb window overlap");
    begin(&made);
    made_elf_symbol(&made, "fb", 0xffffffffc0000000ull);
    made_elf_symbol(&made, "mmio", 0xffffffffc0fff000ull);
    assert_refused(&made, "its fb window and mmio window overlap");
    begin(&made);
    made_elf_symbol(&made, "fb", 0xffffffffff800000ull);
    assert_refused(&made, "its fb window reaches over the end of the address space");
}

static void segments_have_to_be_in_range(void **state)
{
    (void)state;
    struct made_elf made;
    struct layout layout;
    made_elf_begin(&made, BASE);
    assert_refused(&made, "it has no loadable segment");
    made_elf_segment(&made, 0xffffffff80000000ull, 16, 16, RIGHTS);
    assert_refused(&made, "no loadable segment is in the top GiB of the address space");
    made_elf_segment(&made, BASE, 16, 16, RIGHTS);
    assert_true(read_layout(&layout, &made, false));
    assert_int_equal(layout.outside, 1);
    begin(&made);
    made.header.e_entry = BASE + 10000;
    assert_refused(&made, "its entry point lies in no loaded segment");
    begin(&made);
    made.segments[0].p_vaddr = BASE + 8;
    assert_refused(&made, "its segment does not begin at a multiple of 4 KiB");
    begin(&made);
    made.segments[0].p_filesz = sizeof(made);
    made.segments[0].p_memsz = sizeof(made);
    assert_refused(&made, "the file ends inside a segment");
    begin(&made);
    made.segments[0].p_memsz = 1;
    assert_refused(&made, "a segment has impossible sizes");
}

static void sizes_have_limits(void **state)
{
    (void)state;
    struct made_elf made;
    struct layout layout;
    begin(&made);
    made.segments[0].p_memsz = 16 * MIB;
    assert_true(read_layout(&layout, &made, false));
    made.segments[0].p_memsz++;
    assert_refused(&made, "it takes more than 16 MiB of memory");
    begin(&made);
    made_elf_segment(&made, BASE + 16 * MIB, 16, 16, RIGHTS);
    assert_refused(&made, "it takes more than 16 MiB of memory");
    made_elf_begin(&made, BASE);
    for (unsigned i = 0; i < LAYOUT_SEGMENTS + 1; i++) {
        made_elf_segment(&made, BASE + i * 4096ull, 16, 16, RIGHTS);
    }
    assert_refused(&made, "it has more than 16 loadable segments");
}

static void stacks_need_room(void **state)
{
    (void)state;
    struct made_elf made;
    struct layout layout;
    made_elf_begin(&made, 0xfffffffffffff000ull);
    made_elf_segment(&made, 0xfffffffffffff000ull, 16, 16, RIGHTS);
    assert_refused(&made, "it leaves no room for a stack");
    made_elf_begin(&made, 0xffffffffffffe000ull);
    made_elf_segment(&made, 0xffffffffffffe000ull, 16, 16, RIGHTS);
    made_elf_symbol(&made, "initstack", 4096);
    assert_true(read_layout(&layout, &made, false));
    assert_int_equal(layout.stack_room, 4096);
    begin(&made);
    made_elf_symbol(&made, "bootboot", 0xffffffffc0000000ull);
    made_elf_symbol(&made, "environment", 0xffffffffc0001000ull);
    made_elf_symbol(&made, "fb", 0xfffffffff0000000ull); /* the highest of all */
    made_elf_symbol(&made, "initstack", 16);
    assert_true(read_layout(&layout, &made, false));
    assert_int_equal(layout.stack, 1024);
    assert_int_equal(layout.stack_room, 2 * MIB);
    assert_int_equal(layout.fb_room, 254 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_are_honoured),
        cmocka_unit_test(without_symbols_or_at_level_1_the_addresses_are_fixed),
        cmocka_unit_test(symbols_outside_the_range_are_refused),
        cmocka_unit_test(overlaps_are_refused),
        cmocka_unit_test(segments_have_to_be_in_range),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(stacks_need_room),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
