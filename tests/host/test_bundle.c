/* lib/bundle: what is found in good archives, and that bad ones are refused without a read outside of them.
 */
#include "tests/host/host.h"

#include "lib/bundle.h"
#include "tests/host/make_archive.h"

struct expected {
    const char *name;
    enum bundle_kind kind;
    const char *content;
};

static void assert_members(const struct archive *archive, const struct expected *expected, size_t count)
{
    uint8_t *data = exact_copy(archive->data, archive->size);
    struct bundle bundle;
    struct bundle_member member;
    size_t cursor = 0;
    char name[BUNDLE_NAME_SIZE];
    assert_int_equal(bundle_open(&bundle, data, archive->size), ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bundle_next(&bundle, &cursor, &member), ERR_NONE);
        assert_int_equal(bundle_member_name(&member, name, sizeof(name)), strlen(expected[i].name));
        assert_string_equal(name, expected[i].name);
        assert_int_equal(member.kind, expected[i].kind);
        assert_int_equal(member.size, strlen(expected[i].content));
        assert_memory_equal(member.data, expected[i].content, member.size);
    }
    assert_int_equal(bundle_next(&bundle, &cursor, &member), ERR_NOT_FOUND);
    assert_int_equal(bundle_next(&bundle, &cursor, &member), ERR_NOT_FOUND);
    free(data);
}

static const struct expected sample[] = {
    {".", BUNDLE_DIRECTORY, ""},          {"sys", BUNDLE_DIRECTORY, ""}, {"sys/core", BUNDLE_FILE, "kernel"},
    {"sys/config", BUNDLE_FILE, "a=b\n"}, {"link", BUNDLE_OTHER, ""},    {"empty", BUNDLE_FILE, ""},
};

static void make_ustar(struct archive *archive)
{
    archive_add_ustar(archive, "", "./", '5', "");
    archive_add_ustar(archive, "", "./sys/", '5', "");
    archive_add_ustar(archive, "", "./sys/core", '0', "kernel");
    archive_add_ustar(archive, "", "sys/config", 0, "a=b\n");
    archive_add_ustar(archive, "", "link", '2', "");
    archive_add_ustar(archive, "", "empty", '0', "");
}

static void make_cpio(struct archive *archive, char format)
{
    archive_add_cpio(archive, format, ".", 0040755, "");
    archive_add_cpio(archive, format, "sys", 0040755, "");
    archive_add_cpio(archive, format, "sys/core", 0100644, "kernel");
    archive_add_cpio(archive, format, "./sys/config", 0100644, "a=b\n");
    archive_add_cpio(archive, format, "link", 0120777, "");
    archive_add_cpio(archive, format, "empty", 0100644, "");
}

static struct archive *new_archive(void)
{
    struct archive *archive = calloc(1, sizeof(*archive));
    assert_non_null(archive);
    return archive;
}

static void ustar_members_come_in_order(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    make_ustar(archive);
    archive_end_ustar(archive);
    assert_members(archive, sample, sizeof(sample) / sizeof(sample[0]));
    free(archive);
}

static void cpio_members_come_in_order(void **state)
{
    (void)state;
    for (int format = '1'; format <= '2'; format++) {
        struct archive *archive = new_archive();
        make_cpio(archive, (char)format);
        archive_end_cpio(archive, (char)format);
        assert_members(archive, sample, sizeof(sample) / sizeof(sample[0]));
        free(archive);
    }
}

static void what_follows_the_end_mark_is_ignored(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    make_ustar(archive);
    archive_end_ustar(archive);
    memset(archive->data + archive->size, 0xa5, 3000);
    archive->size += 3000;
    assert_members(archive, sample, sizeof(sample) / sizeof(sample[0]));
    memset(archive, 0, sizeof(*archive));
    make_cpio(archive, '1');
    archive_end_cpio(archive, '1');
    memset(archive->data + archive->size, 0xa5, 3000);
    archive->size += 3000;
    assert_members(archive, sample, sizeof(sample) / sizeof(sample[0]));
    free(archive);
}

static void a_split_ustar_name_is_found_whole(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    struct bundle bundle;
    struct bundle_member member;
    char name[8];
    archive_add_ustar(archive, "./some/long", "name", '0', "x");
    archive_end_ustar(archive);
    assert_members(archive, &(struct expected){"some/long/name", BUNDLE_FILE, "x"}, 1);
    assert_int_equal(bundle_open(&bundle, archive->data, archive->size), ERR_NONE);
    assert_int_equal(bundle_find(&bundle, "some/long/name", 14, &member), ERR_NONE);
    assert_int_equal(bundle_find(&bundle, "some/long", 9, &member), ERR_NOT_FOUND);
    assert_int_equal(bundle_find(&bundle, "name", 4, &member), ERR_NOT_FOUND);
    assert_int_equal(bundle_find(&bundle, "some/long/names", 15, &member), ERR_NOT_FOUND);
    assert_int_equal(bundle_find(&bundle, "./some/long/name", 16, &member), ERR_NONE);
    assert_int_equal(bundle_member_name(&member, name, sizeof(name)), 14);
    assert_string_equal(name, "some/lo");
    free(archive);
}

