/* Columns of a plot: from ticks made by hand, and from random ones against looking at every
 * nanosecond. */
#include "analyzer/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* 1,000 bytes until 40, at 70 for an instant 5,000, at the end of the tick (100) 2,000; RSS 7 MiB.
 */
static struct history_tick hand_made[] = {
    {.end_ns = 40, .high_ns = 10, .high_bytes = 1000, .live_bytes = 1000, .events = 4},
    {.end_ns = 100,
     .high_ns = 70,
     .high_bytes = 5000,
     .live_bytes = 2000,
     .rss_high_bytes = 7 << 20,
     .rss_bytes = 7 << 20,
     .events = 64},
    {.end_ns = 200,
     .high_ns = 100,
     .high_bytes = 2000,
     .live_bytes = 2000,
     .rss_high_bytes = 7 << 20,
     .rss_bytes = 6 << 20,
     .events = 64},
};

static struct history three_ticks(void)
{
    return (struct history){.ticks = hand_made, .tick_count = 3};
}

static void test_series__a_column_has_the_most_that_stood_in_it(void **state)
{
    (void)state;
    struct history h = three_ticks();
    struct series s;
    assert_int_equal(series_make(&s, &h, 0, 200, 10), 0); /* columns of 20 ns */
    static const uint64_t expected[] = {1000, 1000, 1000, 5000, 5000, 2000, 2000, 2000, 2000, 2000};
    for (int i = 0; i < 10; i++)
        assert_int_equal(s.columns[i].live_bytes, expected[i]);
    assert_int_equal(s.columns[3].rss_bytes, 0);
    assert_int_equal(s.columns[4].rss_bytes, 7 << 20);
    assert_int_equal(s.columns[8].rss_bytes, 7 << 20);
    assert_int_equal(s.most_live_bytes, 5000);
    assert_int_equal(s.events, 64);
    series_release(&s);
}

static void test_series__events_are_spread_over_their_tick(void **state)
{
    (void)state;
    struct history h = three_ticks();
    struct series s;
    assert_int_equal(series_make(&s, &h, 40, 160, 4), 0); /* 40..70..100..130..160 */
    assert_int_equal((int)(s.columns[0].events + 0.5), 30);
    assert_int_equal((int)(s.columns[1].events + 0.5), 30);
    assert_int_equal((int)(s.columns[2].events + 0.5), 0);
    assert_int_equal(s.columns[0].live_bytes, 5000); /* at 70, its end */
    assert_int_equal(s.columns[1].live_bytes, 5000); /* until 100 it may have been */
    assert_int_equal(s.columns[2].live_bytes, 2000);
    series_release(&s);
}

static void test_series__an_instant_and_nothing_at_all_are_columns_too(void **state)
{
    (void)state;
    struct history h = three_ticks(), none = {0};
    struct series s;
    assert_int_equal(series_make(&s, &h, 70, 70, 5), 0);
    assert_int_equal(s.columns[4].live_bytes, 5000);
    series_release(&s);
    assert_int_equal(series_make(&s, &none, 0, 0, 3), 0);
    assert_int_equal(s.most_live_bytes, 0);
    assert_int_equal(s.events, 0);
    series_release(&s);
}

static void test_series__times_and_columns_agree(void **state)
{
    (void)state;
    struct history none = {0};
    struct series s;
    static const uint64_t ends[] = {1, 7, 1000, UINT64_C(1) << 40, UINT64_MAX};
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
        assert_int_equal(series_make(&s, &none, 0, ends[k], 90), 0);
        for (int i = 0; i < 90; i++) {
            uint64_t first = series_time(&s, i) + 1, last = series_time(&s, i + 1);
            if (first > last)
                continue;
            assert_int_equal(series_at(&s, first), i);
            assert_int_equal(series_at(&s, last), i);
        }
        series_release(&s);
    }
}

static uint64_t draw(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % limit;
}

/* The live bytes as the ticks tell them, at every nanosecond. */
static void check_random(uint64_t seed)
{
    enum { TICKS = 40, END = 4000 };
    static struct history_tick ticks[TICKS];
    static uint64_t at[END + 1];
    struct history h = {.ticks = ticks, .tick_count = TICKS};
    uint64_t time = 0, value = 0, begun = 0;
    for (int i = 0; i < TICKS; i++) {
        uint64_t high_ns = time + draw(&seed, 50), end_ns = high_ns + draw(&seed, 50);
        ticks[i] = (struct history_tick){.high_ns = high_ns,
                                         .end_ns = end_ns,
                                         .high_bytes = value + draw(&seed, 1000),
                                         .live_bytes = draw(&seed, 1000)};
        for (uint64_t t = begun; t <= high_ns; t++)
            at[t] = at[t] > value && t == begun ? at[t] : value;
        at[high_ns] = at[high_ns] > ticks[i].high_bytes ? at[high_ns] : ticks[i].high_bytes;
        for (uint64_t t = high_ns + 1; t <= end_ns; t++)
            at[t] = ticks[i].high_bytes;
        value = ticks[i].live_bytes;
        time = begun = end_ns;
    }
    for (uint64_t t = begun + 1; t <= END; t++)
        at[t] = value;
    for (int round = 0; round < 20; round++) {
        struct series s;
        uint64_t from = draw(&seed, time), to = from + 1 + draw(&seed, END - from);
        int count = 1 + (int)draw(&seed, 30);
        assert_int_equal(series_make(&s, &h, from, to, count), 0);
        for (int i = 0; i < count; i++) {
            uint64_t most = 0;
            for (uint64_t t = series_time(&s, i) + 1; t <= series_time(&s, i + 1); t++)
                most = at[t] > most ? at[t] : most;
            assert_true(s.columns[i].live_bytes >= most);
        }
        uint64_t all = 0;
        for (uint64_t t = from + 1; t <= to; t++)
            all = at[t] > all ? at[t] : all;
        assert_true(s.most_live_bytes >= all);
        series_release(&s);
    }
}

static void test_series__never_hides_a_maximum(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++)
        check_random(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series__a_column_has_the_most_that_stood_in_it),
        cmocka_unit_test(test_series__events_are_spread_over_their_tick),
        cmocka_unit_test(test_series__an_instant_and_nothing_at_all_are_columns_too),
        cmocka_unit_test(test_series__times_and_columns_agree),
        cmocka_unit_test(test_series__never_hides_a_maximum)};
    return cmocka_run_group_tests(tests, 0, 0);
}
