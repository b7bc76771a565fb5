/* The set of live blocks where one allocation fails: what could not be done is told or left for
 * later, and every block is found all the same. Not here: the set with memory (test_live.c). */
#include "tests/unit/starve.h"

#include "format/error.h"
#include "replay/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { CHUNK = 1024 * LIVE_PAGE, KEYS = CHUNK + 40 * LIVE_PAGE, YOUNG = 300, OWNERS = 3000 };

static struct live live;
static uint64_t packed_pages; /* of which so many blocks stay that they are packed */

static struct block block_of(uint64_t key)
{
    return (struct block){key * 3 % 1000, key & BLOCK_VALUE_MAX, 1};
}

/* Inserts a block; where that found no memory, once more. */
static int insert(uint64_t key, uint64_t owner)
{
    struct block b = block_of(key);
    int rc = live_insert(&live, key, owner, &b);
    if (!rc)
        return 0;
    assert_int_equal(rc, -ERR_NOMEM);
    assert_null(live_find(&live, key, owner));
    assert_int_equal(live_insert(&live, key, owner, &b), 0);
    return 1;
}

static void check(uint64_t key, uint64_t owner, bool there)
{
    const struct block *b = live_find(&live, key, owner);
    assert_int_equal(b != 0, there);
    assert_true(!b || (b->serial == key && b->size_bytes == key * 3 % 1000));
}

static void drop(uint64_t key)
{
    struct block *b = live_find(&live, key, 0);
    assert_non_null(b);
    live_remove(&live, key, 0, b);
}

/* Pages that stay dense, such that become thin, and those of which two blocks stay. */
static bool stays(uint64_t key)
{
    uint64_t page = key / LIVE_PAGE, place = key % LIVE_PAGE;
    return page < 3 || (page < packed_pages ? place % 20 == 0 : place < 2);
}

static bool keep_even(void *context, const struct block *block)
{
    (void)context;
    return block->serial % 2 == 0;
}

/* What a long run does. Returns how often memory was missed. */
static int work(void)
{
    int missed = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        missed += insert(key, 0);
        if (key < OWNERS)
            missed += insert(key, 7);
        if (key >= YOUNG && !stays(key - YOUNG))
            drop(key - YOUNG);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        check(key, 0, stays(key) || key >= KEYS - YOUNG);
    int rc = live_purge(&live, keep_even, 0);
    if (rc) {
        assert_int_equal(rc, -ERR_NOMEM);
        missed++;
        assert_int_equal(live_purge(&live, keep_even, 0), 0);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        check(key, 0, (stays(key) || key >= KEYS - YOUNG) && key % 2 == 0);
    for (uint64_t key = 0; key < OWNERS; key++)
        check(key, 7, key % 2 == 0);
    return missed;
}

static void starve_work(void)
{
    long held = starve_held, allocations = 0;
    for (bool starved = true; starved; allocations++) {
        live_init(&live);
        starve_after = allocations;
        int missed = work();
        starved = starve_after < 0;
        starve_after = -1;
        assert_true(missed <= starved);
        live_release(&live);
        assert_int_equal(starve_held, held);
    }
    assert_true(allocations > 8);
}

/* With many packed pages the window grows; with few the oldest pages must leave it. */
static void test_live__loses_nothing_where_an_allocation_fails(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    packed_pages = 700;
    starve_work();
    packed_pages = 200;
    starve_work();
}

/* All pages are in use when one should be packed. */
static void test_live__a_page_that_finds_no_smaller_place_stays(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    live_init(&live);
    for (uint64_t key = 0; key < CHUNK; key++)
        assert_int_equal(insert(key, 0), 0);
    for (uint64_t key = LIVE_THIN - 1; key < LIVE_PAGE; key++) {
        starve_after = 0;
        drop(key);
        starve_after = -1;
    }
    assert_int_equal(live_page(&live, 0)->room, 0);
    drop(0);
    assert_true(live_page(&live, 0)->room > 0);
    for (uint64_t key = 0; key < CHUNK; key++)
        check(key, 0, key >= LIVE_PAGE || (key && key < LIVE_THIN - 1));
    live_release(&live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live__loses_nothing_where_an_allocation_fails),
        cmocka_unit_test(test_live__a_page_that_finds_no_smaller_place_stays),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
