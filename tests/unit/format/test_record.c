/* Records: fields that later versions add or earlier ones lack, and values that cannot be. */
#include "format/record.h"
#include "format/error.h"
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct ids ids = {.function = 5, .stack = 6, .process = 3, .thread = 4, .alloc = 9};
static const struct defined defined = {5, 6, 3, 4, 9, 0, 0};
static struct text arguments[RECORD_ARGUMENT_LIMIT];

static void same(const struct record *a, const struct record *b)
{
    struct words one = {0}, two = {0};
    words_record(&one, a);
    words_record(&two, b);
    assert_string_equal(one.text, two.text);
    free(one.text);
    free(two.text);
}

static void test_record__every_type_comes_back_with_and_without_surplus_bytes(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        struct record was = random_record(&seed, 1 + i % (RECORD_LIMIT - 1), &defined), is;
        uint8_t bytes[4000];
        assert_int_equal(record_check(&was, &ids), 0);
        assert_true(record_bound(&was) < sizeof bytes - 4);
        uint8_t *end = record_put(&was, bytes);
        assert_true((size_t)(end - bytes) <= record_bound(&was));
        assert_int_equal(record_get(&is, was.type, bytes, end, &ids, arguments), 0);
        same(&was, &is);
        memset(end, 0xFF, 4); /* what a later version may add */
        assert_int_equal(record_get(&is, was.type, bytes, end + 4, &ids, arguments), 0);
        same(&was, &is);
    }
}

static void test_record__a_copy_owns_its_texts(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 5000; i++) {
        struct record was = random_record(&seed, 1 + i % (RECORD_LIMIT - 1), &defined), is;
        uint8_t bytes[4000];
        uint8_t *end = record_put(&was, bytes);
        assert_int_equal(record_get(&is, was.type, bytes, end, &ids, arguments), 0);
        size_t room_bytes = record_copy_bytes(&is);
        void *room = malloc(room_bytes + !room_bytes); /* so that a sanitizer sees the end */
        struct record copy;
        record_copy(&copy, &is, room);
        memset(bytes, 0xEE, sizeof bytes);
        memset(arguments, 0xEE, sizeof arguments);
        same(&was, &copy);
        free(room);
    }
}

static void test_record__no_cut_body_is_read_past_its_end(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < 2000; i++) {
        struct record was = random_record(&seed, 1 + i % (RECORD_LIMIT - 1), &defined), is;
        uint8_t bytes[4000];
        size_t length = (size_t)(record_put(&was, bytes) - bytes);
        for (size_t cut = 0; cut < length; cut++) {
            uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees the end */
            memcpy(exact, bytes, cut);
            int result = record_get(&is, was.type, exact, exact + cut, &ids, arguments);
            assert_true(result == 0 || result == -ERR_DAMAGED);
            free(exact);
        }
    }
}

static void test_record__missing_fields_are_zero(void **state)
{
    (void)state;
    struct record r;
    const uint8_t pid[] = {7};
    assert_int_equal(record_get(&r, RECORD_PROCESS, pid, pid + 1, &ids, arguments), 0);
    assert_int_equal(r.process.pid, 7);
    assert_int_equal(r.process.parent, ID_NONE);
    assert_int_equal(r.process.argument_count, 0);
    const uint8_t end[] = {2, 1};
    assert_int_equal(record_get(&r, RECORD_PROCESS_END, end, end + 2, &ids, arguments), 0);
    assert_int_equal(r.process_end.reason, 1);
    assert_true(r.process_end.status == -1);
}

static void test_record__exact_bytes_of_a_function(void **state)
{
    (void)state;
    struct record r = {
        .type = RECORD_FUNCTION,
        .function = {
            .kind = FUNCTION_NATIVE, .name = {"f", 1}, .file = {"a.c", 3}, .first_line = 300}};
    uint8_t bytes[100];
    assert_int_equal(record_put(&r, bytes) - bytes, 10);
    assert_memory_equal(bytes,
                        "\x01\x01"
                        "f\x03"
                        "a.c\xAC\x02\x00",
                        10);
}

