/* Payloads written by hand: those of later versions are read, those that lie are damage. */
#include "format/decode.h"
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Stacks 0 to 5, function 0 and 1, one process, two threads and 100 allocations are from earlier
 * blocks. */
static const struct block_info earlier = {
    .sequence = 3,
    .first_alloc = 100,
    .first_function = 2,
    .first_stack = 6,
    .first_process = 1,
    .first_thread = 2,
    .thread = 0,
    .start_ns = 50,
};

/* A payload of six columns, and the counts that its header claims. */
struct hand {
    uint8_t bytes[300];
    struct block_info info;
};

#define HAND(events, allocs, ...)                                                                  \
    hand(events, allocs, (const char *const[]){__VA_ARGS__}, (const size_t[]){LENGTHS(__VA_ARGS__)})
#define LENGTHS(a, b, c, d, e, f)                                                                  \
    sizeof(a) - 1, sizeof(b) - 1, sizeof(c) - 1, sizeof(d) - 1, sizeof(e) - 1, sizeof(f) - 1

static struct hand hand(uint32_t events, uint32_t allocs, const char *const *columns,
                        const size_t *lengths)
{
    struct hand h = {.info = earlier};
    uint8_t *at = h.bytes;
    *at++ = 6;
    for (int i = 0; i < 6; i++)
        *at++ = (uint8_t)lengths[i];
    for (int i = 0; i < 6; at += lengths[i++])
        memcpy(at, columns[i], lengths[i]);
    h.info.payload_bytes = (uint32_t)(at - h.bytes);
    h.info.op_count = (uint32_t)lengths[0];
    h.info.event_count = events;
    h.info.alloc_count = allocs;
    return h;
}

/* The same in the coding of version 2, whose seventh column is of pages. */
static struct hand hand_2(uint32_t events, uint32_t allocs, const char *ops, const char *addresses,
                          size_t address_bytes, const char *pages, size_t page_bytes)
{
    size_t op_bytes = strlen(ops);
    struct hand h = {.info = earlier};
    const uint8_t lengths[] = {7, (uint8_t)op_bytes,      0, 0,
                               0, (uint8_t)address_bytes, 0, (uint8_t)page_bytes};
    uint8_t *at = mempcpy(h.bytes, lengths, sizeof lengths);
    at = mempcpy(at, ops, op_bytes);
    at = mempcpy(at, addresses, address_bytes);
    at = mempcpy(at, pages, page_bytes);
    h.info.coding = CODING_2;
    h.info.payload_bytes = (uint32_t)(at - h.bytes);
    h.info.op_count = (uint32_t)op_bytes;
    h.info.event_count = events;
    h.info.alloc_count = allocs;
    return h;
}
#define HAND_2(events, allocs, ops, addresses, pages)                                              \
    hand_2(events, allocs, ops, addresses, sizeof(addresses) - 1, pages, sizeof(pages) - 1)

/* Reads the whole block from exactly sized memory. Returns 0 or the error; *words has the events
 * before it. */
static int read_block(struct decoder *d, const struct hand *h, int max, struct words *words)
{
    struct err err = {0};
    struct event events[16];
    uint8_t *exact = malloc(h->info.payload_bytes);
    memcpy(exact, h->bytes, h->info.payload_bytes);
    int count = decoder_open(d, &h->info, exact, &err);
    while (count == 0 && (count = decoder_read(d, events, max, &err)) > 0) {
        for (int i = 0; i < count; i++)
            words_event(words, &events[i]);
        count = 0;
    }
    if (count < 0) {
        assert_int_equal(err.code, count);
        assert_true(strlen(err.text) > 10);
        assert_int_equal(decoder_read(d, events, max, NULL), count); /* and stays so */
    }
    free(exact);
    return count;
}

static void reads(struct hand h, const char *expected)
{
    for (int max = 1; max <= 16; max++) {
        struct decoder *d = decoder_new();
        struct words words = {0};
        words_add(&words, "%s", "");
        assert_int_equal(read_block(d, &h, max, &words), 0);
        assert_string_equal(words.text, expected);
        free(words.text);
        decoder_free(d);
    }
}

