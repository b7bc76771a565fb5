/* When the guard steps in, by numbers; that it does, and what is told, is shown in
 * tests/e2e/test_out_of_memory.py. */
#include "recorder/collector/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MB UINT64_C(1000000)
#define GB (1000 * MB)

static void test_guard__reserve_is_100_mb_and_a_tenth_of_less(void **state)
{
    (void)state;
    assert_int_equal(guard_reserve(GUARD_DEFAULT, 64 * GB), 100 * MB);
    assert_int_equal(guard_reserve(GUARD_DEFAULT, 1 * GB), 100 * MB);
    assert_int_equal(guard_reserve(GUARD_DEFAULT, 300 * MB), 30 * MB);
    assert_int_equal(guard_reserve(700 * MB, 300 * MB), 700 * MB); /* what was asked for stands */
}

static bool acts(uint64_t left, uint64_t whole, uint64_t reserve, uint64_t held, uint64_t swapped)
{
    struct headroom_left is = {.left_bytes = left, .whole_bytes = whole};
    return guard_must_act(&is, reserve, held, swapped);
}

static void test_guard__acts_below_the_reserve(void **state)
{
    (void)state;
    assert_false(acts(101 * MB, 8 * GB, 100 * MB, 7 * GB, 0));
    assert_false(acts(100 * MB, 8 * GB, 100 * MB, 7 * GB, 0));
    assert_true(acts(99 * MB, 8 * GB, 100 * MB, 7 * GB, 0));
    assert_true(acts(0, 8 * GB, 100 * MB, 7 * GB, 0));
}

static void test_guard__spares_a_program_whose_end_would_not_help(void **state)
{
    (void)state;
    assert_false(acts(10 * MB, 8 * GB, 100 * MB, 99 * MB, 0));
    assert_true(acts(10 * MB, 8 * GB, 100 * MB, 100 * MB, 0));
    assert_true(acts(10 * MB, 8 * GB, 100 * MB, 60 * MB, 0 + 40 * MB));
    assert_true(acts(3 * GB, 8 * GB, 4 * GB, 100 * MB, 0)); /* a large reserve asks for no more */
}

static void test_guard__acts_when_more_is_swapped_out_than_left(void **state)
{
    (void)state;
    assert_false(acts(500 * MB, 8 * GB, 100 * MB, 1 * GB, 500 * MB));
    assert_true(acts(500 * MB, 8 * GB, 100 * MB, 1 * GB, 501 * MB));
}

static void test_guard__looks_the_oftener_the_less_is_left(void **state)
{
    (void)state;
    assert_int_equal(guard_pause(64 * GB, 100 * MB), 100000000);
    assert_int_equal(guard_pause(180 * MB, 100 * MB), 10000000);
    assert_int_equal(guard_pause(100 * MB, 100 * MB), 1000000);
    assert_int_equal(guard_pause(0, 100 * MB), 1000000);
}

static void test_guard__says_why(void **state)
{
    (void)state;
    char text[512];
    struct guard g = {.left = {30u << 20, 300u << 20, 0, true}};
    guard_sentence(&g, text, sizeof text);
    assert_string_equal(text, "memory is nearly used up: 30.0 MiB are left of the control group's "
                              "300 MiB");
    g.left.of_group = false;
    guard_sentence(&g, text, sizeof text);
    assert_non_null(strstr(text, "left of the machine's 300 MiB"));
    g.swapped_bytes = 40u << 20;
    guard_sentence(&g, text, sizeof text);
    assert_non_null(strstr(text, "40.0 MiB of the program are swapped out"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard__reserve_is_100_mb_and_a_tenth_of_less),
        cmocka_unit_test(test_guard__acts_below_the_reserve),
        cmocka_unit_test(test_guard__spares_a_program_whose_end_would_not_help),
        cmocka_unit_test(test_guard__acts_when_more_is_swapped_out_than_left),
        cmocka_unit_test(test_guard__looks_the_oftener_the_less_is_left),
        cmocka_unit_test(test_guard__says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
