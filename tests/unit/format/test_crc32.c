/* The checksum against its published check value and against the definition, bit by bit. */
#include "format/crc32.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The polynomial division as IEEE 802.3 has it, reflected. */
static uint32_t by_bits(const uint8_t *bytes, size_t length)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    return ~crc;
}

static void test_crc32__has_the_published_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32_update(0, "123456789", 9), 0xCBF43926);
    assert_int_equal(crc32_update(0, "", 0), 0);
}

static void test_crc32__agrees_with_the_definition_at_every_length_and_split(void **state)
{
    (void)state;
    enum { MOST = 300 }; /* beyond what is folded at once, four times */
    uint8_t bytes[MOST];
    for (int i = 0; i < MOST; i++)
        bytes[i] = (uint8_t)(i * i * 37 + (i >> 3) + 11);
    for (size_t length = 0; length <= MOST; length++) {
        assert_int_equal(crc32_update(0, bytes, length), by_bits(bytes, length));
        for (size_t first = 0; first <= length; first++) {
            uint32_t crc = crc32_update(0, bytes, first);
            assert_int_equal(crc32_update(crc, bytes + first, length - first),
                             by_bits(bytes, length));
        }
    }
}

static void test_crc32__of_much_at_any_alignment(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    for (unsigned offset = 0; offset < 17; offset++)
        assert_int_equal(crc32_update(0, bytes + offset, sizeof bytes - 17),
                         by_bits(bytes + offset, sizeof bytes - 17));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32__has_the_published_check_value),
        cmocka_unit_test(test_crc32__agrees_with_the_definition_at_every_length_and_split),
        cmocka_unit_test(test_crc32__of_much_at_any_alignment),
    };
    return cmocka_run_group_tests_name("crc32", tests, NULL, NULL);
}
