/* The set of old pages, against an array of what is in it. */
#include "replay/old_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NUMBERS 3000u

static struct block some_blocks[1];

static void add(struct old_pages *o, uint64_t number)
{
    struct live_page page = {number, {some_blocks}, 0, (uint16_t)(number % 251), 0};
    assert_int_equal(old_pages_add(o, &page), 0);
}

static void test_old_pages__an_empty_set_finds_nothing(void **state)
{
    (void)state;
    struct old_pages o = {0};
    assert_null(old_pages_find(&o, 0));
    add(&o, 5);
    assert_null(old_pages_find(&o, 0));
    old_pages_remove(&o, old_pages_find(&o, 5));
    assert_null(old_pages_find(&o, 5));
    assert_int_equal(o.count, 0);
    old_pages_release(&o);
}

static uint64_t number_of(unsigned i) { return i % 3 ? i : i * UINT64_C(0x100000001); }

/* Adds and removes at random; every number must be found if and only if it is there. */
static void test_old_pages__finds_what_was_added_and_not_removed(void **state)
{
    (void)state;
    static bool there[NUMBERS];
    struct old_pages o = {0};
    uint64_t seed = 1, count = 0;
    for (unsigned step = 0; step < 60000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned i = (unsigned)(seed >> 33) % NUMBERS;
        struct live_page *page = old_pages_find(&o, number_of(i));
        assert_int_equal(page != NULL, there[i]);
        assert_true(!page || (page->number == number_of(i) && page->count == number_of(i) % 251));
        if (page)
            old_pages_remove(&o, page);
        else
            add(&o, number_of(i));
        there[i] = !there[i];
        count += there[i] ? 1 : (uint64_t)-1;
        assert_int_equal(o.count, count);
    }
    for (unsigned i = 0; i < NUMBERS; i++)
        assert_int_equal(old_pages_find(&o, number_of(i)) != NULL, there[i]);
    old_pages_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_pages__an_empty_set_finds_nothing),
        cmocka_unit_test(test_old_pages__finds_what_was_added_and_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
