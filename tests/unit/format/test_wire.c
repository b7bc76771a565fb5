/* Integers at their borders, and varints that lie. */
#include "format/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_wire__fixed_integers_are_little_endian(void **state)
{
    (void)state;
    uint8_t out[8];
    put_u16(out, 0x0102);
    assert_memory_equal(out, "\x02\x01", 2);
    put_u32(out, 0x01020304);
    assert_memory_equal(out, "\x04\x03\x02\x01", 4);
    put_u64(out, 0x0102030405060708u);
    assert_memory_equal(out, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_int_equal(get_u16(out), 0x0708);
    assert_int_equal(get_u32(out), 0x05060708);
    assert_true(get_u64(out) == 0x0102030405060708u);
}

static void test_wire__varints_have_the_bytes_of_leb128(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t length;
    } rows[] = {
        {0, "\x00", 1},
        {127, "\x7F", 1},
        {128, "\x80\x01", 2},
        {300, "\xAC\x02", 2},
        {16383, "\xFF\x7F", 2},
        {16384, "\x80\x80\x01", 3},
        {UINT64_MAX, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[VARINT_MAX_BYTES];
        uint64_t value;
        assert_int_equal(put_varint(out, rows[i].value) - out, rows[i].length);
        assert_memory_equal(out, rows[i].bytes, rows[i].length);
        assert_ptr_equal(get_varint(out, out + rows[i].length, &value), out + rows[i].length);
        assert_true(value == rows[i].value);
        for (size_t cut = 0; cut < rows[i].length; cut++) {
            assert_null(get_varint(out, out + cut, &value));
            assert_true(value == 0 || cut == 0);
        }
    }
}

static void test_wire__varints_beyond_64_bits_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02",
                                        "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
                                        "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"};
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *in = (const uint8_t *)wrong[i];
        uint64_t value = 1;
        assert_null(get_varint(in, in + strlen(wrong[i]), &value));
        assert_true(value == 0);
    }
}

static void test_wire__zigzag_keeps_small_numbers_small(void **state)
{
    (void)state;
    static const int64_t values[] = {0, -1, 1, -2, 2};
    for (uint64_t i = 0; i < 5; i++)
        assert_true(zigzag(values[i]) == i && unzigzag(i) == values[i]);
    assert_true(zigzag(INT64_MIN) == UINT64_MAX && unzigzag(UINT64_MAX) == INT64_MIN);
    assert_true(zigzag(INT64_MAX) == UINT64_MAX - 1 && unzigzag(UINT64_MAX - 1) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire__fixed_integers_are_little_endian),
        cmocka_unit_test(test_wire__varints_have_the_bytes_of_leb128),
        cmocka_unit_test(test_wire__varints_beyond_64_bits_are_refused),
        cmocka_unit_test(test_wire__zigzag_keeps_small_numbers_small),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
