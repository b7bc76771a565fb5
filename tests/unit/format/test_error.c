/* Words for errors, and what a hostile name must not do to a terminal. */
#include "format/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_error__codes_have_words_with_and_without_minus(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_NOMEM), "out of memory");
    assert_string_equal(err_name(-ERR_NOMEM), "out of memory");
    assert_string_equal(err_name(-ERR_NOT_A_TRACE), "not a memrec trace");
    assert_string_equal(err_name(0), "no error");
    assert_string_equal(err_name(12345), "unknown error");
}

static void test_error__a_sentence_is_kept_with_its_code(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, ERR_IO, "%s at byte %d", "bad", 7), -ERR_IO);
    assert_int_equal(err.code, -ERR_IO);
    assert_string_equal(err.text, "bad at byte 7");
    assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody listens"), -ERR_LIMIT);
}

static void test_error__control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, ERR_DAMAGED, "%s", "a\x1B[31mb\n\tc\x7F, h\xC3\xA4");
    assert_string_equal(err.text, "a?[31mb??c?, h\xC3\xA4");
}

static void test_error__a_long_sentence_is_cut(void **state)
{
    (void)state;
    struct err err;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    err_set(&err, ERR_DAMAGED, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__codes_have_words_with_and_without_minus),
        cmocka_unit_test(test_error__a_sentence_is_kept_with_its_code),
        cmocka_unit_test(test_error__control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(test_error__a_long_sentence_is_cut),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
