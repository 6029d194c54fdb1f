/* lib/elf64: good files are read right at any alignment; bad ones are refused without a read outside. */
#include "tests/host/host.h"

#include "abi/handle.h"
#include "lib/elf64.h"
#include "tests/host/make_elf.h"

#define BASE 0xffffffffe0000000ull

static void make(struct made_elf *made)
{
    made_elf_begin(made, BASE + 16);
    made_elf_segment(made, BASE, 4096, 8192, PF_R | PF_X);
    made_elf_segment(made, BASE + 8192, 100, 200, PF_R | PF_W);
    made_elf_symbol(made, "", 0);
    made_elf_symbol(made, "twice", 1);
    made_elf_symbol(made, "other", 2);
    made_elf_symbol(made, "twice", 3);
    made_elf_symbol(made, "undefined", 4);
    made->symbols[4].st_shndx = SHN_UNDEF;
}

static enum error open_made(const struct made_elf *made)
{
    struct elf64 elf;
    return elf64_open(&elf, made, sizeof(*made));
}

static void a_good_file_is_read_at_any_alignment(void **state)
{
    (void)state;
    struct made_elf made;
    make(&made);
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t *data = malloc(sizeof(made) + shift);
        struct elf64 elf;
        struct elf64_segment segment;
        uint64_t value;
        memcpy(data + shift, &made, sizeof(made));
        assert_int_equal(elf64_open(&elf, data + shift, sizeof(made)), ERR_NONE);
        assert_int_equal(elf.entry, BASE + 16);
        assert_int_equal(elf.type, ELF64_EXEC);
        assert_int_equal(elf.segments, 2);
        assert_int_equal(elf64_segment(&elf, 1, &segment), ERR_NONE);
        assert_int_equal(segment.address, BASE + 8192);
        assert_int_equal(segment.file_bytes, 100);
        assert_int_equal(segment.memory_bytes, 200);
        assert_int_equal(segment.access, ACCESS_READ | ACCESS_WRITE);
        assert_ptr_equal(segment.data, data + shift + offsetof(struct made_elf, content));
        assert_int_equal(elf64_segment(&elf, 0, &segment), ERR_NONE);
        assert_int_equal(segment.access, ACCESS_READ | ACCESS_EXECUTE);
        assert_int_equal(elf64_segment(&elf, 2, &segment), ERR_NOT_FOUND);
        assert_int_equal(elf64_symbol(&elf, "twice", &value), ERR_NONE);
        assert_int_equal(value, 3);
        free(data);
    }
}

static void symbols_need_their_whole_name_and_a_definition(void **state)
{
    (void)state;
    struct made_elf made;
    struct elf64 elf;
    uint64_t value;
    make(&made);
    assert_int_equal(elf64_open(&elf, &made, sizeof(made)), ERR_NONE);
    assert_int_equal(elf64_symbol(&elf, "other", &value), ERR_NONE);
    assert_int_equal(value, 2);
    assert_int_equal(elf64_symbol(&elf, "othe", &value), ERR_NOT_FOUND);
    assert_int_equal(elf64_symbol(&elf, "others", &value), ERR_NOT_FOUND);
    assert_int_equal(elf64_symbol(&elf, "undefined", &value), ERR_NOT_FOUND);
}

static void another_kind_of_file_is_unsupported(void **state)
{
    (void)state;
    struct made_elf made;
    make(&made);
    made.header.e_ident[EI_CLASS] = ELFCLASS32;
    assert_int_equal(open_made(&made), ERR_UNSUPPORTED);
    make(&made);
    made.header.e_ident[EI_DATA] = ELFDATA2MSB;
    assert_int_equal(open_made(&made), ERR_UNSUPPORTED);
    make(&made);
    made.header.e_machine = EM_AARCH64;
    assert_int_equal(open_made(&made), ERR_UNSUPPORTED);
    make(&made);
    made.header.e_type = ET_REL;
    assert_int_equal(open_made(&made), ERR_UNSUPPORTED);
    make(&made);
    made.header.e_type = ET_DYN;
    assert_int_equal(open_made(&made), ERR_NONE);
    make(&made);
    made.header.e_version = 2;
    assert_int_equal(open_made(&made), ERR_BAD_FORMAT);
    make(&made);
    made.header.e_phentsize = 55;
    assert_int_equal(open_made(&made), ERR_BAD_FORMAT);
    make(&made);
    made.header.e_ident[0] = 'E';
    assert_int_equal(open_made(&made), ERR_BAD_FORMAT);
}