static void damaged(struct hand h)
{
    struct decoder *d = decoder_new();
    struct words words = {0};
    struct event events[16];
    assert_int_equal(read_block(d, &h, 16, &words), -ERR_DAMAGED);
    free(words.text);
    decoder_free(d);
    d = decoder_new(); /* for one who does not want to know why */
    int result = decoder_open(d, &h.info, h.bytes, NULL);
    while (result == 0 && (result = decoder_read(d, events, 16, NULL)) > 0)
        result = 0;
    assert_int_equal(result, -ERR_DAMAGED);
    decoder_free(d);
}

static void test_decode__the_worked_example_of_the_format(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x06, 0x03, 0x01, 0x02, 0x00, 0x00, 0x01,
                                    0xC4, 0x60, 0x80, 0x04, 0xC8, 0x01, 0x00};
    struct hand h = {.info = earlier};
    memcpy(h.bytes, bytes, sizeof bytes);
    h.info.payload_bytes = sizeof bytes;
    h.info.op_count = 3;
    h.info.event_count = 2;
    h.info.alloc_count = 1;
    h.info.thread = ID_NONE;
    reads(h, "current thread 0\nalloc 100 allocator 0 stack 2 size 100\nfree 100\n");
}

static void test_decode__predictions_and_distances(void **state)
{
    (void)state;
    reads(HAND(9, 4, "\x6D\x61\x2D\x01\x80\x83\xB1\xA0\xC0", "\x06\x04\x03", "\x40\x80\x01", "\x01",
               "", ""),
          "alloc 100 allocator 13 stack 3 size 32\n"
          "alloc 101 allocator 1 stack 5 size 64\n"
          "alloc 102 allocator 13 stack 3 size 32\n"
          "alloc 103 allocator 1 stack 5 size 64\n"
          "free 103\nfree 100\nfree 101\nfree 85\nfree 84\n");
}

/* A new page (0x1000 units of 16), 2 units behind, as far again as expected; the newest and the
 * third newest freed; both places expected again, the last one first; a byte before, and from
 * the last new page on one unit. */
static void test_decode__addresses(void **state)
{
    (void)state;
    reads(HAND_2(9, 0, "\xC2\x01\xC2\x01\xE8\x01\xC8\xCA\xE8\x01\xE8\x01\xC1\xC1",
                 "\x80\x40\x04\x01\x02", "\x40\x04\x84\x40"),
          "alloc at 0x10000 allocator 1 stack 0 size 0\n"
          "alloc at 0x10020 allocator 1 stack 0 size 0\n"
          "alloc at 0x10040 allocator 1 stack 0 size 0\n"
          "free at 0x10040\nfree at 0x10000\n"
          "alloc at 0x10000 allocator 1 stack 0 size 0\n"
          "alloc at 0x10040 allocator 1 stack 0 size 0\n"
          "free at 0x1003f\nfree at 0x10010\n");
}

static void test_decode__addresses_that_cannot_be_are_damage(void **state)
{
    (void)state;
    reads(HAND_2(2, 0, "\xC2\x01\xC8", "\x02", "\x40"),
          "alloc at 0x10 allocator 1 stack 0 size 0\nfree at 0x10\n");
    damaged(HAND_2(2, 0, "\xC2\x01\xC9", "\x02", "\x40")); /* only one was allocated */
    damaged(HAND_2(1, 0, "\xC8", "", ""));
    damaged(HAND_2(1, 0, "\xC1", "\x02", ""));
    damaged(HAND_2(1, 0, "\xC1", "", "\x40"));
    damaged(HAND_2(1, 0, "\xC1", "\x02", "\x41")); /* no such page */
    damaged(HAND_2(1, 0, "\xC1", "\x02", "\xC1"));
    damaged(HAND_2(1, 0, "\xE8", "", ""));
    damaged(HAND_2(1, 0, "\x80", "", "\x40")); /* left over */
    damaged(HAND_2(0, 0, "\xEA", "", ""));     /* reserved */
}

static void test_decode__a_block_has_the_ops_of_its_coding(void **state)
{
    (void)state;
    struct hand h = HAND_2(1, 0, "\xE8\x01", "", "");
    reads(h, "alloc at 0x0 allocator 1 stack 0 size 0\n");
    h.info.coding = CODING_LIMIT;
    damaged(h);
    h.info.coding = CODING_1;
    damaged(h);
    h = HAND(1, 0, "\x80", "", "", "", "", "");
    h.info.coding = CODING_2; /* which has seven columns */
    damaged(h);
}

