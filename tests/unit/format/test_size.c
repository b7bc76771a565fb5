/* Sizes as people type them: what is one, to the byte, and what is none. */
#include "format/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_size__what_is_one_and_what_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"64KiB", 65536},
                {"64K", 65536},
                {"64kb", 64000},
                {"1.5GB", 1500000000},
                {"1.5GiB", 1610612736},
                {"2MB", 2000000},
                {"1TiB", UINT64_C(1) << 40},
                {"3T", UINT64_C(3) << 40},
                {"2TB", UINT64_C(2000000000000)},
                {"5m", 5 << 20},
                {"7MiB", 7 << 20},
                {"3g", UINT64_C(3) << 30},
                {"6B", 6},
                {"100B", 100},
                {"1e3", 1000}};
    static const char *const bad[] = {"",     "x",   "-1",      "-0.5KB",
                                      "KiB",  "1XB", "1 KiB x", "10EiB",
                                      "1e30", "nan", "inf",     "9223372036854775808",
                                      "1KiBs"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(size_parse(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (size_parse(bad[i], &bytes))
            fail_msg("'%s' was taken as %llu", bad[i], (unsigned long long)bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size__what_is_one_and_what_is_none)};
    return cmocka_run_group_tests(tests, 0, 0);
}
