/* Payloads packed and unpacked, and packed bytes that lie. */
#include "format/pack.h"
#include "format/wire.h"
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { COLUMNS = 7, MOST = 200000 };

/* What a column may be like. */
enum kind { EMPTY, SHORT, NOISE, SKEWED, REPEATED, REPEATED_NOISE, KINDS };

static size_t fill_column(uint8_t *out, enum kind kind, uint64_t *seed)
{
    static const size_t lengths[KINDS] = {0, 30, 20000, 20000, 20000, 20000};
    for (size_t i = 0; i < lengths[kind]; i++)
        switch (kind) {
        case SKEWED: out[i] = (uint8_t)__builtin_ctzll(random_bits(seed) | 1u << 9); break;
        case REPEATED: out[i] = (uint8_t)(i % 50); break;
        case REPEATED_NOISE:
            out[i] = i >= 40 && random_below(seed, 30) ? out[i - 40] : (uint8_t)random_bits(seed);
            break;
        default: out[i] = (uint8_t)random_bits(seed);
        }
    return lengths[kind];
}

/* A payload with a column of each of these kinds. Returns its bytes. */
static size_t payload_of(uint8_t *out, const enum kind kinds[COLUMNS], uint64_t *seed)
{
    static uint8_t columns[MOST];
    size_t length = 0;
    uint8_t *at = put_varint(out, COLUMNS);
    for (int i = 0; i < COLUMNS; i++) {
        size_t bytes = fill_column(columns + length, kinds[i], seed);
        at = put_varint(at, bytes);
        length += bytes;
    }
    memcpy(at, columns, length);
    return (size_t)(at - out) + length;
}

static void test_pack__payloads_come_back(void **state)
{
    (void)state;
    static uint8_t payload[MOST], copy[MOST], back[MOST + 1];
    struct packer packer = {0}, other = {0};
    uint64_t seed = 11;
    int packed_ones = 0;
    for (int round = 0; round < 300; round++) {
        enum kind kinds[COLUMNS];
        for (int i = 0; i < COLUMNS; i++)
            kinds[i] = (enum kind)random_below(&seed, KINDS);
        size_t bytes = payload_of(payload, kinds, &seed);
        size_t packed = packer_pack(&packer, payload, bytes);
        if (packed == 0)
            continue;
        packed_ones++;
        assert_true(packed < bytes);
        memcpy(copy, packer.packed, packed);
        back[bytes] = 0xA5;
        assert_int_equal(packer_unpack(&other, copy, packed, back, bytes), 0);
        assert_memory_equal(payload, back, bytes);
        assert_int_equal(back[bytes], 0xA5);
    }
    assert_true(packed_ones > 250);
    packer_release(&packer);
    packer_release(&other);
}

/* 9 of 1024 values of ten bits' worth: 2 bits a byte; a period of 50: next to nothing. */
static void test_pack__each_kind_shrinks_as_it_can(void **state)
{
    (void)state;
    static uint8_t payload[MOST];
    struct packer packer = {0};
    uint64_t seed = 12;
    size_t bytes = payload_of(payload, (enum kind[COLUMNS]){SKEWED}, &seed);
    size_t packed = packer_pack(&packer, payload, bytes);
    assert_true(packed > 4500 && packed < 5600);
    bytes = payload_of(payload, (enum kind[COLUMNS]){REPEATED}, &seed);
    packed = packer_pack(&packer, payload, bytes);
    assert_true(packed > 0 && packed < 220);
    bytes = payload_of(payload, (enum kind[COLUMNS]){NOISE}, &seed);
    assert_int_equal(packer_pack(&packer, payload, bytes), 0);
    packer_release(&packer);
}

static void test_pack__what_is_no_payload_is_left_alone(void **state)
{
    (void)state;
    struct packer packer = {0};
    uint8_t bytes[1000] = {COLUMNS, 200, 1}; /* lengths that do not add up */
    assert_int_equal(packer_pack(&packer, bytes, sizeof bytes), 0);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(packer_pack(&packer, bytes, sizeof bytes), 0);
    packer_release(&packer);
}