/* Version 3 added the build id, and what a MODULE is called. */
static void test_record__exact_bytes_of_a_module_and_its_function(void **state)
{
    (void)state;
    struct record r = {
        .type = RECORD_FUNCTION,
        .function = {
            .kind = FUNCTION_MODULE, .name = {"z", 1}, .file = {"/z", 2}, .build_id = {"0aff", 4}}};
    uint8_t bytes[100];
    assert_int_equal(record_put(&r, bytes) - bytes, 12);
    assert_memory_equal(bytes,
                        "\x02\x01z\x02/z\x00\x04"
                        "0aff",
                        12);
    r = (struct record){.type = RECORD_MODULE, .module = {2, {"/z", 2}, {"0a", 2}, 5, 6, 7, 4}};
    assert_int_equal(record_put(&r, bytes) - bytes, 11);
    assert_memory_equal(bytes,
                        "\x02\x02/z\x02"
                        "0a\x05\x06\x07\x04",
                        11);
    r = (struct record){.type = RECORD_MODULE_GONE, .module_gone = {2, 300}};
    assert_int_equal(record_put(&r, bytes) - bytes, 3);
    assert_memory_equal(bytes, "\x02\xAC\x02", 3);
}

static void refused(enum record_type type, const char *bytes, size_t length)
{
    struct record r;
    const uint8_t *in = (const uint8_t *)bytes;
    assert_int_equal(record_get(&r, type, in, in + length, &ids, arguments), -ERR_DAMAGED);
}

static void test_record__ids_that_nothing_defined_are_damage(void **state)
{
    (void)state;
    refused(RECORD_THREAD_END, "\x04", 1);
    refused(RECORD_RSS, "\x03\x00", 2);
    refused(RECORD_RESIDENT_BLOCK, "\x09\x00", 2);
    refused(RECORD_FAILED, "\x00\x00\x06", 3);
    refused(RECORD_PROCESS, "\x00\x04", 2); /* parent 3 */
    refused(RECORD_MAP, "\x00\x00\x00\x06", 4);
    refused(RECORD_MODULE, "\x00\x00\x00\x00\x00\x00\x05", 7); /* function 5 */
    refused(RECORD_MODULE_GONE, "\x03\x00", 2);
}

static void test_record__values_that_cannot_be_are_damage(void **state)
{
    (void)state;
    refused(RECORD_MAP, "\x00\x00\x07", 3);          /* a kind beyond BRK */
    refused(RECORD_MAP, "\x00\x00\x00\x00\x20", 5);  /* allocator 32 */
    refused(RECORD_STOP, "\x80\x02", 2);             /* 256 */
    refused(RECORD_EXIT, "\x80\x80\x80\x80\x10", 5); /* 2^32 */
    refused(RECORD_MARK,
            "\x05"
            "abcd",
            5); /* a text longer than the record */
    refused(RECORD_PROCESS, "\x01\x00\x00\x00\x00\x00\x81\x08", 8); /* 1,025 arguments */
    refused(RECORD_RSS, "\x00\x80", 2);                             /* half a varint */
}

static void test_record__a_text_beyond_its_limit_is_damage(void **state)
{
    (void)state;
    char *body = calloc(1, TEXT_LIMIT + 10);
    memcpy(body, "\x80\x80\x04", 3); /* 65,536 */
    struct record r;
    const uint8_t *in = (const uint8_t *)body;
    assert_int_equal(record_get(&r, RECORD_MARK, in, in + 3 + TEXT_LIMIT, &ids, arguments), 0);
    body[0] = (char)0x81;
    refused(RECORD_MARK, body, 4 + TEXT_LIMIT);
    free(body);
}

