/* The map of addresses against an array, its memory, and what has no place in it. */
#include "recorder/collector/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define BASE   UINT64_C(0x7F0000000000)
#define PLACES 20000u

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Addresses near each other and far apart: neighbours of 16 bytes, other leaves, other tables. */
static uint64_t place(unsigned i)
{
    return i % 3 == 0   ? BASE + 16 * (uint64_t)i
           : i % 3 == 1 ? 16 + ((uint64_t)i << 14)
                        : ((uint64_t)i % 60000) << 31 | 48;
}

static void test_addresses__give_back_what_was_put(void **state)
{
    (void)state;
    static uint32_t model[PLACES];
    struct address_pool pool;
    struct addresses map;
    uint64_t seed = 3;
    address_pool_init(&pool, 1u << 30);
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (unsigned step = 0; step < 400000; step++) {
        unsigned i = (unsigned)(next(&seed) % PLACES);
        uint32_t value = (uint32_t)next(&seed) | 1, before = 77;
        if (next(&seed) & 1) {
            assert_true(addresses_put(&map, place(i), value, &before));
            assert_int_equal(before, model[i]);
            model[i] = value;
        } else {
            assert_int_equal(addresses_take(&map, place(i)), model[i]);
            model[i] = 0;
        }
    }
    addresses_release(&map);
    address_pool_release(&pool);
}

static void test_addresses__of_odd_blocks_have_no_place(void **state)
{
    (void)state;
    static const uint64_t odd[] = {
        BASE + 8, BASE + 1, BASE + 15, UINT64_C(1) << 47, UINT64_MAX & ~15ull, UINT64_C(1) << 63};
    struct address_pool pool;
    struct addresses map;
    uint32_t before;
    address_pool_init(&pool, 1u << 20);
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        before = 77;
        assert_false(addresses_put(&map, odd[i], 5, &before));
        assert_int_equal(before, 0);
        assert_int_equal(addresses_take(&map, odd[i]), 0);
    }
    addresses_release(&map);
    address_pool_release(&pool);
}

/* A leaf covers 16 KiB of addresses and goes back with its last block: a heap that moves along
 * takes the memory of what is alive. */
static void test_addresses__give_leaves_back(void **state)
{
    (void)state;
    struct address_pool pool;
    struct addresses map;
    uint32_t before;
    address_pool_init(&pool, 64u << 10); /* some fifteen leaves */
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (unsigned i = 0; i < 100000; i++) {
        assert_true(addresses_put(&map, BASE + 16384 * (uint64_t)i, i + 1, &before));
        if (i >= 5)
            assert_int_equal(addresses_take(&map, BASE + 16384 * (uint64_t)(i - 5)), i - 4);
    }
    assert_true(pool.used_bytes <= 64u << 10);
    addresses_release(&map);
    address_pool_release(&pool);
}

/* Past the budget there is no place; what has one keeps it, and places that go back are used again,
 * also those of another map. */
static void test_addresses__keep_to_the_budget(void **state)
{
    (void)state;
    struct address_pool pool;
    struct addresses one, two;
    uint32_t before, held = 0;
    address_pool_init(&pool, 64u << 10);
    assert_int_equal(addresses_init(&one, &pool), 0);
    assert_int_equal(addresses_init(&two, &pool), 0);
    while (addresses_put(&one, BASE + 16384 * (uint64_t)held, held + 1, &before))
        held++;
    assert_in_range(held, 10, 16);
    assert_true(addresses_put(&one, BASE + 16, 99, &before)); /* in a leaf that is there */
    assert_false(addresses_put(&two, BASE, 1, &before));
    assert_int_equal(addresses_take(&two, BASE), 0);
    for (uint32_t i = 0; i < held; i++)
        assert_int_equal(addresses_take(&one, BASE + 16384 * (uint64_t)i), i + 1);
    assert_true(addresses_put(&two, BASE, 1, &before));
    assert_int_equal(addresses_take(&one, BASE + 16), 99);
    addresses_release(&one);
    addresses_release(&two);
    address_pool_release(&pool);
}

/* The maps of processes that end return their leaves, empty. */
static void test_addresses__release_gives_all_back_empty(void **state)
{
    (void)state;
    struct address_pool pool;
    uint32_t before;
    address_pool_init(&pool, 64u << 10);
    for (unsigned round = 0; round < 50; round++) {
        struct addresses map;
        assert_int_equal(addresses_init(&map, &pool), 0);
        for (unsigned i = 0; i < 10; i++) {
            assert_true(addresses_put(&map, BASE + 16384 * (uint64_t)i + 16 * round, 7, &before));
            assert_int_equal(before, 0);
        }
        addresses_release(&map);
    }
    address_pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses__give_back_what_was_put),
        cmocka_unit_test(test_addresses__of_odd_blocks_have_no_place),
        cmocka_unit_test(test_addresses__give_leaves_back),
        cmocka_unit_test(test_addresses__keep_to_the_budget),
        cmocka_unit_test(test_addresses__release_gives_all_back_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
