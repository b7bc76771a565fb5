/* The encoder's bytes, written by hand from FORMAT.md, and its refusals. */
#include "format/crc32.h"
#include "format/encode.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint8_t payload[PAYLOAD_MAX_BYTES];
static struct block_info info;

static int append(struct encoder *e, struct event ev) { return encoder_append(e, &ev, NULL); }

static int append_record(struct encoder *e, struct record record)
{
    return append(e, (struct event){.kind = EVENT_RECORD, .record = &record});
}

/* An encoder with process 0, thread 0, functions 0 and 1, stacks 0 to 9, in an open block that is
 * empty. */
static struct encoder *prepared(void)
{
    struct encoder *e = encoder_new();
    assert_non_null(e);
    append_record(e, (struct record){.type = RECORD_PROCESS, .process.parent = ID_NONE});
    append_record(e, (struct record){.type = RECORD_THREAD});
    append_record(e, (struct record){.type = RECORD_FUNCTION});
    for (uint32_t i = 2; i < 10; i++)
        append(e, (struct event){.kind = EVENT_STACK, .function = 1, .line = i});
    assert_int_equal(encoder_seal(e, payload, sizeof payload, &info), 0);
    return e;
}

/* Seals and compares the columns with those in hand, given as literals of the seven. */
#define SEALED(e, ...)                                                                             \
    sealed(e, (const char *const[]){__VA_ARGS__}, (const size_t[]){LENGTHS(__VA_ARGS__)})
#define LENGTHS(a, b, c, d, f, g, h)                                                               \
    sizeof(a) - 1, sizeof(b) - 1, sizeof(c) - 1, sizeof(d) - 1, sizeof(f) - 1, sizeof(g) - 1,      \
        sizeof(h) - 1

static void sealed(struct encoder *e, const char *const *columns, const size_t *lengths)
{
    uint8_t expected[1000];
    size_t at = 0;
    expected[at++] = 7;
    for (int i = 0; i < 7; i++)
        expected[at++] = (uint8_t)lengths[i];
    for (int i = 0; i < 7; i++) {
        memcpy(expected + at, columns[i], lengths[i]);
        at += lengths[i];
    }
    assert_true(encoder_bound(e) >= at);
    assert_int_equal(encoder_seal(e, payload, sizeof payload, &info), 0);
    assert_int_equal(info.payload_bytes, at);
    assert_memory_equal(payload, expected, at);
    assert_int_equal(info.op_count, lengths[0]);
    assert_int_equal(info.payload_crc32, crc32_update(0, expected, at));
}

static void test_encode__the_worked_example_of_the_format(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    append(e, (struct event){.kind = EVENT_THREAD, .thread = 0});
    assert_int_equal(encoder_alloc(e, ALLOCATOR_MALLOC, 2, 100), 0);
    assert_int_equal(encoder_free_index(e, 0), 0);
    assert_int_equal(encoder_seal(e, payload, sizeof payload, &info), 0);
    static const uint8_t expected[] = {0x07, 0x03, 0x01, 0x01, 0x00, 0x00, 0x01,
                                       0x00, 0xC4, 0x60, 0x80, 0x04, 0x64, 0x00};
    assert_int_equal(info.payload_bytes, sizeof expected);
    assert_memory_equal(payload, expected, sizeof expected);
    encoder_free(e);
}

static void test_encode__a_loop_over_two_stacks_needs_one_byte_an_allocation(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    for (int i = 0; i < 4; i++) {
        encoder_alloc(e, ALLOCATOR_PY_OBJ, 3, 32);
        encoder_alloc(e, ALLOCATOR_CALLOC, 5, 64);
    }
    /* 3 given (+3), 5 given (+2), 3 after 5 not known yet (-2), then all predicted */
    SEALED(e, "\x6D\x61\x2D\x01\x0D\x01\x0D\x01", "\x06\x04\x03", "\x20\x40", "", "", "", "");
    encoder_free(e);
}

static void test_encode__the_first_allocation_is_predicted_without_stack_and_size(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    encoder_alloc(e, ALLOCATOR_MALLOC, 0, 0);
    encoder_alloc(e, ALLOCATOR_MALLOC, 0, 5);
    encoder_alloc(e, ALLOCATOR_MALLOC, 0, 4);
    SEALED(e, "\x00\x40\x40", "", "\x05\x04", "", "", "", "");
    encoder_free(e);
}