/* A length may be such that the sum of all, as 64 bits, is right again. */
static void test_pack__lengths_beyond_the_payload_are_none_though_they_add_up(void **state)
{
    (void)state;
    static uint8_t bytes[5000];
    struct packer packer = {0};
    uint8_t *at = put_varint(bytes, 2);
    at = put_varint(at, (uint64_t)-1000); /* ten bytes; the other length has two */
    put_varint(at, 1000 + sizeof bytes - 13);
    assert_int_equal(packer_pack(&packer, bytes, sizeof bytes), 0);
    packer_release(&packer);
}

static void test_pack__a_column_that_is_all_of_the_rest_shrinks(void **state)
{
    (void)state;
    static uint8_t payload[MOST];
    struct packer packer = {0};
    uint64_t seed = 14;
    enum kind kinds[COLUMNS] = {[COLUMNS - 1] = REPEATED};
    size_t packed = packer_pack(&packer, payload, payload_of(payload, kinds, &seed));
    assert_true(packed > 0 && packed < 220);
    packer_release(&packer);
}

/* Memory checkers see what is read or written beyond; most changes are damage. */
static void test_pack__survives_any_bytes(void **state)
{
    (void)state;
    static uint8_t payload[MOST];
    static const enum kind kinds[COLUMNS] = {SKEWED, REPEATED, REPEATED_NOISE, SHORT, NOISE};
    struct packer packer = {0}, other = {0};
    uint64_t seed = 13;
    size_t bytes = payload_of(payload, kinds, &seed);
    size_t packed = packer_pack(&packer, payload, bytes);
    assert_true(packed > 0);
    int damaged = 0;
    for (int round = 0; round < 2000; round++) {
        size_t cut = random_below(&seed, 4) ? packed : random_below(&seed, packed);
        size_t wanted = random_below(&seed, 4) ? bytes : random_below(&seed, bytes);
        uint8_t *hostile = malloc(cut + 1), *back = malloc(wanted + 1), *exact = malloc(cut + !cut);
        memcpy(hostile, packer.packed, cut);
        for (uint64_t i = cut ? random_below(&seed, 4) : 0; i > 0; i--)
            hostile[random_below(&seed, random_below(&seed, 2) && cut > 60 ? 60 : cut)] =
                (uint8_t)random_bits(&seed);
        memcpy(exact, hostile, cut);
        damaged += packer_unpack(&other, exact, cut, back, wanted) == -ERR_DAMAGED;
        free(hostile);
        free(back);
        free(exact);
    }
    assert_true(damaged > 1000);
    packer_release(&packer);
    packer_release(&other);
}

/* Words of a small vocabulary: a quick search misses half of what repeats. */
static size_t words(uint8_t *out, size_t columns_bytes, uint64_t *seed)
{
    static uint8_t vocabulary[64][24];
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 24; j++)
            vocabulary[i][j] = (uint8_t)random_below(seed, 4);
    uint8_t *at = put_varint(out, 1);
    at = put_varint(at, columns_bytes);
    for (size_t i = 0; i < columns_bytes / 24; i++, at += 24)
        memcpy(at, vocabulary[random_below(seed, 64)], 24);
    return (size_t)(at - out);
}

/* What is searched thoroughly is bounded in a trace, but for what becomes small. */
static void test_pack__large_columns_are_searched_thoroughly_at_first_only(void **state)
{
    (void)state;
    static uint8_t large[MOST], small[MOST];
    struct packer p = {0};
    uint64_t seed = 5;
    size_t large_bytes = words(large, 192000, &seed), small_bytes = words(small, 9600, &seed);
    size_t first = packer_pack(&p, large, large_bytes), last = 0;
    size_t first_small = packer_pack(&p, small, small_bytes);
    for (int i = 0; i < 100; i++)
        last = packer_pack(&p, large, large_bytes);
    assert_true(first > 0 && first < last);
    for (int i = 0; i < 100; i++)
        assert_int_equal(packer_pack(&p, small, small_bytes), first_small);
    packer_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack__payloads_come_back),
        cmocka_unit_test(test_pack__each_kind_shrinks_as_it_can),
        cmocka_unit_test(test_pack__what_is_no_payload_is_left_alone),
        cmocka_unit_test(test_pack__lengths_beyond_the_payload_are_none_though_they_add_up),
        cmocka_unit_test(test_pack__a_column_that_is_all_of_the_rest_shrinks),
        cmocka_unit_test(test_pack__survives_any_bytes),
        cmocka_unit_test(test_pack__large_columns_are_searched_thoroughly_at_first_only),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
