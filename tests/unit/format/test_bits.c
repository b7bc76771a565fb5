/* Sets of numbers: what is in one, beside a list of booleans. */
#include "format/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { LIMIT = 200 };

/* Does the set hold just these? */
static void compare(const uint64_t *bits, const bool *wanted)
{
    unsigned below = 0;
    for (uint32_t number = 0; number < LIMIT; number++) {
        below = number % 64 ? below : 0;
        assert_int_equal(bits_has(bits, number), wanted[number]);
        assert_int_equal(bits_below(bits, number), below);
        below += wanted[number];
    }
}

static void test_bits__a_set_is_a_list_of_booleans(void **state)
{
    (void)state;
    uint64_t *bits = bits_new(LIMIT);
    bool wanted[LIMIT] = {false};
    uint32_t seed = 1;
    assert_non_null(bits);
    compare(bits, wanted);
    for (int i = 0; i < 2000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t number = (seed >> 8) % LIMIT;
        wanted[number] = seed >> 31 || i < 500;
        if (wanted[number])
            bits_add(bits, number);
        else
            bits_remove(bits, number);
        compare(bits, wanted);
    }
    free(bits);
}

static void test_bits__what_is_cleared_ends_with_the_word_of_the_limit(void **state)
{
    (void)state;
    uint64_t *bits = bits_new(LIMIT);
    assert_non_null(bits);
    for (uint32_t number = 0; number < LIMIT; number++)
        bits_add(bits, number);
    bits_clear(bits, 65);
    for (uint32_t number = 0; number < LIMIT; number++)
        assert_int_equal(bits_has(bits, number), number >= 128);
    free(bits);
}

static void test_bits__words_hold_each_number_below_the_limit(void **state)
{
    (void)state;
    assert_int_equal(BITS_WORDS(0), 0);
    assert_int_equal(BITS_WORDS(1), 1);
    assert_int_equal(BITS_WORDS(64), 1);
    assert_int_equal(BITS_WORDS(65), 2);
    uint64_t *none = bits_new(0);
    assert_non_null(none);
    free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits__a_set_is_a_list_of_booleans),
        cmocka_unit_test(test_bits__what_is_cleared_ends_with_the_word_of_the_limit),
        cmocka_unit_test(test_bits__words_hold_each_number_below_the_limit)};
    return cmocka_run_group_tests(tests, 0, 0);
}