static void test_encode__frees_by_distance(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    for (int i = 0; i < 100; i++)
        encoder_alloc(e, 0, 0, 0);
    encoder_seal(e, payload, sizeof payload, &info);
    assert_int_equal(info.alloc_count, 100);
    assert_int_equal(encoder_next_alloc(e), 100);
    encoder_free_index(e, 99); /* recent 0 */
    encoder_free_index(e, 68); /* recent 31 */
    encoder_free_index(e, 67); /* 32 back, but next to 68: near -1 */
    encoder_free_index(e, 51); /* near -16 */
    encoder_free_index(e, 66); /* near +15 */
    encoder_free_index(e, 49); /* far: -17 */
    encoder_free_index(e, 65); /* far: +16 */
    SEALED(e, "\x80\x9F\xAF\xA0\xBF\xC0\xC0", "", "", "\x21\x20", "", "", "");
    assert_int_equal(info.event_count, 7);
    assert_int_equal(info.first_event, 100);
    encoder_free(e);
}

static void test_encode__far_frees_start_from_the_blocks_first_allocation(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    for (int i = 0; i < 100; i++)
        encoder_alloc(e, 0, 0, 0);
    encoder_seal(e, payload, sizeof payload, &info);
    encoder_free_index(e, 0);
    SEALED(e, "\xC0", "", "", "\xC7\x01", "", "", ""); /* zigzag(-100) = 199 */
    encoder_free(e);
}

static void test_encode__what_is_coded_by_address(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    append(e, (struct event){
                  .kind = EVENT_ALLOC_ADDRESS, .stack = 2, .size_bytes = 1, .address = 0x1000});
    append(e, (struct event){.kind = EVENT_FREE_ADDRESS, .address = 0xFF0});
    append(e, (struct event){.kind = EVENT_UNFREE});
    assert_int_equal(encoder_next_alloc(e), 0);
    /* page new: 0x1000 / 16 = 256 from 0; then 16 bytes before, in the same page */
    SEALED(e, "\xC2\x60\xC1\xC3", "\x04", "\x01", "", "\x80\x04\x01", "", "\x40\x00");
    assert_int_equal(info.event_count, 2);
    assert_int_equal(info.alloc_count, 0);
    encoder_free(e);
}

/* Three blocks of 32 bytes in a row, two of them freed, their places taken again, one more behind.
 */
static void test_encode__addresses_as_an_allocator_gives_them_need_no_bytes(void **state)
{
    (void)state;
    static const uint64_t addresses[] = {0x10000, 0x10020, 0x10040, 0x10000, 0x10040, 0x10060};
    struct encoder *e = prepared();
    for (int i = 0; i < 6; i++) {
        append(e, (struct event){.kind = EVENT_ALLOC_ADDRESS,
                                 .stack = 2,
                                 .size_bytes = 32,
                                 .address = addresses[i]});
        if (i == 2) {
            append(e, (struct event){.kind = EVENT_FREE_ADDRESS, .address = 0x10040});
            append(e, (struct event){.kind = EVENT_FREE_ADDRESS, .address = 0x10000});
        }
    }
    append(e, (struct event){.kind = EVENT_FREE_ADDRESS, .address = 0x10003}); /* -93 bytes */
    SEALED(e, "\xC2\x60\xC2\x20\xE8\x00\xC8\xCA\xE8\x00\xE8\x00\xE8\x00\xC1", "\x04\x00", "\x20",
           "", "\x80\x40\x04\xB9\x01", "", "\x40\x04\x84");
    assert_int_equal(info.event_count, 9);
    encoder_free(e);
}

/* Two allocators in turn: from the third on, the first one's stacks are told from its own last. */
static void test_encode__allocators_that_take_turns_go_on_from_their_own_stacks(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    encoder_alloc(e, ALLOCATOR_MALLOC, 2, 0);
    encoder_alloc(e, ALLOCATOR_CALLOC, 8, 0);
    encoder_alloc(e, ALLOCATOR_MALLOC, 3, 0);
    encoder_alloc(e, ALLOCATOR_CALLOC, 9, 0);
    encoder_alloc(e, ALLOCATOR_MALLOC, 4, 0);
    SEALED(e, "\x20\x21\x20\x21\x20", "\x04\x0C\x09\x0C\x02", "", "", "", "", "");
    encoder_free(e);
}

