/* The set of big blocks against an array. */
#include "recorder/collector/bigblocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define PLACES 300u

static uint64_t address(unsigned i) { return UINT64_C(0x7F0000000010) + (uint64_t)i * 0x201000; }

static void compare(const struct bigblocks *set, const uint64_t *model)
{
    size_t count = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        struct bigblock *found = bigblocks_find(set, address(i));
        assert_int_equal(found != NULL, model[i] != 0);
        if (found) {
            assert_int_equal(found->index, model[i]);
            assert_int_equal(found->address, address(i));
            count++;
        }
    }
    assert_int_equal(set->count, count);
}

static void test_bigblocks__find_what_was_added_only(void **state)
{
    (void)state;
    struct bigblocks set = {0};
    uint64_t model[PLACES] = {0}, seed = 11;
    for (unsigned step = 1; step < 20000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned i = (unsigned)(seed >> 33) % PLACES;
        struct bigblock block = {.address = address(i),
                                 .size_bytes = BIG_BLOCK_BYTES,
                                 .index = step},
                        out = {0};
        if (seed >> 20 & 1) {
            assert_true(bigblocks_add(&set, &block)); /* also over one that is there */
            model[i] = step;
        } else {
            assert_int_equal(bigblocks_remove(&set, address(i), &out), model[i] != 0);
            assert_int_equal(out.index, model[i]);
            model[i] = 0;
        }
        if (step % 100 == 0)
            compare(&set, model);
    }
    bigblocks_release(&set);
}

static void test_bigblocks__an_empty_set_has_nothing(void **state)
{
    (void)state;
    struct bigblocks set = {0};
    assert_null(bigblocks_find(&set, address(1)));
    assert_false(bigblocks_remove(&set, address(1), NULL));
    bigblocks_release(&set);
    bigblocks_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bigblocks__find_what_was_added_only),
        cmocka_unit_test(test_bigblocks__an_empty_set_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