static void find_takes_the_first_of_a_name(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    struct bundle bundle;
    struct bundle_member member;
    archive_add_cpio(archive, '1', "a", 0100644, "first");
    archive_add_cpio(archive, '1', "./a", 0100644, "second");
    archive_end_cpio(archive, '1');
    assert_int_equal(bundle_open(&bundle, archive->data, archive->size), ERR_NONE);
    assert_int_equal(bundle_find(&bundle, "./a", 3, &member), ERR_NONE);
    assert_memory_equal(member.data, "first", 5);
    assert_int_equal(bundle_find(&bundle, "/a", 2, &member), ERR_NOT_FOUND);
    assert_int_equal(bundle_find(&bundle, "", 0, &member), ERR_NOT_FOUND);
    free(archive);
}

static enum error last_error(const void *from, size_t size, size_t *members)
{
    uint8_t *data = exact_copy(from, size);
    struct bundle bundle;
    struct bundle_member member;
    size_t cursor = 0;
    enum error error = bundle_open(&bundle, data, size);
    *members = 0;
    while (error == ERR_NONE) {
        error = bundle_next(&bundle, &cursor, &member);
        if (error == ERR_NONE) {
            assert_true(member.data >= data && member.size <= size - (size_t)(member.data - data));
            (*members)++;
        }
    }
    free(data);
    return error;
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    size_t members;
    make_ustar(archive);
    size_t content = archive->size;
    archive_end_ustar(archive);
    for (size_t size = 512; size < content + 512; size++) {
        assert_int_equal(last_error(archive->data, size, &members), ERR_TRUNCATED);
    }
    memset(archive, 0, sizeof(*archive));
    make_cpio(archive, '2');
    archive_end_cpio(archive, '2');
    for (size_t size = 6; size < archive->size - 1; size++) {
        assert_int_equal(last_error(archive->data, size, &members), ERR_TRUNCATED);
    }
    for (size_t size = 0; size < 6; size++) {
        assert_int_equal(last_error(archive->data, size, &members), ERR_BAD_FORMAT);
    }
    free(archive);
}

static void every_damaged_byte_of_a_ustar_header_is_noticed(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    size_t members;
    archive_add_ustar(archive, "", "file", '0', "content");
    archive_end_ustar(archive);
    for (size_t at = 0; at < 512; at++) {
        bool is_sum_padding = at >= 154 && at < 156; /* what ends the sum is not part of it */
        archive->data[at] ^= 0x55;
        enum error error = last_error(archive->data, archive->size, &members);
        assert_true(is_sum_padding || error == ERR_BAD_CHECKSUM || error == ERR_BAD_FORMAT);
        archive->data[at] ^= 0x55;
    }
    free(archive);
}

static void a_false_size_is_refused(void **state)
{
    (void)state;
    static const char *const sizes[] = {"77777777777", "00000002000", "0000000000x", "           ",
                                        "-1         "};
    static const enum error errors[] = {ERR_TRUNCATED, ERR_TRUNCATED, ERR_BAD_FORMAT, ERR_BAD_FORMAT,
                                        ERR_BAD_FORMAT};
    struct archive *archive = new_archive();
    size_t members;
    archive_add_ustar(archive, "", "file", '0', "content");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memcpy(archive->data + 124, sizes[i], 11);
        archive_sum_ustar(archive, 0);
        assert_int_equal(last_error(archive->data, archive->size, &members), errors[i]);
    }
    memset(archive, 0, sizeof(*archive));
    archive_add_cpio(archive, '1', "file", 0100644, "content");
    archive_end_cpio(archive, '1');
    memcpy(archive->data + 54, "FFFFFFFF", 8);
    assert_int_equal(last_error(archive->data, archive->size, &members), ERR_TRUNCATED);
    memcpy(archive->data + 54, "0000000G", 8);
    assert_int_equal(last_error(archive->data, archive->size, &members), ERR_BAD_FORMAT);
    memcpy(archive->data + 54, "00000007", 8);
    memcpy(archive->data + 94, "FFFFFFFF", 8);
    assert_int_equal(last_error(archive->data, archive->size, &members), ERR_TRUNCATED);
    memcpy(archive->data + 94, "00000000", 8);
    assert_int_equal(last_error(archive->data, archive->size, &members), ERR_BAD_FORMAT);
    free(archive);
}

static void a_wrong_sum_of_a_cpio_file_is_noticed(void **state)
{
    (void)state;
    struct archive *archive = new_archive();
    size_t members;
    archive_add_cpio(archive, '2', "file", 0100644, "content");
    archive->data[116] ^= 1;
    archive_end_cpio(archive, '2');
    assert_int_equal(last_error(archive->data, archive->size, &members), ERR_BAD_CHECKSUM);
    free(archive);
}

static void other_data_is_no_archive(void **state)
{
    (void)state;
    static const uint8_t zeroes[2048];
    size_t members;
    assert_int_equal(last_error(zeroes, sizeof(zeroes), &members), ERR_BAD_FORMAT);
    assert_int_equal(last_error("070707", 6, &members), ERR_BAD_FORMAT);
    assert_int_equal(last_error("", 0, &members), ERR_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ustar_members_come_in_order),
        cmocka_unit_test(cpio_members_come_in_order),
        cmocka_unit_test(what_follows_the_end_mark_is_ignored),
        cmocka_unit_test(a_split_ustar_name_is_found_whole),
        cmocka_unit_test(find_takes_the_first_of_a_name),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(every_damaged_byte_of_a_ustar_header_is_noticed),
        cmocka_unit_test(a_false_size_is_refused),
        cmocka_unit_test(a_wrong_sum_of_a_cpio_file_is_noticed),
        cmocka_unit_test(other_data_is_no_archive),
    };
    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
