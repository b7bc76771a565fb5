/* Protocol buffers: the examples of their own description, limits of varints, and what is left
 * out. */
#include "analyzer/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void expect(struct protobuf *p, const char *bytes, size_t length)
{
    assert_false(p->failed);
    assert_int_equal(p->used, length);
    assert_memory_equal(p->bytes, bytes, length);
    protobuf_clear(p);
}

/* protobuf.dev, "Encoding": a field 1 that is 150, and a field 2 that is "testing". */
static void test_protobuf__numbers_and_texts_as_the_description_shows_them(void **state)
{
    (void)state;
    struct protobuf p = {0};
    protobuf_number(&p, 1, 150);
    expect(&p, "\x08\x96\x01", 3);
    protobuf_bytes(&p, 2, "testing", 7);
    expect(&p, "\x12\x07testing", 9);
    protobuf_release(&p);
}

static void test_protobuf__0_is_left_out_and_an_empty_text_is_not(void **state)
{
    (void)state;
    struct protobuf p = {0};
    protobuf_number(&p, 3, 0);
    expect(&p, "", 0);
    protobuf_bytes(&p, 6, "", 0);
    expect(&p, "\x32\x00", 2);
    protobuf_item(&p, 0);
    expect(&p, "\x00", 1);
    protobuf_release(&p);
}

static void test_protobuf__the_largest_numbers_and_fields(void **state)
{
    (void)state;
    struct protobuf p = {0};
    protobuf_number(&p, 16, UINT64_MAX);
    expect(&p, "\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    protobuf_release(&p);
}

static void test_protobuf__a_long_text_grows_it(void **state)
{
    (void)state;
    static char text[100000];
    struct protobuf p = {0};
    memset(text, 'x', sizeof text);
    protobuf_number(&p, 1, 7);
    protobuf_bytes(&p, 2, text, sizeof text);
    assert_false(p.failed);
    assert_int_equal(p.used, 2 + 1 + 3 + sizeof text);
    assert_memory_equal(p.bytes, "\x08\x07\x12\xa0\x8d\x06xxx", 9);
    protobuf_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protobuf__numbers_and_texts_as_the_description_shows_them),
        cmocka_unit_test(test_protobuf__0_is_left_out_and_an_empty_text_is_not),
        cmocka_unit_test(test_protobuf__the_largest_numbers_and_fields),
        cmocka_unit_test(test_protobuf__a_long_text_grows_it),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
