/* Bounds as people type them, and the edges of moments. Not here: what words a moment knows
 * (test_options.c). */
#include "replay/typed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct err err;

static int parse(struct bound *b, const char *text, bool shares)
{
    err = (struct err){0};
    return bound_parse(b, "max-growth", text, shares, &err);
}

static void test_bound__is_a_size(void **state)
{
    (void)state;
    struct bound b;
    for (int shares = 0; shares < 2; shares++) {
        assert_int_equal(parse(&b, "2KiB", shares), 0);
        assert_true(b.given && !b.is_share);
        assert_int_equal(b.bytes, 2048);
        assert_int_equal(parse(&b, "0", shares), 0);
        assert_true(b.given && !b.is_share && b.bytes == 0);
    }
}

static void test_bound__is_a_share_where_that_makes_sense(void **state)
{
    (void)state;
    struct bound b;
    assert_int_equal(parse(&b, "2.5%", true), 0);
    assert_true(b.given && b.is_share);
    assert_int_equal(b.share_ppm, 25000);
    assert_int_equal(parse(&b, "0.00006%", true), 0);
    assert_int_equal(b.share_ppm, 1); /* rounded */
    assert_int_equal(parse(&b, "0.00004%", true), 0);
    assert_int_equal(b.share_ppm, 0);
    assert_int_equal(parse(&b, "400000%", true), 0);
    assert_true(b.share_ppm == 4000000000u);
    assert_int_equal(parse(&b, "0%", true), 0);
    assert_true(b.is_share && b.share_ppm == 0);
    assert_int_equal(parse(&b, "2%", false), -ERR_USAGE);
    assert_string_equal(err.text, "--max-growth takes a size such as 500MB or 2GiB, not 2%");
}

static void test_bound__is_neither(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "%", "-1%", "1%%", "1 %", "much", "400001%", "1e9%"};
    struct bound b;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse(&b, wrong[i], true), -ERR_USAGE);
    assert_string_equal(err.text, "--max-growth takes a size such as 500MB or 2GiB, or a share such"
                                  " as 2%, not 1e9%");
}

static struct when when(const char *text)
{
    struct when w;
    assert_int_equal(when_parse(&w, text, &err), 0);
    assert_ptr_equal(w.text, text);
    return w;
}

static void test_when__every_unit_of_time(void **state)
{
    (void)state;
    assert_true(when("3ns").time_ns == 3);
    assert_true(when("3us").time_ns == 3000);
    assert_true(when("3ms").time_ns == 3000000);
    assert_true(when("3s").time_ns == 3000000000);
    assert_true(when("3m").time_ns == 180000000000);
    assert_true(when("3min").time_ns == 180000000000);
    assert_true(when("3h").time_ns == 10800000000000);
    assert_true(when("0.6ns").time_ns == 1); /* rounded */
    assert_true(when("0.4ns").time_ns == 0);
    assert_int_equal(when("3").kind, WHEN_MARK);
    assert_int_equal(when("3 s").kind, WHEN_MARK);
    assert_int_equal(when("9s9").kind, WHEN_MARK);
}

static void test_when__what_begins_with_the_first_and_the_last_digit(void **state)
{
    (void)state;
    assert_true(when("0s").kind == WHEN_TIME && when("0s").time_ns == 0);
    assert_true(when("9s").kind == WHEN_TIME && when("9s").time_ns == 9000000000);
    assert_int_equal(when(":s").kind, WHEN_MARK); /* the characters beside them */
    assert_int_equal(when("/s").kind, WHEN_MARK);
    assert_int_equal(when("0%").share_ppm, 0);
    assert_int_equal(when("99.99999%").share_ppm, 1000000); /* rounded */
    assert_int_equal(when("33.33333%").share_ppm, 333333);
}

static void test_when__says_what_cannot_be(void **state)
{
    (void)state;
    struct when w;
    assert_int_equal(when_parse(&w, "100.1%", &err), -ERR_USAGE);
    assert_string_equal(err.text, "100.1% is beyond the end: a share goes from 0% to 100%");
    assert_int_equal(when_parse(&w, "9999999h", &err), -ERR_USAGE);
    assert_string_equal(err.text, "9999999h is too long a time");
    assert_int_equal(when_parse(&w, "2777777h", &err), 0); /* below 10^19 ns */
    assert_int_equal(when_parse(&w, "2777778h", &err), -ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound__is_a_size),
        cmocka_unit_test(test_bound__is_a_share_where_that_makes_sense),
        cmocka_unit_test(test_bound__is_neither),
        cmocka_unit_test(test_when__every_unit_of_time),
        cmocka_unit_test(test_when__what_begins_with_the_first_and_the_last_digit),
        cmocka_unit_test(test_when__says_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
