/* The set of live allocations, against an array. */
#include "replay/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct live_block block(uint64_t key, uint32_t process)
{
    return (struct live_block){.key = key, .size_bytes = key * 3, .site = 1, .process = process};
}

static void insert(struct live *l, uint64_t key, uint32_t process)
{
    struct live_block b = block(key, process);
    assert_int_equal(live_insert(l, &b), 0);
}

static void test_live__finds_what_was_inserted_only(void **state)
{
    (void)state;
    struct live l;
    live_init(&l, 0);
    assert_null(live_find(&l, 7, 0));
    insert(&l, 7, 0);
    assert_non_null(live_find(&l, 7, 0));
    assert_int_equal(live_find(&l, 7, 0)->size_bytes, 21);
    assert_null(live_find(&l, 8, 0));
    assert_null(live_find(&l, 7, 1));
    live_release(&l);
}

static void test_live__keeps_one_address_in_two_processes_apart(void **state)
{
    (void)state;
    struct live l;
    live_init(&l, 4);
    insert(&l, 0x1000, 1);
    insert(&l, 0x1000, 2);
    live_remove(&l, live_find(&l, 0x1000, 1));
    assert_null(live_find(&l, 0x1000, 1));
    assert_non_null(live_find(&l, 0x1000, 2));
    live_release(&l);
}

/* Inserts a block that has left the ring for the table. */
static void insert_old(struct live *l, uint64_t key)
{
    insert(l, key, 0);
    insert(l, key + (1ull << 40), 0); /* takes its place in the ring */
    live_remove(l, live_find(l, key + (1ull << 40), 0));
}

static void test_live__a_block_that_leaves_the_ring_is_found_in_the_table(void **state)
{
    (void)state;
    struct live l;
    live_init(&l, 0);
    insert_old(&l, 5);
    assert_int_equal(l.young, 0);
    assert_int_equal(l.count, 1);
    assert_int_equal(live_find(&l, 5, 0)->size_bytes, 15);
    live_remove(&l, live_find(&l, 5, 0));
    assert_int_equal(live_count(&l), 0);
    live_release(&l);
}

/* Keys that begin in the last slots of the table run on at its start. */
static void test_live__removal_closes_holes_around_the_end_of_the_table(void **state)
{
    (void)state;
    struct live l;
    uint64_t keys[600], count = 0;
    live_init(&l, 0);
    insert_old(&l, 0);
    live_remove(&l, live_find(&l, 0, 0));
    for (uint64_t key = 0; count < 60; key++)
        if (live_home(&l, key, 0) > l.mask - 16)
            insert_old(&l, keys[count++] = key);
    for (uint64_t i = 0; i < count; i++) {
        live_remove(&l, live_find(&l, keys[i], 0));
        for (uint64_t k = 0; k < count; k++)
            assert_int_equal(live_find(&l, keys[k], 0) != 0, k > i);
    }
    assert_int_equal(live_count(&l), 0);
    live_release(&l);
}

/* Insertions and removals in a random order, with keys that come in runs as indices do. */
static void test_live__equals_an_array_under_random_use(void **state)
{
    (void)state;
    enum { KEYS = 100000 };
    struct live l;
    static bool there[KEYS];
    uint32_t seed = 1;
    live_init(&l, 0);
    for (int i = 0; i < 2000000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t key = seed >> 8;
        key = key % KEYS;
        if (there[key])
            live_remove(&l, live_find(&l, key, 0));
        else
            insert(&l, key, 0);
        there[key] = !there[key];
    }
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(live_find(&l, key, 0) != 0, there[key]);
    live_release(&l);
}

static bool is_even(void *context, const struct live_block *b)
{
    (void)context;
    return b->key % 2 == 0;
}

static void test_live__purge_drops_what_is_turned_down(void **state)
{
    (void)state;
    struct live l;
    live_init(&l, 0);
    for (uint64_t key = 0; key < 2u << 16; key++)
        insert(&l, key, 0);
    assert_int_equal(live_purge(&l, is_even, 0), 0);
    assert_int_equal(live_count(&l), (2u << 16) / 2);
    for (uint64_t key = 0; key < 2u << 16; key++)
        assert_int_equal(live_find(&l, key, 0) != 0, key % 2 == 0);
    live_release(&l);
}

static void test_live__a_block_takes_at_most_100_bytes(void **state)
{
    (void)state;
    struct live l;
    live_init(&l, 0);
    for (uint64_t key = 0; key < 1000000; key++)
        insert(&l, key, 0);
    assert_true((l.mask + 1) * sizeof *l.slots / l.count <= 100);
    live_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live__finds_what_was_inserted_only),
        cmocka_unit_test(test_live__keeps_one_address_in_two_processes_apart),
        cmocka_unit_test(test_live__a_block_that_leaves_the_ring_is_found_in_the_table),
        cmocka_unit_test(test_live__removal_closes_holes_around_the_end_of_the_table),
        cmocka_unit_test(test_live__equals_an_array_under_random_use),
        cmocka_unit_test(test_live__purge_drops_what_is_turned_down),
        cmocka_unit_test(test_live__a_block_takes_at_most_100_bytes),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
