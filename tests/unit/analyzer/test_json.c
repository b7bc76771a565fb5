/* The JSON writer: nesting, commas and indentation, and the escapes of texts that are no UTF-8. */
#include "analyzer/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *output;
static size_t output_bytes;
static FILE *file;

static void start(struct json *j)
{
    file = open_memstream(&output, &output_bytes);
    json_init(j, file);
}

static void expect(const char *expected)
{
    fclose(file);
    assert_string_equal(output, expected);
    free(output);
}

static void test_json__nesting_commas_and_indentation(void **state)
{
    (void)state;
    struct json j;
    start(&j);
    json_object(&j, 0);
    json_number(&j, "a", UINT64_MAX);
    json_array(&j, "b");
    json_number(&j, 0, 1);
    json_signed(&j, 0, -2);
    json_end_array(&j);
    json_array(&j, "none");
    json_end_array(&j);
    json_flat_object(&j, "flat");
    json_bool(&j, "yes", true);
    json_null(&j, "no");
    json_end_object(&j);
    json_end_object(&j);
    expect("{\n \"a\": 18446744073709551615,\n \"b\": [\n  1,\n  -2\n ],\n \"none\": [],\n"
           " \"flat\": {\"yes\": true, \"no\": null}\n}\n");
}

static void test_json__texts_are_escaped(void **state)
{
    (void)state;
    struct json j;
    start(&j);
    json_array(&j, 0);
    json_string(&j, 0, "a\"b\\c");
    json_text(&j, 0, "\n\0\x1b", 3);
    json_string(&j, 0, "é\xff");
    json_string(&j, 0, "\xf3\xa0\x81\x81"); /* U+E0041 */
    json_end_array(&j);
    expect("[\n \"a\\\"b\\\\c\",\n \"\\u000a\\u0000\\u001b\",\n \"é\\\\xff\",\n "
           "\"\\udb40\\udc41\"\n]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__nesting_commas_and_indentation),
        cmocka_unit_test(test_json__texts_are_escaped),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
