/* Numbers as people read them: digits and units of sizes, shares, times and counts at their limits.
 */
#include "analyzer/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_quantity__sizes_have_three_digits(void **state)
{
    (void)state;
    assert_string_equal(quantity_size(0).text, "0 B");
    assert_string_equal(quantity_size(1023).text, "1023 B");
    assert_string_equal(quantity_size(1024).text, "1.00 KiB");
    assert_string_equal(quantity_size(10240).text, "10.0 KiB");
    assert_string_equal(quantity_size(10234).text, "9.99 KiB");
    assert_string_equal(quantity_size(10239).text, "10.0 KiB");
    assert_string_equal(quantity_size(102400).text, "100 KiB");
    assert_string_equal(quantity_size((1 << 20) - 1).text, "1.00 MiB");
    assert_string_equal(quantity_size(1363148800).text, "1.27 GiB");
    assert_string_equal(quantity_size(UINT64_MAX).text, "16.0 EiB");
}

static void test_quantity__a_small_share_is_never_0(void **state)
{
    (void)state;
    assert_string_equal(quantity_share(1, 1).text, "100.0%");
    assert_string_equal(quantity_share(1, 3).text, "33.3%");
    assert_string_equal(quantity_share(1, 1000000).text, "<0.1%");
    assert_string_equal(quantity_share(0, 5).text, "0.0%");
    assert_string_equal(quantity_share(0, 0).text, "-");
}

static void test_quantity__times_choose_their_unit(void **state)
{
    (void)state;
    assert_string_equal(quantity_time(900).text, "0 us");
    assert_string_equal(quantity_time(750000).text, "750 us");
    assert_string_equal(quantity_time(12000000).text, "12 ms");
    assert_string_equal(quantity_time(999600000).text, "1.00 s");
    assert_string_equal(quantity_time(12480000000).text, "12.5 s");
    assert_string_equal(quantity_time(200000000000).text, "3 min 20 s");
    assert_string_equal(quantity_time(7320000000000).text, "2 h 02 min");
}

static void test_quantity__counts_are_grouped(void **state)
{
    (void)state;
    assert_string_equal(quantity_count(0).text, "0");
    assert_string_equal(quantity_count(999).text, "999");
    assert_string_equal(quantity_count(1000).text, "1,000");
    assert_string_equal(quantity_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void test_quantity__changes_have_signs(void **state)
{
    (void)state;
    assert_string_equal(quantity_change(0).text, "0 B");
    assert_string_equal(quantity_change(-484442112).text, "-462 MiB");
    assert_string_equal(quantity_change(1024).text, "+1.00 KiB");
    assert_string_equal(quantity_change(INT64_MIN).text, "-8.00 EiB");
    assert_string_equal(quantity_growth(1000, 645).text, "-35.5%");
    assert_string_equal(quantity_growth(1000, 1355).text, "+35.5%");
    assert_string_equal(quantity_growth(1000000, 1000001).text, "<0.1%");
    assert_string_equal(quantity_growth(1000, 64000).text, "64 times");
    assert_string_equal(quantity_growth(1000, 1000).text, "0.0%");
    assert_string_equal(quantity_growth(0, 5).text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantity__sizes_have_three_digits),
        cmocka_unit_test(test_quantity__a_small_share_is_never_0),
        cmocka_unit_test(test_quantity__changes_have_signs),
        cmocka_unit_test(test_quantity__times_choose_their_unit),
        cmocka_unit_test(test_quantity__counts_are_grouped),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
