/* The set of live blocks, against an array: pages, the table behind them, and the moves between. */
#include "replay/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void insert(struct live *l, uint64_t key, uint64_t owner)
{
    struct block b = {key * 3 % 1000, key & BLOCK_VALUE_MAX, 1};
    assert_int_equal(live_insert(l, key, owner, &b), 0);
}

static void remove_key(struct live *l, uint64_t key)
{
    struct block *b = live_find(l, key, 0);
    assert_non_null(b);
    assert_int_equal(b->serial, key & BLOCK_VALUE_MAX);
    live_remove(l, key, 0, b);
}

/* Opens pages that hold one block each, from this one on. Returns the next free page. */
static uint64_t open_pages(struct live *l, uint64_t page, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        insert(l, page++ * LIVE_PAGE, 0);
    return page;
}

static void test_live__finds_what_was_inserted_only(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    assert_null(live_find(&l, 7, 0));
    assert_null(live_find(&l, 7, 1));
    insert(&l, 7, 0);
    assert_int_equal(live_find(&l, 7, 0)->size_bytes, 21);
    assert_null(live_find(&l, 8, 0));
    assert_null(live_find(&l, 7, 1));
    insert(&l, 7, 1);
    remove_key(&l, 7);
    assert_null(live_find(&l, 7, 0));
    assert_non_null(live_find(&l, 7, 1));
    assert_int_equal(live_count(&l), 1);
    live_release(&l);
}

static void test_live__a_thin_page_is_given_up_once_it_is_old(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    insert(&l, 5, 0);
    uint64_t next = open_pages(&l, 1, LIVE_YOUNG - 1);
    assert_int_equal(l.table.count, 0);
    open_pages(&l, next, 1);
    assert_int_equal(l.table.count, 1);
    assert_int_equal(live_count(&l), LIVE_YOUNG + 1);
    remove_key(&l, 5);
    assert_null(live_find(&l, 5, 0));
    live_release(&l);
}

static void test_live__an_old_page_is_packed_when_it_becomes_thin(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    for (uint64_t key = 0; key < LIVE_PAGE; key++)
        insert(&l, key, 0);
    open_pages(&l, 1, LIVE_YOUNG);
    for (uint64_t key = 0; key < LIVE_PAGE - LIVE_THIN; key++)
        remove_key(&l, key);
    assert_int_equal(live_page(&l, 0)->room, 0);
    remove_key(&l, LIVE_PAGE - 1);
    assert_int_equal(live_page(&l, 0)->room, LIVE_THIN);
    for (uint64_t key = LIVE_PAGE - LIVE_THIN; key < LIVE_PAGE - 17; key++)
        remove_key(&l, key);
    assert_int_equal(live_page(&l, 0)->room, 16);
    assert_null(live_find(&l, LIVE_PAGE - 20, 0));
    for (uint64_t key = LIVE_PAGE - 17; key < LIVE_PAGE - 4; key++)
        remove_key(&l, key);
    assert_null(live_page(&l, 0));
    assert_int_equal(l.table.count, LIVE_LEAST - 1);
    for (uint64_t key = LIVE_PAGE - 4; key < LIVE_PAGE - 1; key++)
        remove_key(&l, key);
    assert_int_equal(live_count(&l), LIVE_YOUNG);
    live_release(&l);
}

/* A free that did not happen, of a place that a packed page has no more, and of one that it has. */
static void test_live__a_block_comes_back_to_a_packed_page(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    for (uint64_t key = 0; key < LIVE_PAGE; key += 10)
        insert(&l, key, 0);
    insert(&l, 1, 0);
    remove_key(&l, 1);
    open_pages(&l, 1, LIVE_YOUNG + 1);
    assert_int_not_equal(live_page(&l, 0)->room, 0);
    insert(&l, 1, 0);
    remove_key(&l, 20);
    insert(&l, 20, 0);
    assert_int_equal(live_find(&l, 1, 0)->serial, 1);
    assert_int_equal(l.table.count, 1 + 1); /* and the first page of one block */
    remove_key(&l, 1);
    assert_null(live_find(&l, 1, 0));
    for (uint64_t key = 0; key < LIVE_PAGE; key += 10)
        remove_key(&l, key);
    assert_int_equal(live_count(&l), LIVE_YOUNG + 1);
    live_release(&l);
}

