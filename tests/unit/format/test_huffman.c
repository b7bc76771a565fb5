/* Bytes through the code and back, and bytes that are no code. */
#include "format/huffman.h"
#include "tests/unit/format/random.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MOST = 70000, SPARE = 8 };

/* Writes and reads `bytes` of in, each in memory of exactly that size. Returns the coded bytes. */
static size_t there_and_back(const uint8_t *in, size_t bytes)
{
    struct huffman h;
    huffman_plan(&h, in, bytes);
    uint8_t *coded = malloc(h.bytes + SPARE), *back = malloc(bytes);
    size_t length = (size_t)(huffman_put(&h, in, bytes, coded) - coded);
    assert_true(length <= h.bytes);
    uint8_t *exact = malloc(length);
    memcpy(exact, coded, length);
    assert_true(huffman_get(exact, length, back, bytes));
    assert_memory_equal(in, back, bytes);
    free(exact);
    free(coded);
    free(back);
    return length;
}

/* Bytes of which value v is about 2^-v of all (span large), or all are alike frequent below span.
 */
static void fill(uint8_t *in, size_t bytes, uint64_t *seed, bool skewed, unsigned span)
{
    for (size_t i = 0; i < bytes; i++)
        in[i] = (uint8_t)(skewed ? (unsigned)__builtin_ctzll(random_bits(seed) | 1ull << (span - 1))
                                 : random_below(seed, span));
}

static void test_huffman__bytes_come_back(void **state)
{
    (void)state;
    static uint8_t in[MOST];
    static const unsigned spans[] = {1, 2, 3, 17, 64, 255, 256};
    uint64_t seed = 1;
    for (size_t bytes = 1; bytes < 300; bytes++)
        for (unsigned k = 0; k < sizeof spans / sizeof *spans; k++) {
            fill(in, bytes, &seed, false, spans[k]);
            there_and_back(in, bytes);
        }
    for (unsigned k = 0; k < sizeof spans / sizeof *spans; k++) {
        fill(in, MOST, &seed, false, spans[k]);
        there_and_back(in, MOST);
    }
}

/* Frequencies of Fibonacci's numbers ask for codes longer than there are. */
/* By hand, from FORMAT.md 3: 0 has the code 0, 1 has 10, 2 has 11, and 253 bytes have none. */
static void test_huffman__reads_what_the_format_says(void **state)
{
    (void)state;
    static const uint8_t in[] = {0x21, 0x02, 0x0F, 0x0F, 0x0F, 0x0F, 0x0F, 0x0F,
                                 0x0F, 0x0F, 0x0F, 0x0F, 0x0F, 0x0F, 0x0F, 0x0F,
                                 0x0F, 0x0C, 1,    1,    1,    0x02, 0x01, 0x03};
    static const uint8_t expected[] = {0, 1, 1, 0, 2, 0};
    uint8_t out[6];
    assert_true(huffman_get(in, sizeof in, out, sizeof out));
    assert_memory_equal(out, expected, sizeof out);
}

static void test_huffman__codes_stay_short(void **state)
{
    (void)state;
    static uint8_t in[400000];
    struct huffman h;
    size_t bytes = 0;
    for (unsigned s = 0, a = 1, b = 1; s < 25; s++, b += a, a = b - a)
        for (unsigned i = 0; i < a; i++)
            in[bytes++] = (uint8_t)(200 - s);
    huffman_plan(&h, in, bytes);
    double sum = 0;
    for (unsigned s = 0; s < HUFFMAN_SYMBOLS; s++) {
        assert_true(h.lengths[s] <= HUFFMAN_BITS);
        sum += h.lengths[s] ? ldexp(1, -h.lengths[s]) : 0;
    }
    assert_true(sum == 1);
    there_and_back(in, bytes);
}

/* Halving frequencies are what such a code is best for: 2 bits a byte, less what the last share. */
static void test_huffman__frequent_bytes_take_few_bits(void **state)
{
    (void)state;
    static uint8_t in[MOST];
    uint64_t seed = 3;
    fill(in, MOST, &seed, true, 11);
    assert_true(there_and_back(in, MOST) < MOST / 4 + 300);
    memset(in, 7, MOST);
    assert_true(there_and_back(in, MOST) < MOST / 8 + 40);
}

/* Whatever is changed or cut: no write beyond the output, and memory checkers see no read. */
static void test_huffman__survives_any_bytes(void **state)
{
    (void)state;
    static uint8_t in[5000], coded[20000], back[5000 + 1];
    uint64_t seed = 5;
    struct huffman h;
    fill(in, sizeof in, &seed, true, 20);
    huffman_plan(&h, in, sizeof in);
    size_t length = (size_t)(huffman_put(&h, in, sizeof in, coded) - coded);
    for (int round = 0; round < 20000; round++) {
        size_t cut = random_below(&seed, 4) ? length : random_below(&seed, length);
        size_t bytes = random_below(&seed, 4) ? sizeof in : random_below(&seed, sizeof in);
        uint8_t *hostile = malloc(cut + 1);
        memcpy(hostile, coded, cut);
        for (uint64_t i = cut ? random_below(&seed, 5) : 0; i > 0; i--)
            hostile[random_below(&seed, random_below(&seed, 2) && cut > 60 ? 60 : cut)] =
                (uint8_t)random_bits(&seed);
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, hostile, cut);
        back[bytes] = 0xA5;
        huffman_get(exact, cut, back, bytes);
        assert_int_equal(back[bytes], 0xA5);
        free(exact);
        free(hostile);
    }
}

static void test_huffman__too_few_and_too_many_bytes_are_told(void **state)
{
    (void)state;
    static uint8_t in[3000], coded[9000], back[3001];
    uint64_t seed = 9;
    struct huffman h;
    fill(in, sizeof in, &seed, false, 100);
    huffman_plan(&h, in, sizeof in);
    size_t length = (size_t)(huffman_put(&h, in, sizeof in, coded) - coded);
    assert_true(huffman_get(coded, length, back, sizeof in));
    assert_false(huffman_get(coded, length - 1, back, sizeof in));
    assert_false(huffman_get(coded, length + 1, back, sizeof in));
    assert_false(huffman_get(coded, length, back, sizeof in - 8));
    assert_false(huffman_get(coded, 0, back, sizeof in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_huffman__bytes_come_back),
        cmocka_unit_test(test_huffman__reads_what_the_format_says),
        cmocka_unit_test(test_huffman__codes_stay_short),
        cmocka_unit_test(test_huffman__frequent_bytes_take_few_bits),
        cmocka_unit_test(test_huffman__survives_any_bytes),
        cmocka_unit_test(test_huffman__too_few_and_too_many_bytes_are_told),
    };
    return cmocka_run_group_tests_name("huffman", tests, NULL, NULL);
}
