/* lib/gunzip: streams that zlib made in every way, and damaged ones, which never come out as something else.
 */
#include "tests/host/host.h"

#include <zlib.h>

#include "lib/gunzip.h"

#define PLAIN_MOST  300000
#define PACKED_MOST 400000

static struct gunzip_work work;

struct packed {
    uint8_t data[PACKED_MOST];
    size_t size;
};

/* Compress as one member at the end of what is there. */
static void pack(struct packed *packed, const void *plain, size_t size, int level, int strategy,
                 gz_headerp header)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, strategy), Z_OK);
    if (header != NULL) {
        assert_int_equal(deflateSetHeader(&stream, header), Z_OK);
    }
    stream.next_in = (Bytef *)(uintptr_t)plain;
    stream.avail_in = (uInt)size;
    stream.next_out = packed->data + packed->size;
    stream.avail_out = (uInt)(sizeof(packed->data) - packed->size);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed->size += stream.total_out;
    deflateEnd(&stream);
}

static struct packed *new_packed(void)
{
    struct packed *packed = calloc(1, sizeof(*packed));
    assert_non_null(packed);
    return packed;
}

/* Expand from memory of exactly this size into memory of exactly the measured size. */
static enum error expand(const void *data, size_t size, uint64_t limit, uint8_t **plain, uint64_t *plain_size)
{
    uint8_t *copy = exact_copy(data, size);
    *plain = NULL;
    enum error error = gunzip_measure(copy, size, limit, &work, plain_size);
    if (error == ERR_NONE) {
        *plain = malloc(*plain_size > 0 ? *plain_size : 1);
        error = gunzip(copy, size, &work, *plain, *plain_size);
        assert_int_equal(error, ERR_NONE);
    }
    free(copy);
    return error;
}

static void assert_expands(const struct packed *packed, const void *plain, size_t size)
{
    uint8_t *out;
    uint64_t out_size;
    assert_int_equal(expand(packed->data, packed->size, size, &out, &out_size), ERR_NONE);
    assert_int_equal(out_size, size);
    assert_memory_equal(out, plain, size);
    free(out);
}

/* Bytes with repetitions near and far, as far as `variety` allows. */
static void fill(uint8_t *plain, size_t size, unsigned variety, uint64_t *seed)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t number = next_number(seed);
        bool repeats = i > 0 && number % 8 != 0 && variety < 256;
        plain[i] = repeats ? plain[i - 1 - (number >> 8) % (i < 40000 ? i : 40000)]
                           : (uint8_t)(number >> 40) % variety;
    }
}

static void what_zlib_makes_is_expanded(void **state)
{
    (void)state;
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
    static const size_t sizes[] = {0, 1, 2, 1000, 32767, 32768, 32769, 65536, PLAIN_MOST};
    static uint8_t plain[PLAIN_MOST];
    struct packed *packed = new_packed();
    uint64_t seed = 42;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int level = 0; level <= 9; level += 3) {
            fill(plain, sizes[i], level == 3 ? 256 : 20, &seed);
            packed->size = 0;
            pack(packed, plain, sizes[i], level, strategies[(i + (size_t)level) % 5], NULL);
            assert_expands(packed, plain, sizes[i]);
        }
    }
    free(packed);
}

static void members_in_a_row_are_one(void **state)
{
    (void)state;
    struct packed *packed = new_packed();
    pack(packed, "one ", 4, 9, Z_DEFAULT_STRATEGY, NULL);
    pack(packed, "", 0, 9, Z_DEFAULT_STRATEGY, NULL);
    pack(packed, "two", 3, 0, Z_DEFAULT_STRATEGY, NULL);
    assert_expands(packed, "one two", 7);
    memset(packed->data + packed->size, 0, 5000);
    packed->size += 5000;
    assert_expands(packed, "one two", 7);
    free(packed);
}

