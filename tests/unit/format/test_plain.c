/* Which characters steer a terminal, and what is left of a text without them. */
#include "format/plain.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static const char *made(const char *text)
{
    static char out[200];
    snprintf(out, sizeof out, "%s", text);
    plain_make(out, '?');
    return out;
}

static void test_plain__what_is_shown_stays(void **state)
{
    (void)state;
    assert_string_equal(made("job é 日本 \xF0\x9F\x92\xA9 ~"), "job é 日本 \xF0\x9F\x92\xA9 ~");
    assert_false(plain_control(-1));
    assert_false(plain_control(' '));
}

static void test_plain__each_byte_of_what_steers_is_replaced(void **state)
{
    (void)state;
    assert_string_equal(made("\x1B[31m\n\x7F"), "?[31m??");
    assert_string_equal(made("a\xC2\x9Bz"), "a??z");         /* CSI in one character */
    assert_string_equal(made("a\xE2\x80\xAEz"), "a???z");    /* right to left from here */
    assert_string_equal(made("\xF3\xA0\x81\x81z"), "????z"); /* a tag */
}

static void test_plain__bytes_that_are_no_utf8_stand_for_themselves(void **state)
{
    (void)state;
    assert_string_equal(made("a\x9Bz\xFF"), "a?z\xFF");
    assert_string_equal(made("a\xE2\x80"), "a\xE2?");
    assert_string_equal(made("a\xF3\xA0"), "a\xF3\xA0");
}

/* Terminals differ in what they take for a character: also one that is written longer than it may
 * be steers some of them. */
static void test_plain__a_longer_way_to_write_it_is_no_way_round(void **state)
{
    (void)state;
    assert_string_equal(made("a\xC0\x9Bz"), "a??z"); /* 0x1B in two bytes */
    assert_string_equal(made("a\xE0\x80\x9Bz"), "a???z");
    assert_string_equal(made("a\xF0\x80\x80\x9Bz"), "a????z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain__what_is_shown_stays),
        cmocka_unit_test(test_plain__each_byte_of_what_steers_is_replaced),
        cmocka_unit_test(test_plain__bytes_that_are_no_utf8_stand_for_themselves),
        cmocka_unit_test(test_plain__a_longer_way_to_write_it_is_no_way_round),
    };
    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
