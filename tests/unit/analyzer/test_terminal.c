/* Rows that fit: alignment, shortening, colours without columns, bars and wrapped words. */
#include "analyzer/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *output;
static size_t output_bytes;

static struct terminal terminal(int width, bool color, bool utf8)
{
    return (struct terminal){open_memstream(&output, &output_bytes), width, color, utf8};
}

static void expect(struct terminal *t, const char *expected)
{
    fclose(t->out);
    assert_string_equal(output, expected);
    free(output);
}

static void test_row__aligns_and_cuts_trailing_blanks(void **state)
{
    (void)state;
    struct terminal t = terminal(40, false, true);
    struct row row;
    row_begin(&row, &t);
    row_right(&row, STYLE_HOT, "1.20 GiB", 9);
    row_to(&row, 12);
    row_put(&row, STYLE_BOLD, "main", 10);
    row_to(&row, 30);
    assert_int_equal(row_left(&row), 10);
    row_end(&row);
    expect(&t, " 1.20 GiB   main\n");
}

static void test_row__shortens_in_the_middle(void **state)
{
    (void)state;
    struct terminal t = terminal(40, false, true);
    struct row row;
    row_begin(&row, &t);
    row_put(&row, STYLE_PLAIN, "abcdefghijklmnopqrstuvwxyz", 13);
    row_end(&row);
    expect(&t, "abcd…stuvwxyz\n");
    t = terminal(40, false, false);
    row_begin(&row, &t);
    row_put(&row, STYLE_PLAIN, "abcdefghijklmnopqrstuvwxyz", 15);
    row_end(&row);
    expect(&t, "abcd...stuvwxyz\n");
}

static void test_row__colours_take_no_columns(void **state)
{
    (void)state;
    struct terminal t = terminal(40, true, true);
    struct row row;
    row_begin(&row, &t);
    row_put(&row, STYLE_BOLD, "ab", 10);
    row_put(&row, STYLE_PLAIN, "c", 10);
    assert_int_equal(row.columns, 3);
    row_end(&row);
    expect(&t, "\033[1mab\033[0mc\n");
}

static void test_row__bars_are_in_eighths_or_in_signs(void **state)
{
    (void)state;
    struct terminal t = terminal(40, false, true);
    struct row row;
    row_begin(&row, &t);
    row_bar(&row, STYLE_PLAIN, 5, 8, 2); /* 10 of 16 eighths */
    row_put(&row, STYLE_PLAIN, "|", 1);
    row_bar(&row, STYLE_PLAIN, 1, 1, 3);
    row_bar(&row, STYLE_PLAIN, 1, 1, -3);
    row_end(&row);
    expect(&t, "█▎|███\n");
    t = terminal(40, false, false);
    row_begin(&row, &t);
    row_bar(&row, STYLE_PLAIN, 5, 8, 10);
    row_end(&row);
    expect(&t, "######\n");
}

static void test_row__words_wrap_below_their_beginning(void **state)
{
    (void)state;
    struct terminal t = terminal(20, false, true);
    struct row row;
    row_begin(&row, &t);
    row_put(&row, STYLE_PLAIN, "peak: ", 6);
    row_words(&row, STYLE_PLAIN, "one two three four five");
    expect(&t, "peak: one two three\n      four five\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row__aligns_and_cuts_trailing_blanks),
        cmocka_unit_test(test_row__shortens_in_the_middle),
        cmocka_unit_test(test_row__colours_take_no_columns),
        cmocka_unit_test(test_row__bars_are_in_eighths_or_in_signs),
        cmocka_unit_test(test_row__words_wrap_below_their_beginning),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