static void test_live__a_page_that_became_empty_is_used_again(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    for (uint64_t key = 0; key < 1000 * LIVE_PAGE; key++) {
        insert(&l, key, 0);
        remove_key(&l, key);
    }
    assert_true(l.page_count <= 2);
    assert_int_equal(live_count(&l), 0);
    assert_int_equal(l.table.count, 0);
    live_release(&l);
}

/* A free that did not happen: its page may be gone meanwhile. */
static void test_live__a_block_comes_back_under_an_index_whose_page_is_gone(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    insert(&l, 3, 0);
    insert(&l, LIVE_PAGE, 0);
    remove_key(&l, 3);
    insert(&l, 3, 0);
    assert_int_equal(live_find(&l, 3, 0)->serial, 3);
    remove_key(&l, 3);
    assert_null(live_find(&l, 3, 0));
    live_release(&l);
}

/* It is the next block's: pages are not opened and closed for each of a loop's. */
static void test_live__the_newest_page_stays_when_it_becomes_empty(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    for (uint64_t number = 0; number < 5; number++) {
        insert(&l, number * LIVE_PAGE, 0);
        remove_key(&l, number * LIVE_PAGE);
        assert_non_null(live_page(&l, number * LIVE_PAGE));
        assert_int_equal(l.page_count, 1); /* those before it are closed */
    }
    live_release(&l);
}

/* Indices that jump, as after lost blocks, up to the largest that a trace can have. */
static void test_live__far_jumps_of_the_index_cost_little_memory(void **state)
{
    (void)state;
    struct live l;
    uint64_t step = (UINT64_C(1) << 62) / 50000;
    live_init(&l);
    for (uint64_t i = 0; i < 50000; i++)
        insert(&l, i * step, 0);
    assert_true(l.page_count <= LIVE_YOUNG + 1);
    for (uint64_t i = 0; i < 50000; i++)
        remove_key(&l, i * step);
    assert_int_equal(live_count(&l), 0);
    live_release(&l);
}

static void test_live__dense_blocks_stay_in_pages_however_many(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    for (uint64_t key = 0; key < 3000000; key++)
        insert(&l, key, 0);
    assert_int_equal(l.table.count, 0);
    assert_true(l.page_count * LIVE_PAGE < 3000000 + LIVE_PAGE);
    for (uint64_t key = 0; key < 3000000; key++)
        remove_key(&l, key);
    assert_int_equal(live_count(&l), 0);
    live_release(&l);
}

/* A few dense pages from the start, then so many allocations that the window comes round. */
static void test_live__an_old_page_makes_way_in_the_window(void **state)
{
    (void)state;
    enum { OLD = 10 * LIVE_PAGE, ROUND = 2000 * LIVE_PAGE };
    struct live l;
    live_init(&l);
    for (uint64_t key = 0; key < OLD; key++)
        insert(&l, key, 0);
    for (uint64_t key = OLD; key < ROUND; key++) {
        insert(&l, key, 0);
        remove_key(&l, key);
    }
    assert_int_equal(l.table.count, 0);
    assert_int_equal(l.old.count, OLD / LIVE_PAGE);
    assert_int_equal(l.window_mask, 1023);
    assert_int_equal(live_page(&l, 0)->count, LIVE_PAGE);
    for (uint64_t key = 0; key < OLD; key++)
        remove_key(&l, key);
    assert_int_equal(live_count(&l), 0);
    assert_int_equal(l.old.count, 0);
    live_release(&l);
}

static bool is_odd_page(void *context, const struct block *b)
{
    (void)context;
    return b->serial / LIVE_PAGE % 2;
}