static void test_record__writers_are_held_to_the_same_limits(void **state)
{
    (void)state;
    struct record r = {.type = RECORD_RSS, .rss.process = 3};
    assert_int_equal(record_check(&r, &ids), -ERR_LIMIT);
    r = (struct record){.type = RECORD_MAP, .map.kind = MAP_KIND_COUNT};
    assert_int_equal(record_check(&r, &ids), -ERR_LIMIT);
    r = (struct record){.type = RECORD_MARK, .mark.name = {"", TEXT_LIMIT + 1}};
    assert_int_equal(record_check(&r, &ids), -ERR_LIMIT);
    r = (struct record){.type = RECORD_PROCESS, .process.parent = 3};
    assert_int_equal(record_check(&r, &ids), -ERR_LIMIT);
    r.process.parent = ID_NONE;
    assert_int_equal(record_check(&r, &ids), 0);
    r.process.argument_count = RECORD_ARGUMENT_LIMIT + 1;
    assert_int_equal(record_check(&r, &ids), -ERR_LIMIT);
    r = (struct record){.type = RECORD_LIMIT};
    assert_int_equal(record_check(&r, &ids), -ERR_USAGE);
    r = (struct record){.type = 0};
    assert_int_equal(record_check(&r, &ids), -ERR_USAGE);
}

static void test_record__a_record_beyond_its_limit_is_refused_before_it_is_written(void **state)
{
    (void)state;
    static struct text many[20];
    char *big = calloc(1, TEXT_LIMIT);
    for (int i = 0; i < 20; i++)
        many[i] = (struct text){big, TEXT_LIMIT};
    struct record r = {.type = RECORD_PROCESS,
                       .process = {.parent = ID_NONE, .argument_count = 15, .arguments = many}};
    assert_int_equal(record_check(&r, &ids), 0);
    r.process.argument_count = 16; /* 16 * 65,536 and lengths > 2^20 */
    assert_int_equal(record_check(&r, &ids), -ERR_LIMIT);
    free(big);
}

static void test_record__definitions_count_up_to_the_last_id(void **state)
{
    (void)state;
    struct ids next = {.function = 1, .process = ID_NONE - 1};
    uint32_t id;
    assert_int_equal(record_define(RECORD_FUNCTION, &next, &id), 0);
    assert_int_equal(id, 1);
    assert_int_equal(record_define(RECORD_FUNCTION, &next, &id), 0);
    assert_int_equal(id, 2);
    assert_int_equal(record_define(RECORD_MARK, &next, &id), 0);
    assert_int_equal(id, 0);
    assert_int_equal(record_define(RECORD_PROCESS, &next, &id), 0);
    assert_int_equal(id, ID_NONE - 1);
    assert_int_equal(record_define(RECORD_PROCESS, &next, &id), -ERR_LIMIT);
}

static void test_record__events_are_allocator_calls_and_mapping_changes(void **state)
{
    (void)state;
    for (int type = 1; type < RECORD_LIMIT; type++)
        assert_int_equal(record_counts((enum record_type)type),
                         type == RECORD_MAP || type == RECORD_UNMAP || type == RECORD_REMAP ||
                             type == RECORD_PROTECT || type == RECORD_DISCARD ||
                             type == RECORD_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record__every_type_comes_back_with_and_without_surplus_bytes),
        cmocka_unit_test(test_record__a_copy_owns_its_texts),
        cmocka_unit_test(test_record__no_cut_body_is_read_past_its_end),
        cmocka_unit_test(test_record__missing_fields_are_zero),
        cmocka_unit_test(test_record__exact_bytes_of_a_function),
        cmocka_unit_test(test_record__exact_bytes_of_a_module_and_its_function),
        cmocka_unit_test(test_record__ids_that_nothing_defined_are_damage),
        cmocka_unit_test(test_record__values_that_cannot_be_are_damage),
        cmocka_unit_test(test_record__a_text_beyond_its_limit_is_damage),
        cmocka_unit_test(test_record__writers_are_held_to_the_same_limits),
        cmocka_unit_test(test_record__a_record_beyond_its_limit_is_refused_before_it_is_written),
        cmocka_unit_test(test_record__definitions_count_up_to_the_last_id),
        cmocka_unit_test(test_record__events_are_allocator_calls_and_mapping_changes),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
