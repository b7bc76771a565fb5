/* A run of ops is what the same ops are one by one: the same payload, byte for byte. */
#include "format/encode_run.h"
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { STACKS = 700 };

static uint8_t payloads[2][PAYLOAD_MAX_BYTES];

/* An encoder that has stacks 2..STACKS - 1. */
static struct encoder *prepared(void)
{
    struct encoder *e = encoder_new();
    struct record function = {.type = RECORD_FUNCTION};
    assert_non_null(e);
    assert_int_equal(
        encoder_append(e, &(struct event){.kind = EVENT_RECORD, .record = &function}, NULL), 0);
    for (uint32_t i = 2; i < STACKS; i++)
        assert_int_equal(
            encoder_append(e, &(struct event){.kind = EVENT_STACK, .function = 1, .line = i}, NULL),
            0);
    return e;
}

static void seal_both(struct encoder *one, struct encoder *other)
{
    struct block_info a, b;
    assert_int_equal(encoder_events(one), encoder_events(other));
    assert_int_equal(encoder_seal(one, payloads[0], sizeof payloads[0], &a), 0);
    assert_int_equal(encoder_seal(other, payloads[1], sizeof payloads[1], &b), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(payloads[0], payloads[1], a.payload_bytes);
}

/* One random op, into a run that may refuse it, and by itself into both. Returns false when the run
 * has refused it. */
static bool put_random(struct encoder *one, struct encoder *other, struct encoder_run *run,
                       uint64_t *seed)
{
    uint64_t newest = run->next_alloc;
    bool taken;
    if (newest && random_below(seed, 2)) {
        uint64_t back = random_wide(seed) % newest;
        taken = encoder_run_free(run, newest - 1 - back);
        if (taken)
            assert_int_equal(encoder_free_index(other, newest - 1 - back), 0);
    } else {
        unsigned allocator = (unsigned)random_below(seed, 3);
        uint32_t stack = (uint32_t)(random_wide(seed) % STACKS);
        uint64_t size = random_below(seed, 3) ? 64 : random_wide(seed);
        taken = encoder_run_alloc(one, run, allocator, stack, size);
        if (taken) {
            assert_int_equal(encoder_alloc(other, allocator, stack, size), 0);
            return true;
        }
        encoder_run_end(one, run); /* what the run leaves is appended to both */
        if (encoder_full(one))
            seal_both(one, other);
        assert_int_equal(encoder_alloc(one, allocator, stack, size), 0);
        assert_int_equal(encoder_alloc(other, allocator, stack, size), 0);
        *run = encoder_run_begin(one);
        return true;
    }
    return taken;
}

static void test_encode_run__writes_what_single_ops_write(void **state)
{
    (void)state;
    struct encoder *one = prepared(), *other = prepared();
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct encoder_run run = encoder_run_begin(one);
        bool taken = true;
        for (uint64_t count = random_below(&seed, 200); count && taken; count--)
            taken = put_random(one, other, &run, &seed);
        encoder_run_end(one, &run);
        if (!taken || encoder_full(one) || random_below(&seed, 500) == 0)
            seal_both(one, other);
    }
    assert_true(encoder_events(one) > 4 * BLOCK_EVENTS);
    seal_both(one, other);
    encoder_free(one);
    encoder_free(other);
}

static void test_encode_run__refuses_what_single_ops_must_do(void **state)
{
    (void)state;
    struct encoder *e = prepared();
    struct block_info info;
    struct encoder_run run = encoder_run_begin(e);
    assert_false(encoder_run_alloc(e, &run, 0, 5, 100));               /* new in the block */
    assert_false(encoder_run_alloc(e, &run, 0, STACKS, 100));          /* not defined */
    assert_false(encoder_run_alloc(e, &run, ALLOCATOR_LIMIT, 0, 100)); /* none */
    assert_false(encoder_run_free(&run, 0));                           /* not given out */
    assert_true(encoder_run_alloc(e, &run, 0, 0, 100));
    assert_false(encoder_run_free(&run, 1));
    encoder_run_end(e, &run);
    assert_int_equal(encoder_next_alloc(e), 1);
    assert_int_equal(encoder_seal(e, payloads[0], sizeof payloads[0], &info), 0);
    run = encoder_run_begin(e);
    for (uint32_t i = 0; i < BLOCK_EVENTS; i++)
        assert_true(i % 2 ? encoder_run_free(&run, i / 2 + 1)
                          : encoder_run_alloc(e, &run, 0, 0, i));
    assert_false(encoder_run_alloc(e, &run, 0, 0, 1));
    assert_false(encoder_run_free(&run, 0));
    encoder_run_end(e, &run);
    assert_true(encoder_full(e));
    encoder_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_run__writes_what_single_ops_write),
        cmocka_unit_test(test_encode_run__refuses_what_single_ops_must_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