static void test_encode__times_and_threads_that_change_nothing_write_nothing(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    append_record(e, (struct record){.type = RECORD_THREAD});
    encoder_seal(e, payload, sizeof payload, &info);
    append(e, (struct event){.kind = EVENT_TIME, .time_ns = 0});
    append(e, (struct event){.kind = EVENT_TIME, .time_ns = 1000});
    append(e, (struct event){.kind = EVENT_TIME, .time_ns = 1000});
    append(e, (struct event){.kind = EVENT_TIME, .time_ns = 999});
    append(e, (struct event){.kind = EVENT_THREAD, .thread = 1});
    append(e, (struct event){.kind = EVENT_THREAD, .thread = 1});
    append(e, (struct event){.kind = EVENT_TIME, .time_ns = 1001});
    append(e, (struct event){.kind = EVENT_TIME, .time_ns = 1001 + 2 * TIME_COARSE_NS});
    SEALED(e, "\xC5\xC4\xC5\xE9", "", "", "", "", "\xE8\x07\x01\x01\x02", "");
    assert_true(info.start_ns == 0 && info.thread == ID_NONE && info.event_count == 0);
    encoder_seal(e, payload, sizeof payload, &info);
    assert_true(info.start_ns == 1001 + 2 * TIME_COARSE_NS && info.thread == 1);
    encoder_free(e);
}

static void test_encode__stacks_and_records(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    uint32_t id;
    struct event ev = {.kind = EVENT_STACK, .parent = 9, .function = 1, .line = 30};
    assert_int_equal(encoder_append(e, &ev, &id), 0);
    assert_int_equal(id, 10);
    ev = (struct event){.kind = EVENT_STACK, .parent = 10, .function = 0, .line = 29};
    assert_int_equal(encoder_append(e, &ev, &id), 0);
    assert_int_equal(id, 11);
    append_record(e, (struct record){.type = RECORD_FAILED,
                                     .failed = {.allocator = 1, .size_bytes = 7, .stack = 11}});
    SEALED(e, "\xC6\xC6\xC7", "", "", "", "", "\x12\x02\x3C\x02\x01\x01\x0E\x03\x01\x07\x0B", "");
    assert_int_equal(info.event_count, 1);
    assert_int_equal(info.first_stack, 10);
    encoder_seal(e, payload, sizeof payload, &info);
    assert_int_equal(info.first_stack, 12);
    encoder_free(e);
}

static void test_encode__the_header_counts_what_is_defined(void **state)
{
    (void)state;
    struct encoder *e = encoder_new();
    uint32_t id = 9;
    struct record process = {.type = RECORD_PROCESS, .process.parent = ID_NONE};
    struct record thread = {.type = RECORD_THREAD};
    struct record function = {.type = RECORD_FUNCTION};
    assert_int_equal(
        encoder_append(e, &(struct event){.kind = EVENT_RECORD, .record = &process}, &id), 0);
    assert_int_equal(id, 0);
    encoder_append(e, &(struct event){.kind = EVENT_RECORD, .record = &thread}, &id);
    assert_int_equal(id, 0);
    encoder_append(e, &(struct event){.kind = EVENT_RECORD, .record = &function}, &id);
    assert_int_equal(id, 1);
    encoder_seal(e, payload, sizeof payload, &info);
    assert_true(info.sequence == 0 && info.first_function == 1 && info.first_stack == 2 &&
                info.first_process == 0 && info.first_thread == 0);
    encoder_seal(e, payload, sizeof payload, &info);
    assert_true(info.sequence == 1 && info.first_function == 2 && info.first_stack == 2 &&
                info.first_process == 1 && info.first_thread == 1);
    encoder_free(e);
}

static void test_encode__what_was_not_given_out_is_refused(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    assert_int_equal(encoder_alloc(e, ALLOCATOR_LIMIT, 0, 1), -ERR_LIMIT);
    assert_int_equal(encoder_alloc(e, 0, 10, 1), -ERR_LIMIT);
    assert_int_equal(encoder_free_index(e, 0), -ERR_LIMIT);
    assert_int_equal(append(e, (struct event){.kind = EVENT_THREAD, .thread = 1}), -ERR_LIMIT);
    assert_int_equal(append(e, (struct event){.kind = EVENT_STACK, .parent = 10}), -ERR_LIMIT);
    assert_int_equal(append(e, (struct event){.kind = EVENT_STACK, .function = 2}), -ERR_LIMIT);
    assert_int_equal(append(e, (struct event){.kind = EVENT_TIME, .time_ns = UINT64_MAX}),
                     -ERR_LIMIT);
    assert_int_equal(append_record(e, (struct record){.type = RECORD_RSS, .rss.process = 1}),
                     -ERR_LIMIT);
    assert_int_equal(append_record(e, (struct record){.type = 99}), -ERR_USAGE);
    assert_int_equal(append(e, (struct event){.kind = 99}), -ERR_USAGE);
    assert_true(encoder_empty(e));
    SEALED(e, "", "", "", "", "", "", "");
    encoder_free(e);
}

