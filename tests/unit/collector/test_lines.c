/* Line tables: examples worked by hand from CPython's descriptions, and bytes that are no table.
 * (Every instruction of the standard library is compared with the interpreters by
 * tests/e2e/test_walk.py.) */
#include "recorder/collector/lines.h"
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TABLE(kind_of_it, first, ...)                                                              \
    (struct line_table)                                                                            \
    {                                                                                              \
        .bytes = (const uint8_t[]){__VA_ARGS__}, .size_bytes = sizeof((uint8_t[]){__VA_ARGS__}),   \
        .first_line = (first), .kind = (kind_of_it)                                                \
    }

/* Objects/lnotab_notes.txt, the table of its first example: byte offsets 0, 6, 50, 350 (which takes
 * two pairs, 255 and 45) and 361 on lines 1, 2, 7, 207 (127 and 73) and 208. */
static void test_lines__lnotab_reads_the_example_of_its_notes(void **state)
{
    (void)state;
    struct line_table t =
        TABLE(LINE_TABLE_LNOTAB, 1, 0, 0, 6, 1, 44, 5, 255, 0, 45, 127, 0, 73, 11, 1);
    const int expected[][2] = {{0, 1},   {4, 1},     {6, 2},     {48, 2},    {50, 7},
                               {348, 7}, {350, 207}, {360, 207}, {361, 208}, {9999, 208}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(lines_find(&t, expected[i][0]), expected[i][1]);
}

static void test_lines__lnotab_goes_back(void **state)
{
    (void)state;
    struct line_table t = TABLE(LINE_TABLE_LNOTAB, 10, 4, 3, 4, (uint8_t)-2);
    assert_int_equal(lines_find(&t, 2), 10);
    assert_int_equal(lines_find(&t, 4), 13);
    assert_int_equal(lines_find(&t, 8), 11);
}

/* PEP 626: each pair is a stretch and the step before it; a stretch of nothing only steps; -128 has
 * no line and leaves the count as it was. */
static void test_lines__pairs_have_stretches_without_line(void **state)
{
    (void)state;
    struct line_table t =
        TABLE(LINE_TABLE_PAIRS, 5, 4, 0, 2, (uint8_t)-128, 0, 127, 4, 1, 2, (uint8_t)-3);
    const int expected[][2] = {{0, 5}, {2, 5}, {4, 0}, {6, 133}, {8, 133}, {10, 130}, {12, 0}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(lines_find(&t, expected[i][0]), expected[i][1]);
}

/* Objects/locations.md: one entry of each form. */
static void test_lines__locations_have_all_forms(void **state)
{
    (void)state;
    struct line_table t = TABLE(LINE_TABLE_LOCATIONS, 100, 0x80 | 13 << 3 | 0, 0x02, /* no columns,
                                                                                        +1, 1 unit
                                                                                      */
                                0x80 | 0 << 3 | 1, 0x12,        /* short, +0, 2 units */
                                0x80 | 10 << 3 | 0, 0x01, 0x02, /* one line, +0 */
                                0x80 | 11 << 3 | 0, 0x01, 0x02, /* one line, +1 */
                                0x80 | 12 << 3 | 0, 0x01, 0x02, /* one line, +2 */
                                0x80 | 15 << 3 | 7,             /* none, 8 units */
                                0x80 | 14 << 3 | 0, 0x40 | 0x10, 0x02, 0, 1, 1, /* long, +72 */
                                0x80 | 14 << 3 | 0, 0x07, 0, 1, 1);             /* long, -3 */
    const int expected[][2] = {{0, 101}, {2, 101}, {4, 101},  {6, 101},  {8, 102}, {10, 104},
                               {12, 0},  {26, 0},  {28, 176}, {30, 173}, {32, 0}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(lines_find(&t, expected[i][0]), expected[i][1]);
}

static void test_lines__a_frame_not_begun_is_on_the_first_line(void **state)
{
    (void)state;
    for (int kind = LINE_TABLE_NONE; kind <= LINE_TABLE_LOCATIONS; kind++) {
        struct line_table t = TABLE((enum line_table_kind)kind, 7, 0xFF, 0x10, 0x20, 0x30);
        assert_int_equal(lines_find(&t, -1), 7);
        assert_int_equal(lines_find(&t, INT_MIN), 7);
    }
}

static void test_lines__without_table_all_is_on_the_first_line(void **state)
{
    (void)state;
    struct line_table t = {.first_line = 12, .kind = LINE_TABLE_NONE};
    assert_int_equal(lines_find(&t, 0), 12);
    assert_int_equal(lines_find(&t, 1000), 12);
}

static void test_lines__an_unknown_kind_is_no_table(void **state)
{
    (void)state;
    struct line_table t = TABLE((enum line_table_kind)77, 12, 1, 2, 3, 4);
    assert_int_equal(lines_find(&t, 2), 12);
}

static void test_lines__no_line_is_below_one(void **state)
{
    (void)state;
    struct line_table back = TABLE(LINE_TABLE_LOCATIONS, 1, 0x80 | 13 << 3, 0x05);
    struct line_table first = {.first_line = -5, .kind = LINE_TABLE_LNOTAB};
    assert_int_equal(lines_find(&back, 0), 0);
    assert_int_equal(lines_find(&first, 0), 0);
    assert_int_equal(lines_find(&first, -1), 0);
}

/* Whatever the bytes and wherever they end: a line or none, and nothing read beyond them (each
 * table is a block of just its size, for the sanitizer). */
static void test_lines__any_bytes_give_a_line_or_none(void **state)
{
    (void)state;
    srand(20240229);
    for (int round = 0; round < 20000; round++) {
        uint32_t size = (uint32_t)rand() % 40;
        uint8_t *bytes = malloc(size ? size : 1);
        for (uint32_t i = 0; i < size; i++)
            bytes[i] = rand() % 3 ? (uint8_t)rand() : 0xFF;
        struct line_table t = {bytes, size, rand() % 2 ? INT_MAX : rand(), LINE_TABLE_LNOTAB};
        for (; t.kind <= LINE_TABLE_LOCATIONS; t.kind++)
            for (int i = -2; i < 60; i++)
                assert_true(lines_find(&t, i == 59 ? INT_MAX : 2 * i) >= 0);
        free(bytes);
    }
}

/* The runs of a table say what the table says, of every instruction and of those beyond it. */
static void assert_runs_agree(const struct line_table *t)
{
    uint32_t count = lines_decode(t, NULL, 0);
    struct line_run *runs = malloc((count + 1) * sizeof *runs);
    assert_true(count <= t->size_bytes + 1);
    assert_int_equal(lines_decode(t, runs, count), count);
    for (int i = -1; i < 20 * 256; i++)
        assert_int_equal(lines_find_run(runs, count, t->first_line, i), lines_find(t, i));
    assert_int_equal(lines_find_run(runs, count, t->first_line, INT_MAX), lines_find(t, INT_MAX));
    for (uint32_t i = 1; i < count; i++) {
        assert_true(runs[i].end_bytes > runs[i - 1].end_bytes);
        assert_int_not_equal(runs[i].line, runs[i - 1].line);
    }
    free(runs);
}

static void test_lines__runs_say_what_the_table_says(void **state)
{
    (void)state;
    srand(20250101);
    for (int round = 0; round < 300; round++) {
        uint32_t size = (uint32_t)rand() % 40;
        uint8_t *bytes = malloc(size ? size : 1);
        for (uint32_t i = 0; i < size; i++)
            bytes[i] = rand() % 3 ? (uint8_t)rand() : (uint8_t)(rand() % 2 * 0x80);
        struct line_table t = {bytes, size, rand() % 300 - 5, LINE_TABLE_NONE};
        for (; t.kind <= LINE_TABLE_LOCATIONS; t.kind++)
            assert_runs_agree(&t);
        free(bytes);
    }
}

/* Two entries of one line are one run; a capacity is kept. */
static void test_lines__neighbours_of_one_line_are_one_run(void **state)
{
    (void)state;
    struct line_table t = TABLE(LINE_TABLE_PAIRS, 5, 4, 0, 2, 0, 6, 1, 8, 0, 2, 3);
    struct line_run runs[3] = {{0}, {0}, {77, 77}};
    assert_int_equal(lines_decode(&t, runs, 2), 3);
    assert_int_equal(runs[0].end_bytes, 6);
    assert_int_equal(runs[0].line, 5);
    assert_int_equal(runs[1].end_bytes, 20);
    assert_int_equal(runs[1].line, 6);
    assert_int_equal(runs[2].end_bytes, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines__lnotab_reads_the_example_of_its_notes),
        cmocka_unit_test(test_lines__lnotab_goes_back),
        cmocka_unit_test(test_lines__pairs_have_stretches_without_line),
        cmocka_unit_test(test_lines__locations_have_all_forms),
        cmocka_unit_test(test_lines__a_frame_not_begun_is_on_the_first_line),
        cmocka_unit_test(test_lines__without_table_all_is_on_the_first_line),
        cmocka_unit_test(test_lines__an_unknown_kind_is_no_table),
        cmocka_unit_test(test_lines__no_line_is_below_one),
        cmocka_unit_test(test_lines__any_bytes_give_a_line_or_none),
        cmocka_unit_test(test_lines__runs_say_what_the_table_says),
        cmocka_unit_test(test_lines__neighbours_of_one_line_are_one_run),
    };
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
