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

static int blocks;

static void seal_both(struct encoder *one, struct encoder *other)
{
    struct block_info a, b;
    assert_int_equal(encoder_events(one), encoder_events(other));
    assert_int_equal(encoder_seal(one, payloads[0], sizeof payloads[0], &a), 0);
    assert_int_equal(encoder_seal(other, payloads[1], sizeof payloads[1], &b), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(payloads[0], payloads[1], a.payload_bytes);
    blocks++;
}

/* One random op, into a run and by itself into the other encoder; what the run leaves is appended
 * by itself to both. */
static void put_random(struct encoder *one, struct encoder *other, struct encoder_run *run,
                       uint64_t *seed)
{
    uint64_t newest = run->next_alloc;
    if (newest && random_below(seed, 2)) {
        uint64_t index = newest - 1 - random_wide(seed) % newest;
        assert_true(encoder_run_free(run, index));
        assert_int_equal(encoder_free_index(other, index), 0);
        return;
    }
    unsigned allocator = (unsigned)random_below(seed, 3);
    uint32_t stack = (uint32_t)(random_wide(seed) % STACKS);
    uint64_t size = random_below(seed, 3) ? 64 : random_wide(seed);
    uint32_t slot = encoder_run_slot(one, stack);
    if (slot == PREDICTOR_UNKNOWN) {
        encoder_run_end(one, run);
        assert_int_equal(encoder_alloc(one, allocator, stack, size), 0);
        *run = encoder_run_begin(one);
    } else {
        encoder_run_alloc(run, allocator, slot, size);
    }
    assert_int_equal(encoder_alloc(other, allocator, stack, size), 0);
}

static void test_encode_run__writes_what_single_ops_write(void **state)
{
    (void)state;
    struct encoder *one = prepared(), *other = prepared();
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct encoder_run run = encoder_run_begin(one);
        uint64_t room = encoder_run_room(one), count = random_below(&seed, 200);
        for (count = count < room ? count : room; count; count--)
            put_random(one, other, &run, &seed);
        encoder_run_end(one, &run);
        if (encoder_full(one) || random_below(&seed, 500) == 0)
            seal_both(one, other);
    }
    assert_true(blocks >= 4);
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
    assert_int_equal(encoder_run_slot(e, 5), PREDICTOR_UNKNOWN); /* new in the block */
    assert_false(encoder_run_free(&run, 0));                     /* not given out */
    encoder_run_alloc(&run, 0, encoder_run_slot(e, 0), 100);
    assert_false(encoder_run_free(&run, 1));
    encoder_run_end(e, &run);
    assert_int_equal(encoder_next_alloc(e), 1);
    assert_int_equal(encoder_seal(e, payloads[0], sizeof payloads[0], &info), 0);
    encoder_free(e);
}

/* Rooms one after the other fill the block, to its ops or to its bytes, and no further. */
static void fill(struct encoder *e, uint64_t size_bytes)
{
    uint32_t i = 0, room;
    while ((room = encoder_run_room(e)) > 0) {
        struct encoder_run run = encoder_run_begin(e);
        for (; room; room--, i++)
            encoder_run_alloc(&run, 0, 0, size_bytes ? size_bytes + i : 0);
        encoder_run_end(e, &run);
    }
    assert_true(encoder_full(e));
    assert_int_equal(encoder_alloc(e, 0, 0, 0), -ERR_FULL);
}

static void test_encode_run__rooms_end_with_the_block(void **state)
{
    (void)state;
    struct encoder *e = encoder_new();
    struct block_info info;
    fill(e, 0);
    assert_int_equal(encoder_seal(e, payloads[0], sizeof payloads[0], &info), 0);
    assert_int_equal(info.op_count, BLOCK_EVENTS);
    fill(e, 1ull << 62); /* nine bytes each, and its op */
    assert_int_equal(encoder_seal(e, payloads[0], sizeof payloads[0], &info), 0);
    assert_true(info.payload_bytes > BLOCK_SEAL_BYTES - 1000);
    assert_true(info.payload_bytes < BLOCK_SEAL_BYTES + 100);
    encoder_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_run__writes_what_single_ops_write),
        cmocka_unit_test(test_encode_run__refuses_what_single_ops_must_do),
        cmocka_unit_test(test_encode_run__rooms_end_with_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