static void test_decode__records_of_later_versions_are_skipped(void **state)
{
    (void)state;
    reads(HAND(0, 0, "\xC7\xC7\xC5", "", "", "", "",
               "\x63\x03xyz"
               "\x0F\x05\x03"
               "now\x07"
               "\x0A"),
          "mark name \"now\"\ntime 60\n");
}

static void test_decode__columns_of_later_versions_are_passed_over(void **state)
{
    (void)state;
    struct hand h = {.info = earlier};
    static const uint8_t bytes[] = {0x07, 1, 0, 0, 0, 0, 0, 3, 0x80, 'n', 'e', 'w'};
    memcpy(h.bytes, bytes, sizeof bytes);
    h.info.payload_bytes = sizeof bytes;
    h.info.op_count = 1;
    h.info.event_count = 1;
    reads(h, "free 99\n");
}

static void test_decode__ops_that_do_not_exist_are_damage(void **state)
{
    (void)state;
    for (unsigned op = 0xC8; op <= 0xFF; op++) {
        struct hand h = HAND(0, 0, "?", "", "", "", "", "");
        h.bytes[7] = (uint8_t)op;
        damaged(h);
    }
}

static void test_decode__ids_that_nothing_defined_are_damage(void **state)
{
    (void)state;
    damaged(HAND(1, 1, "\x20", "\x0C", "", "", "", ""));     /* stack 6 */
    damaged(HAND(1, 1, "\x20", "\x01", "", "", "", ""));     /* stack -1 */
    damaged(HAND(0, 0, "\xC4", "", "", "", "", "\x02"));     /* thread 2 */
    damaged(HAND(0, 0, "\xC6", "", "", "", "", "\x0C\0\0")); /* parent 6 */
    damaged(HAND(0, 0, "\xC6", "", "", "", "", "\0\x04\0")); /* function 2 */
    damaged(HAND(1, 0, "\xC0", "", "", "\x00", "", ""));     /* index 100 */
    damaged(HAND(1, 0, "\xB0", "", "", "", "", ""));         /* index 100 */
    damaged(HAND(1, 0, "\xC0", "", "", "\xC9\x01", "", "")); /* index -1 */
    reads(HAND(1, 0, "\xC0", "", "", "\xC7\x01", "", ""), "free 0\n");
}

static void test_decode__recent_frees_before_the_first_allocation_are_damage(void **state)
{
    (void)state;
    struct hand h = HAND(1, 0, "\x80", "", "", "", "", "");
    h.info.first_alloc = 0;
    damaged(h);
    h = HAND(1, 0, "\xAF", "", "", "", "", "");
    h.info.first_alloc = 0;
    damaged(h);
}

static void test_decode__columns_that_end_early_are_damage(void **state)
{
    (void)state;
    damaged(HAND(1, 1, "\x20", "", "", "", "", ""));
    damaged(HAND(1, 1, "\x40", "", "", "", "", ""));
    damaged(HAND(1, 1, "\x40", "", "\x80", "", "", ""));
    damaged(HAND(1, 0, "\xC0", "", "", "", "", ""));
    damaged(HAND(1, 0, "\xC1", "", "", "", "", ""));
    damaged(HAND(1, 0, "\xC2", "", "", "", "\x02", ""));         /* an address and no ALLOC */
    damaged(HAND(1, 0, "\xC2\xC1", "", "", "", "\x02\x02", "")); /* or something else */
    damaged(HAND(1, 0, "\xC2\x80", "", "", "", "\x02", ""));
    damaged(HAND(0, 0, "\xC4", "", "", "", "", ""));
    damaged(HAND(0, 0, "\xC5", "", "", "", "", ""));
    damaged(HAND(0, 0, "\xC6", "", "", "", "", "\x00\x00"));
    damaged(HAND(0, 0, "\xC7", "", "", "", "", "\x0F"));
    damaged(HAND(0, 0, "\xC7", "", "", "", "", "\x0F\x05\x03no"));
}

static void test_decode__what_is_left_over_is_damage(void **state)
{
    (void)state;
    damaged(HAND(1, 0, "\x80", "\x00", "", "", "", ""));
    damaged(HAND(1, 0, "\x80", "", "\x00", "", "", ""));
    damaged(HAND(1, 0, "\x80", "", "", "\x00", "", ""));
    damaged(HAND(1, 0, "\x80", "", "", "", "\x00", ""));
    damaged(HAND(1, 0, "\x80", "", "", "", "", "\x00"));
}

