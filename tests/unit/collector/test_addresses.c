/* The map of addresses against an array, its memory, packed and not, and what has no place in it.
 */
#include "recorder/collector/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
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

#define LEAVES  400u
#define DENSE   (LEAVES * 64u) /* a block each 256 bytes */
#define LIMITED (256u << 10)   /* for less than a sixth of them, unless they are packed */

/* A part of the leaves that wanders; in it, and now and then elsewhere, blocks come and go. */
static unsigned wander(uint64_t *seed, unsigned step)
{
    unsigned leaf = next(seed) % 8 ? step / 256 + (unsigned)(next(seed) % 4) : next(seed) % LEAVES;
    return leaf % LEAVES * 64 + (unsigned)(next(seed) % 64);
}

/* near: indices are such that leaves can be packed. Returns how many puts were refused. */
static unsigned compare_with_model(size_t budget_bytes, bool near, unsigned odds)
{
    static uint32_t model[DENSE];
    struct address_pool pool;
    struct addresses map;
    uint64_t seed = 5;
    unsigned refused = 0;
    size_t most_packed = 0;
    memset(model, 0, sizeof model);
    address_pool_init(&pool, budget_bytes);
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (unsigned step = 0; step < 600000; step++) {
        unsigned i = wander(&seed, step);
        uint64_t address = BASE + 256 * (uint64_t)i + (i % 7 ? 0 : 16);
        uint32_t value = near ? step / 16 + 1 : (uint32_t)next(&seed) | 1, before = 77;
        if (next(&seed) % 8 < odds) {
            bool placed = addresses_put(&map, address, value, &before);
            assert_int_equal(before, model[i]);
            model[i] = placed ? value : 0;
            refused += !placed;
        } else {
            assert_int_equal(addresses_take(&map, address), model[i]);
            model[i] = 0;
        }
        assert_true(pool.used_bytes <= budget_bytes);
        most_packed = map.packed > most_packed ? map.packed : most_packed;
    }
    if (near)
        assert_int_equal(most_packed > 0, budget_bytes <= LIMITED);
    for (unsigned i = 0; i < DENSE; i++)
        assert_int_equal(addresses_take(&map, BASE + 256 * (uint64_t)i + (i % 7 ? 0 : 16)),
                         model[i]);
    assert_int_equal(map.packed, 0);
    assert_int_equal(pool.leaves, 0);
    addresses_release(&map);
    address_pool_release(&pool);
    assert_int_equal(pool.used_bytes, 0);
    return refused;
}

static void test_addresses__give_back_what_was_put_when_packed(void **state)
{
    (void)state;
    for (unsigned odds = 3; odds <= 6; odds++) {
        assert_int_equal(compare_with_model(16u << 20, true, odds), 0);
        assert_int_equal(compare_with_model(LIMITED, true, odds), 0);
        assert_true(compare_with_model(LIMITED, false, odds) > 0);
        assert_true(compare_with_model(LIMITED / 4, true, odds) > 0);
        assert_true(compare_with_model(LIMITED / 4, false, odds) > 0);
    }
}

/* What is busy stays as it is while others are packed; of those, what becomes busy doesn't. */
static void test_addresses__of_busy_leaves_stay_unpacked(void **state)
{
    (void)state;
    struct address_pool pool;
    struct addresses map;
    uint32_t before;
    address_pool_init(&pool, 128u << 10);
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(addresses_put(&map, BASE + 16384 * (uint64_t)i, i + 1, &before));
        addresses_put(&map, BASE + 16 + 16 * i, 1000 + i, &before);
        if (i >= 64) /* at first nothing is known of any */
            assert_non_null(addresses_leaf(&map, BASE));
    }
    assert_null(addresses_leaf(&map, BASE + 16384));
    for (uint32_t i = 1; i < 20; i++)
        assert_true(addresses_put(&map, BASE + 16384, i + 1, &before));
    assert_non_null(addresses_leaf(&map, BASE + 16384));
    assert_int_equal(addresses_take(&map, BASE + 16384), 20);
    addresses_release(&map);
    assert_int_equal(pool.leaves, 0);
    address_pool_release(&pool);
    assert_int_equal(pool.used_bytes, 0);
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
    address_pool_init(&pool, 96u << 10); /* some fifteen leaves, a table and two of its groups */
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (unsigned i = 0; i < 100000; i++) {
        assert_true(addresses_put(&map, BASE + 16384 * (uint64_t)i, i + 1, &before));
        if (i >= 5)
            assert_int_equal(addresses_take(&map, BASE + 16384 * (uint64_t)(i - 5)), i - 4);
    }
    assert_true(pool.used_bytes <= 96u << 10);
    addresses_release(&map);
    address_pool_release(&pool);
}

