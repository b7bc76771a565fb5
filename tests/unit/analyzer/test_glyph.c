/* Foreign text made safe: what stays, what is escaped and how, and how wide it is on a terminal. */
#include "analyzer/glyph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const char *shown(const char *bytes, size_t length, bool ascii)
{
    static char out[200];
    size_t used = 0;
    out[0] = 0;
    glyph_append(out, sizeof out, &used, bytes, length, ascii);
    assert_int_equal(strlen(out), used);
    return out;
}

static void test_glyph__plain_text_stays(void **state)
{
    (void)state;
    assert_string_equal(shown("main é 漢 🐍", strlen("main é 漢 🐍"), false), "main é 漢 🐍");
    assert_string_equal(shown("", 0, false), "");
}

static void test_glyph__controls_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(shown("a\x1b[31m\n\x7f\0z", 10, false), "a\\x1b[31m\\x0a\\x7f\\x00z");
    assert_string_equal(shown("\xc2\x9b", 2, false), "\\x9b");
    assert_string_equal(shown("\xe2\x80\xae", 3, false), "\\u202e");
}

static void test_glyph__bytes_that_are_no_utf8_are_escaped_one_by_one(void **state)
{
    (void)state;
    assert_string_equal(shown("\xff\xfe", 2, false), "\\xff\\xfe");
    assert_string_equal(shown("\xc3", 1, false), "\\xc3");
    assert_string_equal(shown("\xc0\x80", 2, false), "\\xc0\\x80");          /* overlong */
    assert_string_equal(shown("\xed\xa0\x80", 3, false), "\\xed\\xa0\\x80"); /* surrogate */
    assert_string_equal(shown("\xf4\x90\x80\x80", 4, false), "\\xf4\\x90\\x80\\x80");
    assert_string_equal(shown("\xe0\x9f\xbf", 3, false), "\\xe0\\x9f\\xbf");
}

static void test_glyph__ascii_escapes_everything_else(void **state)
{
    (void)state;
    assert_string_equal(shown("é漢🐍", strlen("é漢🐍"), true), "\\xe9\\u6f22\\U0001f40d");
}

static void test_glyph__no_character_is_cut_where_room_ends(void **state)
{
    (void)state;
    char out[6];
    size_t used = 0;
    glyph_append(out, sizeof out, &used, "ab漢漢", strlen("ab漢漢"), false);
    assert_string_equal(out, "ab漢");
}

static void test_glyph__columns(void **state)
{
    (void)state;
    assert_int_equal(glyph_text_columns("abc"), 3);
    assert_int_equal(glyph_text_columns("é漢"), 3);
    assert_int_equal(glyph_text_columns("e\xcc\x81"), 1);
    assert_int_equal(glyph_text_columns("├─ …"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glyph__plain_text_stays),
        cmocka_unit_test(test_glyph__controls_are_escaped),
        cmocka_unit_test(test_glyph__bytes_that_are_no_utf8_are_escaped_one_by_one),
        cmocka_unit_test(test_glyph__ascii_escapes_everything_else),
        cmocka_unit_test(test_glyph__no_character_is_cut_where_room_ends),
        cmocka_unit_test(test_glyph__columns),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