static void test_encode__a_full_block_says_so_and_stays_as_it_is(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    for (uint32_t i = 0; i < BLOCK_EVENTS; i++) {
        assert_false(encoder_full(e));
        assert_int_equal(encoder_alloc(e, 0, 0, 0), 0);
    }
    assert_true(encoder_full(e));
    uint64_t events = encoder_events(e);
    assert_int_equal(encoder_alloc(e, 0, 2, 9), -ERR_FULL);
    assert_int_equal(encoder_free_index(e, 0), -ERR_FULL);
    assert_int_equal(append(e, (struct event){.kind = EVENT_UNFREE}), -ERR_FULL);
    assert_int_equal(append(e, (struct event){.kind = EVENT_FREE_ADDRESS}), -ERR_FULL);
    assert_int_equal(append(e, (struct event){.kind = EVENT_TIME, .time_ns = 5}), -ERR_FULL);
    assert_int_equal(append(e, (struct event){.kind = EVENT_THREAD, .thread = 0}), -ERR_FULL);
    assert_int_equal(append(e, (struct event){.kind = EVENT_STACK}), -ERR_FULL);
    assert_int_equal(append_record(e, (struct record){.type = RECORD_MARK}), -ERR_FULL);
    assert_true(encoder_events(e) == events && encoder_next_alloc(e) == BLOCK_EVENTS);
    assert_int_equal(encoder_seal(e, payload, encoder_bound(e) - 1, &info), -ERR_FULL);
    assert_int_equal(encoder_seal(e, payload, sizeof payload, &info), 0);
    assert_int_equal(info.op_count, BLOCK_EVENTS);
    assert_int_equal(encoder_alloc(e, 0, 2, 9), 0);
    encoder_free(e);
}

static void test_encode__long_records_fill_a_block_too(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    char *name = calloc(1, TEXT_LIMIT);
    struct record mark = {.type = RECORD_MARK, .mark.name = {name, TEXT_LIMIT}};
    int marks = 0;
    while (append_record(e, mark) == 0)
        marks++;
    assert_int_equal(marks, 16); /* 16 of 65,536 and their lengths pass BLOCK_SEAL_BYTES */
    assert_true(encoder_full(e));
    assert_int_equal(encoder_alloc(e, 0, 0, 0), 0); /* an op without record bytes still fits */
    assert_int_equal(encoder_seal(e, payload, sizeof payload, &info), 0);
    assert_true(info.payload_bytes > BLOCK_SEAL_BYTES);
    free(name);
    encoder_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode__the_worked_example_of_the_format),
        cmocka_unit_test(test_encode__a_loop_over_two_stacks_needs_one_byte_an_allocation),
        cmocka_unit_test(test_encode__the_first_allocation_is_predicted_without_stack_and_size),
        cmocka_unit_test(test_encode__frees_by_distance),
        cmocka_unit_test(test_encode__far_frees_start_from_the_blocks_first_allocation),
        cmocka_unit_test(test_encode__what_is_coded_by_address),
        cmocka_unit_test(test_encode__addresses_as_an_allocator_gives_them_need_no_bytes),
        cmocka_unit_test(test_encode__allocators_that_take_turns_go_on_from_their_own_stacks),
        cmocka_unit_test(test_encode__times_and_threads_that_change_nothing_write_nothing),
        cmocka_unit_test(test_encode__stacks_and_records),
        cmocka_unit_test(test_encode__the_header_counts_what_is_defined),
        cmocka_unit_test(test_encode__what_was_not_given_out_is_refused),
        cmocka_unit_test(test_encode__a_full_block_says_so_and_stays_as_it_is),
        cmocka_unit_test(test_encode__long_records_fill_a_block_too),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