/* A heap that has filled the budget grows on into groups that are new: what is quiet is packed for
 * their tables as it is for leaves. */
static void test_addresses__pack_for_new_groups_too(void **state)
{
    (void)state;
    struct address_pool pool;
    struct addresses map;
    uint32_t before;
    address_pool_init(&pool, 1u << 20);
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (unsigned i = 0; i < 8 * ADDRESS_GROUP; i++)
        assert_true(addresses_put(&map, BASE + 16384 * (uint64_t)i, i + 1, &before));
    for (unsigned i = 0; i < 8 * ADDRESS_GROUP; i++)
        assert_int_equal(addresses_take(&map, BASE + 16384 * (uint64_t)i), i + 1);
    assert_true(pool.used_bytes <= 1u << 20);
    addresses_release(&map);
    address_pool_release(&pool);
}

/* Blocks that are spread over all addresses take memory for tables, not for leaves: it is in the
 * budget, too, and comes back with the map. */
static void test_addresses__spread_far_take_no_more_than_the_budget(void **state)
{
    (void)state;
    struct address_pool pool;
    struct addresses map;
    uint32_t before, placed = 0;
    address_pool_init(&pool, 1u << 20);
    assert_int_equal(addresses_init(&map, &pool), 0);
    for (uint64_t i = 0; i < 65536; i++) {
        if (!addresses_put(&map, i << 31, 7, &before))
            continue;
        placed++;
        assert_int_equal(addresses_take(&map, i << 31), 7);
    }
    assert_in_range(placed, 30, 64);
    assert_true(pool.used_bytes <= 1u << 20);
    addresses_release(&map);
    address_pool_release(&pool);
    assert_int_equal(pool.used_bytes, 0);
}

/* Past the budget there is no place; what has one keeps it, and places that go back are used again,
 * also those of another map. */
static void test_addresses__keep_to_the_budget(void **state)
{
    (void)state;
    struct address_pool pool;
    struct addresses one, two;
    uint32_t before, held = 0;
    address_pool_init(&pool, 88u << 10);
    assert_int_equal(addresses_init(&one, &pool), 0);
    assert_int_equal(addresses_init(&two, &pool), 0);
    while (addresses_put(&one, BASE + 16384 * (uint64_t)held, held + 1, &before))
        held++;
    assert_in_range(held, 200, 330);
    assert_true(pool.used_bytes <= 88u << 10);
    assert_true(addresses_put(&one, BASE + 16, 99, &before)); /* in a leaf that is there, packed */
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
        cmocka_unit_test(test_addresses__give_back_what_was_put_when_packed),
        cmocka_unit_test(test_addresses__of_busy_leaves_stay_unpacked),
        cmocka_unit_test(test_addresses__of_odd_blocks_have_no_place),
        cmocka_unit_test(test_addresses__give_leaves_back),
        cmocka_unit_test(test_addresses__keep_to_the_budget),
        cmocka_unit_test(test_addresses__pack_for_new_groups_too),
        cmocka_unit_test(test_addresses__spread_far_take_no_more_than_the_budget),
        cmocka_unit_test(test_addresses__release_gives_all_back_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