static void test_decode__counts_that_the_columns_do_not_hold_are_damage(void **state)
{
    (void)state;
    damaged(HAND(2, 0, "\x80", "", "", "", "", ""));
    damaged(HAND(1, 1, "\x80", "", "", "", "", ""));
    damaged(HAND(1, 0, "\x00", "", "", "", "", ""));
    struct hand h = HAND(1, 0, "\x80", "", "", "", "", "");
    h.info.op_count = 2;
    damaged(h);
    reads(HAND(1, 0, "\x80", "", "", "", "", ""), "free 99\n");
}

static void test_decode__directories_that_lie_are_damage(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t length;
    } rows[] = {
        {"\x06\x01\0\0\0\0\0", 7},       /* longer than the payload */
        {"\x06\x00\0\0\0\0\0\x80", 8},   /* shorter */
        {"\x05\0\0\0\0\0", 6},           /* a column too few */
        {"\x06\0\0\0\0\0", 6},           /* a length too few */
        {"\xFF\xFF\xFF\xFF\x0F\0\0", 7}, /* four billion columns */
        {"\x06\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01\0\0\0\0\0\x80", 17}, /* a length of 2^63 + 1
                                                                             */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hand h = {.info = earlier};
        memcpy(h.bytes, rows[i].bytes, rows[i].length);
        h.info.payload_bytes = rows[i].length;
        damaged(h);
    }
}

static void test_decode__column_lengths_cannot_run_over(void **state)
{
    (void)state;
    /* one op, which reads a size; stacks and sizes of 2^63 bytes add up to nothing */
    static const uint8_t bytes[] = {6,    1,    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                    0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                    0x80, 0x80, 0x80, 0x01, 0,    0,    0,    0x40};
    struct hand h = {.info = earlier};
    memcpy(h.bytes, bytes, sizeof bytes);
    h.info.payload_bytes = sizeof bytes;
    h.info.op_count = h.info.event_count = h.info.alloc_count = 1;
    damaged(h);
}

static void test_decode__headers_that_cannot_be_are_damage(void **state)
{
    (void)state;
    const struct hand good = HAND(1, 0, "\x80", "", "", "", "", "");
    struct hand h = good;
    h.info.first_stack = 1;
    damaged(h);
    h = good;
    h.info.first_function = 0;
    damaged(h);
    h = good;
    h.info.thread = 2;
    damaged(h);
    h = good;
    h.info.first_alloc = UINT64_MAX;
    damaged(h);
    h = good;
    h.info.start_ns = UINT64_MAX;
    damaged(h);
}

static void test_decode__a_time_cannot_run_over(void **state)
{
    (void)state;
    struct hand h =
        HAND(0, 0, "\xC5\xC5", "", "", "", "",
             "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F");
    h.info.start_ns = 0;
    damaged(h);
}

/* A block that is one step of time of so many times 131,072 ns. */
static struct hand coarse_time(uint64_t start_ns, const char *advance)
{
    size_t bytes = strlen(advance);
    struct hand h = {.info = earlier};
    const uint8_t head[] = {7, 1, 0, 0, 0, 0, (uint8_t)bytes, 0, 0xE9};
    memcpy(mempcpy(h.bytes, head, sizeof head), advance, bytes);
    h.info.coding = CODING_2;
    h.info.start_ns = start_ns;
    h.info.payload_bytes = (uint32_t)(sizeof head + bytes);
    h.info.op_count = 1;
    return h;
}

static void test_decode__a_time_in_coarse_steps_cannot_run_over(void **state)
{
    (void)state;
    const char *most = "\xFF\xFF\xFF\xFF\xFF\xFF\x0F", *more = "\x80\x80\x80\x80\x80\x80\x10";
    reads(coarse_time(0, most), "time 9223372036854644736\n"); /* (2^46 - 1) * 2^17 */
    damaged(coarse_time(0, more));
    damaged(coarse_time(131072, most));
    reads(coarse_time(131071, most), "time 9223372036854775807\n");
}

