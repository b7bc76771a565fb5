/* The hash table of live blocks, against an array. */
#include "replay/blockmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void insert(struct blockmap *t, uint64_t key, uint64_t owner)
{
    struct block b = {key * 3, key + 7, 1};
    assert_int_equal(blockmap_insert(t, key, owner, &b), 0);
}

static void test_blockmap__a_block_is_16_bytes_and_keeps_its_values(void **state)
{
    (void)state;
    struct block b = {BLOCK_VALUE_MAX, BLOCK_VALUE_MAX - 1, UINT32_MAX};
    assert_int_equal(sizeof b, 16);
    assert_int_equal(b.size_bytes, BLOCK_VALUE_MAX);
    assert_int_equal(b.serial, BLOCK_VALUE_MAX - 1);
    assert_int_equal(b.site, UINT32_MAX);
}

static void test_blockmap__finds_what_was_inserted_only(void **state)
{
    (void)state;
    struct blockmap t;
    blockmap_init(&t);
    assert_null(blockmap_find(&t, 7, 0));
    insert(&t, 7, 0);
    assert_non_null(blockmap_find(&t, 7, 0));
    assert_int_equal(blockmap_find(&t, 7, 0)->size_bytes, 21);
    assert_null(blockmap_find(&t, 8, 0));
    assert_null(blockmap_find(&t, 7, 1));
    blockmap_release(&t);
}

static void test_blockmap__keeps_one_address_in_many_processes_apart(void **state)
{
    (void)state;
    enum { OWNERS = 1300 };
    struct blockmap t;
    blockmap_init(&t);
    for (uint64_t owner = 0; owner < OWNERS; owner++) {
        struct block b = {owner * 7, owner, 1};
        assert_int_equal(blockmap_insert(&t, 0x1000, owner, &b), 0);
    }
    for (uint64_t owner = 0; owner < OWNERS; owner += 2)
        blockmap_remove(&t, blockmap_find(&t, 0x1000, owner));
    for (uint64_t owner = 0; owner < OWNERS; owner++) {
        const struct block *b = blockmap_find(&t, 0x1000, owner);
        assert_int_equal(b != 0, owner % 2);
        assert_true(!b || b->size_bytes == owner * 7);
    }
    blockmap_release(&t);
}

/* Keys that begin in the last slots of the table run on at its start. */
static void test_blockmap__removal_closes_holes_around_the_end_of_the_table(void **state)
{
    (void)state;
    struct blockmap t;
    uint64_t keys[600], count = 0;
    blockmap_init(&t);
    insert(&t, 0, 0);
    blockmap_remove(&t, blockmap_find(&t, 0, 0));
    for (uint64_t key = 0; count < 60; key++)
        if (blockmap_home(&t, key, 0) > t.slot_count - 16)
            insert(&t, keys[count++] = key, 0);
    for (uint64_t i = 0; i < count; i++) {
        blockmap_remove(&t, blockmap_find(&t, keys[i], 0));
        for (uint64_t k = 0; k < count; k++)
            assert_int_equal(blockmap_find(&t, keys[k], 0) != 0, k > i);
    }
    assert_int_equal(t.count, 0);
    blockmap_release(&t);
}

/* Large enough to give old slots back while it grows, with holes from removals everywhere. */
static void test_blockmap__growing_loses_nothing(void **state)
{
    (void)state;
    enum { KEYS = 700000 };
    struct blockmap t;
    blockmap_init(&t);
    for (uint64_t key = 0; key < KEYS; key++) {
        insert(&t, key * 5, key % 3);
        if (key % 4 == 1)
            blockmap_remove(&t, blockmap_find(&t, (key - 1) * 5, (key - 1) % 3));
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        const struct block *b = blockmap_find(&t, key * 5, key % 3);
        assert_int_equal(b != 0, key % 4 != 0);
        assert_true(!b || b->size_bytes == key * 15);
    }
    assert_int_equal(t.count, KEYS / 4 * 3);
    blockmap_release(&t);
}

static void test_blockmap__a_block_takes_at_most_100_bytes(void **state)
{
    (void)state;
    struct blockmap t;
    blockmap_init(&t);
    for (uint64_t key = 0; key < 1000000; key++) {
        insert(&t, key, 0);
        assert_true(key < 1000 || t.slot_count * sizeof *t.slots / t.count <= 100);
    }
    blockmap_release(&t);
}

static bool is_even(void *context, const struct block *b)
{
    (void)context;
    return b->serial % 2 == 0;
}

static void test_blockmap__purge_drops_what_is_turned_down(void **state)
{
    (void)state;
    struct blockmap t;
    blockmap_init(&t);
    for (uint64_t key = 0; key < 100000; key++)
        insert(&t, key, 0);
    assert_int_equal(blockmap_purge(&t, is_even, 0), 0);
    assert_int_equal(t.count, 50000);
    for (uint64_t key = 0; key < 100000; key++)
        assert_int_equal(blockmap_find(&t, key, 0) != 0, (key + 7) % 2 == 0);
    blockmap_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blockmap__a_block_is_16_bytes_and_keeps_its_values),
        cmocka_unit_test(test_blockmap__finds_what_was_inserted_only),
        cmocka_unit_test(test_blockmap__keeps_one_address_in_many_processes_apart),
        cmocka_unit_test(test_blockmap__removal_closes_holes_around_the_end_of_the_table),
        cmocka_unit_test(test_blockmap__growing_loses_nothing),
        cmocka_unit_test(test_blockmap__a_block_takes_at_most_100_bytes),
        cmocka_unit_test(test_blockmap__purge_drops_what_is_turned_down),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
