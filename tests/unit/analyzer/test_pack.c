/* What pages carry: varints, sections, base64. The whole way back is the page's own script's
 * (tests/web) and a second reader's (tests/e2e/test_flamegraph.py). */
#include "analyzer/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void expect(struct pack *p, const char *bytes, size_t count)
{
    assert_false(p->failed);
    assert_int_equal(p->used, count);
    assert_memory_equal(p->bytes, bytes, count);
    pack_release(p);
}

static void test_pack__numbers_take_seven_bits_a_byte(void **state)
{
    struct pack p = {0};
    (void)state;
    pack_number(&p, 0);
    pack_number(&p, 127);
    pack_number(&p, 300);
    expect(&p, "\x00\x7f\xac\x02", 4);
    pack_number(&p, UINT64_MAX);
    expect(&p, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
}

static void test_pack__signed_numbers_alternate(void **state)
{
    struct pack p = {0};
    (void)state;
    pack_signed(&p, 0);
    pack_signed(&p, -1);
    pack_signed(&p, 1);
    pack_signed(&p, -64);
    pack_signed(&p, 64);
    expect(&p, "\x00\x01\x02\x7f\x80\x01", 6);
}

static void test_pack__a_section_has_its_name_and_length(void **state)
{
    struct pack p = {0}, section = {0};
    (void)state;
    pack_bytes(&section, "xyz", 3);
    pack_section(&p, "abcd", &section);
    assert_null(section.bytes);
    expect(&p, "abcd\x03xyz", 8);
}

static void test_pack__a_section_that_failed_fails_the_whole(void **state)
{
    struct pack p = {0}, section = {.failed = true};
    (void)state;
    pack_section(&p, "abcd", &section);
    assert_true(p.failed);
    assert_int_equal(pack_written_bytes(&p), 0);
    pack_release(&p);
}

static const char *base64_of(const char *text)
{
    static char out[64];
    char *made = 0;
    size_t length = 0;
    FILE *file = open_memstream(&made, &length);
    base64_write((const uint8_t *)text, strlen(text), file);
    fclose(file);
    snprintf(out, sizeof out, "%s", made);
    free(made);
    return out;
}

static void test_base64__as_rfc_4648_has_it(void **state)
{
    (void)state;
    assert_string_equal(base64_of(""), "");
    assert_string_equal(base64_of("f"), "Zg==");
    assert_string_equal(base64_of("fo"), "Zm8=");
    assert_string_equal(base64_of("foo"), "Zm9v");
    assert_string_equal(base64_of("foobar"), "Zm9vYmFy");
    assert_string_equal(base64_of("\xff\xfe\xfd"), "//79");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack__numbers_take_seven_bits_a_byte),
        cmocka_unit_test(test_pack__signed_numbers_alternate),
        cmocka_unit_test(test_pack__a_section_has_its_name_and_length),
        cmocka_unit_test(test_pack__a_section_that_failed_fails_the_whole),
        cmocka_unit_test(test_base64__as_rfc_4648_has_it),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