static void test_decode__events_before_damage_are_given(void **state)
{
    (void)state;
    struct hand h = HAND(3, 1, "\x00\x80\xFF", "", "", "", "", "");
    struct decoder *d = decoder_new();
    struct words words = {0};
    assert_int_equal(read_block(d, &h, 16, &words), -ERR_DAMAGED);
    assert_string_equal(words.text, "alloc 100 allocator 0 stack 0 size 0\nfree 100\n");
    free(words.text);
    decoder_free(d);
}

static void test_decode__a_block_must_continue_the_one_before(void **state)
{
    (void)state;
    struct decoder *d = decoder_new();
    struct words words = {0};
    struct hand first = HAND(1, 1, "\x00", "", "", "", "", ""), second = first;
    second.info.sequence = 4;
    second.info.first_alloc = 101;
    assert_int_equal(read_block(d, &first, 16, &words), 0);
    assert_int_equal(read_block(d, &second, 16, &words), 0);
    second.info.sequence = 5;
    assert_int_equal(read_block(d, &second, 16, &words), -ERR_DAMAGED); /* 101 again */
    second.info.sequence = 9;
    assert_int_equal(read_block(d, &second, 16, &words), 0); /* after a gap anything may come */
    second.info.sequence = 10;
    second.info.first_alloc = 102;
    second.info.first_stack = 5;
    assert_int_equal(read_block(d, &second, 16, &words), -ERR_DAMAGED);
    free(words.text);
    decoder_free(d);
}

static void test_decode__nothing_is_read_before_a_block_is_opened(void **state)
{
    (void)state;
    struct decoder *d = decoder_new();
    struct event ev;
    assert_int_equal(decoder_read(d, &ev, 1, NULL), -ERR_DAMAGED);
    decoder_free(d);
    decoder_free(NULL);
}

/* Random columns under random headers: no crash, no id out of bounds. */
static void test_decode__random_columns_are_events_or_damage(void **state)
{
    (void)state;
    uint64_t seed = 8;
    struct decoder *d = decoder_new();
    for (int round = 0; round < 30000; round++) {
        char columns[6][40];
        const char *at[6];
        size_t lengths[6];
        for (int i = 0; i < 6; i++) {
            lengths[i] = random_below(&seed, 40);
            at[i] = columns[i];
            for (size_t j = 0; j < lengths[i]; j++)
                columns[i][j] = (char)(random_bits(&seed) >> random_below(&seed, 8));
        }
        struct hand h =
            hand((uint32_t)random_below(&seed, 40), (uint32_t)random_below(&seed, 40), at, lengths);
        struct words words = {0};
        int result = read_block(d, &h, 1 + (int)random_below(&seed, 16), &words);
        assert_true(result == 0 || result == -ERR_DAMAGED);
        free(words.text);
    }
    decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode__the_worked_example_of_the_format),
        cmocka_unit_test(test_decode__predictions_and_distances),
        cmocka_unit_test(test_decode__addresses),
        cmocka_unit_test(test_decode__addresses_that_cannot_be_are_damage),
        cmocka_unit_test(test_decode__a_block_has_the_ops_of_its_coding),
        cmocka_unit_test(test_decode__records_of_later_versions_are_skipped),
        cmocka_unit_test(test_decode__columns_of_later_versions_are_passed_over),
        cmocka_unit_test(test_decode__ops_that_do_not_exist_are_damage),
        cmocka_unit_test(test_decode__ids_that_nothing_defined_are_damage),
        cmocka_unit_test(test_decode__recent_frees_before_the_first_allocation_are_damage),
        cmocka_unit_test(test_decode__columns_that_end_early_are_damage),
        cmocka_unit_test(test_decode__what_is_left_over_is_damage),
        cmocka_unit_test(test_decode__counts_that_the_columns_do_not_hold_are_damage),
        cmocka_unit_test(test_decode__directories_that_lie_are_damage),
        cmocka_unit_test(test_decode__column_lengths_cannot_run_over),
        cmocka_unit_test(test_decode__headers_that_cannot_be_are_damage),
        cmocka_unit_test(test_decode__a_time_cannot_run_over),
        cmocka_unit_test(test_decode__a_time_in_coarse_steps_cannot_run_over),
        cmocka_unit_test(test_decode__events_before_damage_are_given),
        cmocka_unit_test(test_decode__a_block_must_continue_the_one_before),
        cmocka_unit_test(test_decode__nothing_is_read_before_a_block_is_opened),
        cmocka_unit_test(test_decode__random_columns_are_events_or_damage),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
