/* Lists of names and the parts around them: what is written is read, and what is not written so is
 * refused. */
#include "format/names.h"

#include "format/crc32.h"
#include "format/error.h"
#include "format/part.h"
#include "format/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TRACE 77u

static struct text text(const char *bytes) { return (struct text){bytes, (uint32_t)strlen(bytes)}; }

/* Three answers: two frames, none, one with the texts of before. */
static uint8_t *sample(size_t *length)
{
    struct names_writer w = {0};
    struct names_frame frames[2] = {{text("outer"), text("a.c"), 10}, {text("inner"), text(""), 0}};
    assert_int_equal(names_writer_add(&w, 5, frames, 2), 0);
    assert_int_equal(names_writer_add(&w, 6, 0, 0), 0);
    assert_int_equal(names_writer_add(&w, 1000, frames, 1), 0);
    assert_int_equal(w.text_count, 4);
    uint8_t *list = names_writer_list(&w, text("/lib/x.so"), text("ab12"), length);
    names_writer_release(&w);
    assert_non_null(list);
    return list;
}

static bool is(struct text a, const char *b)
{
    return a.length == strlen(b) && !memcmp(a.bytes, b, a.length);
}

static void test_names__a_list_is_read_as_written(void **state)
{
    (void)state;
    struct names_reader r;
    struct names_frame frames[NAMES_MAX_FRAMES];
    uint64_t offset;
    uint32_t count;
    size_t length;
    uint8_t *list = sample(&length);
    assert_int_equal(names_reader_init(&r, list, length), 0);
    assert_true(is(r.path, "/lib/x.so") && is(r.build_id, "ab12"));
    assert_int_equal(names_reader_next(&r, &offset, frames, &count), 1);
    assert_true(offset == 5 && count == 2 && is(frames[0].function, "outer"));
    assert_true(is(frames[0].file, "a.c") && frames[0].line == 10);
    assert_true(is(frames[1].function, "inner") && is(frames[1].file, "") && frames[1].line == 0);
    assert_int_equal(names_reader_next(&r, &offset, frames, &count), 1);
    assert_true(offset == 6 && count == 0);
    assert_int_equal(names_reader_next(&r, &offset, frames, &count), 1);
    assert_true(offset == 1000 && count == 1 && is(frames[0].function, "outer"));
    assert_int_equal(names_reader_next(&r, &offset, frames, &count), 0);
    names_reader_release(&r);
    free(list);
}

/* The format's own example, byte by byte from FORMAT.md 1.4. */
static void test_names__the_bytes_are_those_of_the_format(void **state)
{
    (void)state;
    static const uint8_t expected[] = "\x09/lib/x.so\x04"
                                      "ab12\x04\x05outer\x03"
                                      "a.c\x05inner\x00\x03"
                                      "\x05\x02\x00\x01\x0a\x02\x03\x00"
                                      "\x01\x00"
                                      "\xe2\x07\x01\x00\x01\x0a";
    size_t length;
    uint8_t *list = sample(&length);
    assert_int_equal(length, sizeof expected - 1);
    assert_memory_equal(list, expected, length);
    free(list);
}

/* Reads all of a list; returns what ends it. */
static int read_all(const uint8_t *list, size_t length)
{
    struct names_reader r;
    struct names_frame frames[NAMES_MAX_FRAMES];
    uint64_t offset;
    uint32_t count;
    uint8_t *exact = malloc(length ? length : 1); /* a sanitizer sees each byte beyond */
    memcpy(exact, list, length);
    int rc = names_reader_init(&r, exact, length);
    while (!rc && (rc = names_reader_next(&r, &offset, frames, &count)) > 0)
        rc = 0;
    names_reader_release(&r);
    free(exact);
    return rc;
}

static void test_names__cut_and_changed_lists_are_damaged_or_harmless(void **state)
{
    (void)state;
    size_t length;
    uint8_t *list = sample(&length);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(read_all(list, cut), -ERR_DAMAGED);
    for (size_t at = 0; at < length; at++)
        for (int value = 0; value < 256; value++) {
            uint8_t kept = list[at];
            list[at] = (uint8_t)value;
            int rc = read_all(list, length);
            assert_true(rc == 0 || rc == -ERR_DAMAGED);
            list[at] = kept;
        }
    free(list);
}