static enum error first_segment(const struct made_elf *made)
{
    struct elf64 elf;
    struct elf64_segment segment;
    assert_int_equal(elf64_open(&elf, made, sizeof(*made)), ERR_NONE);
    return elf64_segment(&elf, 0, &segment);
}

static void impossible_segments_are_refused(void **state)
{
    (void)state;
    struct made_elf made;
    make(&made);
    made.segments[0].p_filesz = made.segments[0].p_memsz + 1;
    assert_int_equal(first_segment(&made), ERR_TRUNCATED);
    make(&made);
    made.segments[0].p_memsz = 4095;
    assert_int_equal(first_segment(&made), ERR_BAD_FORMAT);
    make(&made);
    made.segments[0].p_offset = UINT64_MAX - 10;
    assert_int_equal(first_segment(&made), ERR_TRUNCATED);
    make(&made);
    made.segments[0].p_filesz = UINT64_MAX;
    assert_int_equal(first_segment(&made), ERR_TRUNCATED);
    make(&made);
    made.segments[0].p_memsz = UINT64_MAX - BASE + 2;
    assert_int_equal(first_segment(&made), ERR_BAD_FORMAT);
    make(&made);
    made.segments[0].p_memsz = UINT64_MAX - BASE;
    assert_int_equal(first_segment(&made), ERR_NONE);
}

static enum error find_other(const struct made_elf *made)
{
    struct elf64 elf;
    uint64_t value;
    assert_int_equal(elf64_open(&elf, made, sizeof(*made)), ERR_NONE);
    return elf64_symbol(&elf, "other", &value);
}

static void damaged_symbol_tables_are_refused(void **state)
{
    (void)state;
    struct made_elf made;
    make(&made);
    made.sections[1].sh_entsize = 16;
    assert_int_equal(find_other(&made), ERR_BAD_FORMAT);
    make(&made);
    made.sections[1].sh_link = 3;
    assert_int_equal(find_other(&made), ERR_BAD_FORMAT);
    make(&made);
    made.sections[1].sh_link = 1;
    assert_int_equal(find_other(&made), ERR_BAD_FORMAT);
    make(&made);
    made.sections[1].sh_size = UINT64_MAX;
    assert_int_equal(find_other(&made), ERR_TRUNCATED);
    make(&made);
    made.sections[2].sh_offset = sizeof(made);
    assert_int_equal(find_other(&made), ERR_TRUNCATED);
    make(&made);
    made.header.e_shoff = sizeof(made) - 10;
    assert_int_equal(find_other(&made), ERR_TRUNCATED);
    make(&made);
    made.header.e_shoff = UINT64_MAX - 63;
    assert_int_equal(find_other(&made), ERR_TRUNCATED);
    make(&made);
    made.header.e_shnum = 0;
    assert_int_equal(find_other(&made), ERR_NOT_FOUND);
    make(&made);
    made.symbols[2].st_name = UINT32_MAX;
    assert_int_equal(find_other(&made), ERR_NOT_FOUND);
    make(&made);
    made.sections[2].sh_size = made.symbols[2].st_name + 5; /* without the NUL of "other" */
    assert_int_equal(find_other(&made), ERR_NOT_FOUND);
}

static void no_truncation_is_read_beyond(void **state)
{
    (void)state;
    struct made_elf made;
    make(&made);
    for (size_t size = 0; size < sizeof(made); size += size < 64 ? 1 : 7) {
        void *data = exact_copy(&made, size);
        struct elf64 elf;
        struct elf64_segment segment;
        uint64_t value;
        enum error error = elf64_open(&elf, data, size);
        bool has_table = size >= offsetof(struct made_elf, segments) + 2 * sizeof(Elf64_Phdr);
        assert_int_equal(error, size < 4 ? ERR_BAD_FORMAT : has_table ? ERR_NONE : ERR_TRUNCATED);
        if (error == ERR_NONE) {
            assert_int_equal(elf64_segment(&elf, 0, &segment), ERR_TRUNCATED);
            bool has_strings = size >= offsetof(struct made_elf, strings) + made.sections[2].sh_size;
            assert_int_equal(elf64_symbol(&elf, "other", &value), has_strings ? ERR_NONE : ERR_TRUNCATED);
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read_at_any_alignment),
        cmocka_unit_test(symbols_need_their_whole_name_and_a_definition),
        cmocka_unit_test(another_kind_of_file_is_unsupported),
        cmocka_unit_test(impossible_segments_are_refused),
        cmocka_unit_test(damaged_symbol_tables_are_refused),
        cmocka_unit_test(no_truncation_is_read_beyond),
    };
    return cmocka_run_group_tests_name("elf64", tests, NULL, NULL);
}