/* Old pages are purged as the others, and one that is out of the window is packed in its turn. */
static void test_live__old_pages_are_packed_and_purged(void **state)
{
    (void)state;
    enum { OLD = 300, ROUND = 2000 * LIVE_PAGE };
    struct live l;
    uint64_t pages[OLD], seed = 1, next = 0, odd = 0;
    live_init(&l);
    for (int i = 0; i < OLD; i++) { /* far apart, so that some share a slot */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        pages[i] = next += 1 + (seed >> 40) % 5000;
        odd += pages[i] % 2;
        for (unsigned place = 0; place < LIVE_PAGE; place++)
            insert(&l, pages[i] * LIVE_PAGE + place, 0);
    }
    for (uint64_t key = ++next * LIVE_PAGE; key < next * LIVE_PAGE + ROUND; key++) {
        insert(&l, key, 0);
        remove_key(&l, key);
    }
    assert_int_equal(l.old.count, OLD);
    for (unsigned place = 0; place < LIVE_PAGE; place++)
        if (place % 16)
            remove_key(&l, pages[0] * LIVE_PAGE + place);
    assert_int_equal(live_page(&l, pages[0] * LIVE_PAGE)->room, 16);
    assert_int_equal(live_purge(&l, is_odd_page, 0), 0);
    assert_int_equal(l.old.count, odd);
    for (int i = 0; i < OLD; i++)
        assert_int_equal(live_find(&l, pages[i] * LIVE_PAGE, 0) != 0, pages[i] % 2);
    live_release(&l);
}

/* Blocks are born by index, in order, live for very different times, and some come back. */
static void test_live__equals_an_array_under_random_use(void **state)
{
    (void)state;
    enum { KEYS = 3000000, SLOTS = 200000 };
    struct live l;
    static uint64_t held[SLOTS]; /* key + 1 */
    uint64_t seed = 1, count = 0;
    live_init(&l);
    memset(held, 0, sizeof held);
    for (uint64_t key = 0; key < KEYS; key++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t at = seed >> 40, span = seed >> 8 & 7; /* most in a few slots: they die young */
        at %= span ? 1000 : SLOTS;
        if (held[at]) {
            remove_key(&l, held[at] - 1);
            assert_null(live_find(&l, held[at] - 1, 0));
            if (seed >> 16 & 1) {
                insert(&l, held[at] - 1, 0);
                remove_key(&l, held[at] - 1);
            }
            count--;
        }
        insert(&l, key, 0);
        held[at] = key + 1;
        count++;
    }
    assert_int_equal(live_count(&l), count);
    assert_true(l.table.count > 0 && l.paged > 0);
    for (uint64_t at = 0; at < SLOTS; at++)
        assert_true(!held[at] || live_find(&l, held[at] - 1, 0)->serial == held[at] - 1);
    live_release(&l);
}

static bool is_even(void *context, const struct block *b)
{
    (void)context;
    return b->serial % 2 == 0;
}

static bool none(void *context, const struct block *b)
{
    (void)context;
    (void)b;
    return false;
}

static void test_live__purge_drops_what_is_turned_down(void **state)
{
    (void)state;
    struct live l;
    live_init(&l);
    insert(&l, 4, 9);
    insert(&l, 5, 9);
    for (uint64_t key = 0; key < 2u << 16; key++)
        insert(&l, key, 0);
    assert_int_equal(live_purge(&l, is_even, 0), 0);
    assert_int_equal(live_count(&l), (1u << 16) + 1);
    for (uint64_t key = 0; key < 2u << 16; key++)
        assert_int_equal(live_find(&l, key, 0) != 0, key % 2 == 0);
    assert_int_equal(live_purge(&l, none, 0), 0);
    assert_int_equal(live_count(&l), 0);
    assert_true(l.page_count <= 1);
    live_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live__finds_what_was_inserted_only),
        cmocka_unit_test(test_live__a_thin_page_is_given_up_once_it_is_old),
        cmocka_unit_test(test_live__an_old_page_is_packed_when_it_becomes_thin),
        cmocka_unit_test(test_live__a_block_comes_back_to_a_packed_page),
        cmocka_unit_test(test_live__a_page_that_became_empty_is_used_again),
        cmocka_unit_test(test_live__a_block_comes_back_under_an_index_whose_page_is_gone),
        cmocka_unit_test(test_live__the_newest_page_stays_when_it_becomes_empty),
        cmocka_unit_test(test_live__far_jumps_of_the_index_cost_little_memory),
        cmocka_unit_test(test_live__dense_blocks_stay_in_pages_however_many),
        cmocka_unit_test(test_live__an_old_page_makes_way_in_the_window),
        cmocka_unit_test(test_live__old_pages_are_packed_and_purged),
        cmocka_unit_test(test_live__equals_an_array_under_random_use),
        cmocka_unit_test(test_live__purge_drops_what_is_turned_down),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