static void test_names__limits_are_kept(void **state)
{
    (void)state;
    struct names_writer w = {0};
    static struct names_frame frames[NAMES_MAX_FRAMES + 1];
    static char long_text[TEXT_LIMIT + 1];
    for (uint32_t i = 0; i <= NAMES_MAX_FRAMES; i++)
        frames[i] = (struct names_frame){text("f"), text("g"), i};
    assert_int_equal(names_writer_add(&w, 1, frames, NAMES_MAX_FRAMES), 0);
    assert_int_equal(names_writer_add(&w, 2, frames, NAMES_MAX_FRAMES + 1), -ERR_LIMIT);
    memset(long_text, 'x', sizeof long_text);
    frames[0].function = (struct text){long_text, TEXT_LIMIT};
    assert_int_equal(names_writer_add(&w, 2, frames, 1), 0);
    frames[0].function.length++;
    assert_int_equal(names_writer_add(&w, 3, frames, 1), -ERR_LIMIT);
    assert_int_equal(w.answers, 2);
    names_writer_release(&w);
}

/* Texts by the thousand, so that all of the writer grows; lists of 1 MiB are full. */
static void test_names__many_texts(void **state)
{
    (void)state;
    struct names_writer w = {0};
    char name[32];
    uint64_t offset = 0;
    size_t length;
    while (!names_writer_full(&w)) {
        struct names_frame frame = {.file = text("same.c"), .line = offset};
        snprintf(name, sizeof name, "function %llu", (unsigned long long)(offset / 2));
        frame.function = text(name);
        assert_int_equal(names_writer_add(&w, offset++, &frame, 1), 0);
    }
    assert_int_equal(w.text_count, 1 + (offset + 1) / 2);
    uint8_t *list = names_writer_list(&w, text(""), text(""), &length);
    assert_true(length <= NAMES_FULL_BYTES + 100);
    assert_int_equal(read_all(list, length), 0);
    free(list);
    names_writer_clear(&w);
    assert_false(names_writer_full(&w));
    names_writer_release(&w);
}

static void test_names__a_part_holds_its_list(void **state)
{
    (void)state;
    size_t length, part_bytes, got_length;
    uint8_t *list = sample(&length), *got;
    uint8_t *part = names_part_write(TRACE, list, length, &part_bytes);
    const uint8_t *inside = part + SKIPPABLE_BYTES;
    size_t size = part_bytes - SKIPPABLE_BYTES;
    assert_int_equal(get_u32(part), SKIPPABLE_MAGIC);
    assert_int_equal(get_u32(part + 4), size);
    assert_memory_equal(inside, "MRNM", 4);
    assert_int_equal(names_part_read(TRACE, inside, size, &got, &got_length), 0);
    assert_int_equal(got_length, length);
    assert_memory_equal(got, list, length);
    free(got);
    assert_int_equal(names_part_read(TRACE + 1, inside, size, &got, &got_length), -ERR_DAMAGED);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(names_part_read(TRACE, inside, cut, &got, &got_length), -ERR_DAMAGED);
    for (size_t at = 0; at < size; at++) {
        part[SKIPPABLE_BYTES + at] ^= 0x10;
        assert_int_equal(names_part_read(TRACE, inside, size, &got, &got_length), -ERR_DAMAGED);
        part[SKIPPABLE_BYTES + at] ^= 0x10;
    }
    free(part);
    free(list);
}

/* Right checksums around wrong bytes: sizes that LZ4 does not bear out. */
static void test_names__a_part_that_lies_is_damaged(void **state)
{
    (void)state;
    size_t length, part_bytes, got_length;
    uint8_t *list = sample(&length), *got;
    uint8_t *part = names_part_write(TRACE, list, length, &part_bytes), *inside = part + 8;
    size_t size = part_bytes - SKIPPABLE_BYTES;
    const uint32_t claims[] = {
        0, 1, (uint32_t)length - 1, (uint32_t)length + 1, NAMES_MAX_BYTES, UINT32_MAX};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        put_u32(inside + 16, claims[i]);
        put_u32(inside + size - 4, crc32_update(0, inside, size - 4));
        assert_int_equal(names_part_read(TRACE, inside, size, &got, &got_length), -ERR_DAMAGED);
    }
    free(part);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names__a_list_is_read_as_written),
        cmocka_unit_test(test_names__the_bytes_are_those_of_the_format),
        cmocka_unit_test(test_names__cut_and_changed_lists_are_damaged_or_harmless),
        cmocka_unit_test(test_names__limits_are_kept),
        cmocka_unit_test(test_names__many_texts),
        cmocka_unit_test(test_names__a_part_holds_its_list),
        cmocka_unit_test(test_names__a_part_that_lies_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
