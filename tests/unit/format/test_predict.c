/* The predictor against two plain tables indexed by stack, as FORMAT.md 3.1 describes it. */
#include "format/predict.h"
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define STACKS 5000

static void test_predict__agrees_with_plain_tables(void **state)
{
    (void)state;
    static uint32_t next[STACKS];
    static uint64_t sizes[STACKS];
    uint32_t last[4];
    struct predictor p;
    uint64_t seed = 1;
    assert_int_equal(predictor_init(&p), 0);
    for (int block = 0; block < 10; block++) {
        uint64_t span = block % 2 ? STACKS : 10;
        uint32_t previous = 0;
        memset(next, 0, sizeof next);
        memset(sizes, 0, sizeof sizes);
        memset(last, 0, sizeof last);
        predictor_reset(&p);
        for (int i = 0; i < 20000; i++) {
            uint32_t stack = (uint32_t)random_below(&seed, span), slot;
            uint64_t size = random_below(&seed, 4);
            assert_int_equal(p.slots[predictor_expected(&p)].stack, next[previous]);
            assert_int_equal(p.bases[size].stack, last[size]);
            assert_int_equal(predictor_find(&p, stack, &slot), 0);
            assert_int_equal(p.slots[slot].stack, stack);
            assert_int_equal(p.slots[slot].size_bytes, sizes[stack]);
            predictor_note(&p, slot, (unsigned)size, size);
            last[size] = stack;
            next[previous] = stack;
            sizes[stack] = size;
            previous = stack;
        }
    }
    predictor_release(&p);
}

static void test_predict__memory_follows_the_stacks_used_not_their_numbers(void **state)
{
    (void)state;
    struct predictor p;
    assert_int_equal(predictor_init(&p), 0);
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t slot;
        assert_int_equal(predictor_find(&p, UINT32_MAX - i * 10000000u, &slot), 0);
        assert_int_equal(slot, i + 1);
    }
    assert_true(p.capacity <= 1024);
    predictor_release(&p);
}

static void test_predict__the_base_follows_what_was_closer_of_late(void **state)
{
    (void)state;
    struct stack_base base = {.stack = 100};
    assert_int_equal(base_stack(&base, 7), 7);
    base_learn(&base, 7, 101);
    assert_int_equal(base_stack(&base, 7), 100);
    base_learn(&base, 90, 95); /* as far from one as from the other */
    assert_int_equal(base_stack(&base, 7), 100);
    for (int i = 0; i < 20; i++)
        base_learn(&base, 100, 100 + 1);
    for (int i = 0; i < 20; i++)
        base_learn(&base, 7, 101);
    for (int i = 0; i < BASE_LEAD_MAX; i++) {
        assert_int_equal(base_stack(&base, 7), 100);
        base_learn(&base, 7, 8);
    }
    assert_int_equal(base_stack(&base, 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predict__agrees_with_plain_tables),
        cmocka_unit_test(test_predict__memory_follows_the_stacks_used_not_their_numbers),
        cmocka_unit_test(test_predict__the_base_follows_what_was_closer_of_late),
    };
    return cmocka_run_group_tests_name("predict", tests, NULL, NULL);
}