static void optional_header_fields_are_skipped(void **state)
{
    (void)state;
    struct packed *packed = new_packed();
    gz_header header = {.extra = (Bytef *)(uintptr_t) "extra",
                        .extra_len = 5,
                        .name = (Bytef *)(uintptr_t) "name",
                        .comment = (Bytef *)(uintptr_t) "comment",
                        .hcrc = 1};
    uint8_t *out;
    uint64_t out_size;
    pack(packed, "content", 7, 9, Z_DEFAULT_STRATEGY, &header);
    assert_expands(packed, "content", 7);
    packed->data[14] ^= 1; /* in the extra field: only the header's CRC can tell */
    assert_int_equal(expand(packed->data, packed->size, 100, &out, &out_size), ERR_BAD_CHECKSUM);
    packed->data[14] ^= 1;
    packed->data[3] |= 0x20;
    assert_int_equal(expand(packed->data, packed->size, 100, &out, &out_size), ERR_BAD_FORMAT);
    free(packed);
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    struct packed *packed = new_packed();
    static uint8_t plain[3000];
    uint64_t seed = 7;
    gz_header header = {.name = (Bytef *)(uintptr_t) "name", .hcrc = 1};
    fill(plain, sizeof(plain), 30, &seed);
    pack(packed, plain, sizeof(plain), 9, Z_DEFAULT_STRATEGY, &header);
    for (size_t size = 3; size < packed->size; size++) {
        uint8_t *out;
        uint64_t out_size;
        assert_int_equal(expand(packed->data, size, sizeof(plain), &out, &out_size), ERR_TRUNCATED);
    }
    free(packed);
}

/*
 * Some bits mean nothing: the time, the extra flags, the system and the text flag in the header, the rest of
 * the last byte, the lengths of codes that are not used. All others are noticed.
 */
static void no_flipped_bit_changes_the_content(void **state)
{
    (void)state;
    struct packed *packed = new_packed();
    static uint8_t plain[2000];
    uint64_t seed = 9;
    int unnoticed = 0;
    fill(plain, sizeof(plain), 40, &seed);
    pack(packed, plain, sizeof(plain), 6, Z_DEFAULT_STRATEGY, NULL);
    for (size_t bit = 0; bit < packed->size * 8; bit++) {
        uint8_t *out;
        uint64_t out_size;
        packed->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (expand(packed->data, packed->size, 1 << 20, &out, &out_size) == ERR_NONE) {
            unnoticed++;
            assert_int_equal(out_size, sizeof(plain));
            assert_memory_equal(out, plain, sizeof(plain));
        }
        packed->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        free(out);
    }
    assert_true(unnoticed >= 6 * 8 + 1);
    free(packed);
}

static void a_false_sum_or_length_is_named(void **state)
{
    (void)state;
    struct packed *packed = new_packed();
    uint8_t *out;
    uint64_t out_size;
    pack(packed, "content", 7, 9, Z_DEFAULT_STRATEGY, NULL);
    packed->data[packed->size - 8] ^= 1;
    assert_int_equal(expand(packed->data, packed->size, 100, &out, &out_size), ERR_BAD_CHECKSUM);
    packed->data[packed->size - 8] ^= 1;
    packed->data[packed->size - 1] ^= 0x80; /* it now claims more than 2 GiB */
    assert_int_equal(expand(packed->data, packed->size, 100, &out, &out_size), ERR_BAD_CHECKSUM);
    free(packed);
}

static void the_limit_holds(void **state)
{
    (void)state;
    struct packed *packed = new_packed();
    static uint8_t zeroes[PLAIN_MOST];
    uint8_t *out;
    uint64_t out_size;
    pack(packed, zeroes, PLAIN_MOST, 9, Z_DEFAULT_STRATEGY, NULL);
    assert_int_equal(expand(packed->data, packed->size, PLAIN_MOST - 1, &out, &out_size), ERR_TOO_LARGE);
    assert_int_equal(expand(packed->data, packed->size, 0, &out, &out_size), ERR_TOO_LARGE);
    assert_expands(packed, zeroes, PLAIN_MOST);
    assert_int_equal(gunzip(packed->data, packed->size, &work, zeroes, 1000), ERR_TOO_LARGE);
    assert_int_equal(gunzip(packed->data, (size_t)1 << 31, &work, zeroes, 1000), ERR_TOO_LARGE);
    free(packed);
}

/* Random bits after a good header, so that tables of all kinds are tried; nothing may be believed. */
static void random_streams_are_refused(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 20000; round++) {
        uint8_t data[200] = {0x1f, 0x8b, 8};
        size_t size = 11 + next_number(&seed) % (sizeof(data) - 11);
        uint8_t *out;
        uint64_t out_size;
        for (size_t i = 10; i < size; i++) {
            data[i] = (uint8_t)(next_number(&seed) >> 20);
        }
        assert_int_not_equal(expand(data, size, 1 << 20, &out, &out_size), ERR_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_zlib_makes_is_expanded),
        cmocka_unit_test(members_in_a_row_are_one),
        cmocka_unit_test(optional_header_fields_are_skipped),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(no_flipped_bit_changes_the_content),
        cmocka_unit_test(a_false_sum_or_length_is_named),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(random_streams_are_refused),
    };
    return cmocka_run_group_tests_name("gunzip", tests, NULL, NULL);
}
