/* Names in markup: nothing of them may become any. */
#include "analyzer/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *written(const char *bytes, size_t length)
{
    static char out[200];
    char *made = 0;
    size_t size = 0;
    FILE *file = open_memstream(&made, &size);
    page_text(bytes, length, file);
    fclose(file);
    snprintf(out, sizeof out, "%s", made);
    free(made);
    return out;
}

static void test_page_text__markup_becomes_entities(void **state)
{
    (void)state;
    assert_string_equal(written("<a href=\"x\">&'", 14), "&#60;a href=&#34;x&#34;&#62;&#38;&#39;");
}

static void test_page_text__what_xml_cannot_hold_is_told(void **state)
{
    (void)state;
    assert_string_equal(written("a\0b\x1b", 4), "a\\x00b\\x1b");
    assert_string_equal(written("\xe2\x80\xa8\xff\xef\xbf\xbf", 7), "\\u2028\\xff\\uffff");
    assert_string_equal(written("\xc3\xa4\xf0\x9f\x92\xa9", 6), "\xc3\xa4\xf0\x9f\x92\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_text__markup_becomes_entities),
        cmocka_unit_test(test_page_text__what_xml_cannot_hold_is_told),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
