/* Random events through encoder, file, reader and decoder come back as they were, over many blocks.
 */
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void check(struct built *b, uint64_t seed)
{
    struct seen s;
    built_finish(b);
    seen_read(&s, b->bytes, b->length);
    if (!seen_whole(&s, b))
        print_message("seed %llu: %s\n", (unsigned long long)seed, s.err.text);
    assert_true(seen_whole(&s, b));
    assert_int_equal(s.trailer.events, encoder_events(b->encoder));
    assert_int_equal(s.trailer.allocs, encoder_next_alloc(b->encoder));
    seen_release(&s);
    built_release(b);
}

static void test_round_trip__random_events_in_many_blocks_come_back(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 20; round++) {
        struct built b;
        struct defined d;
        uint64_t seed = round;
        built_start(&b);
        random_begin(&b, &d);
        for (int i = 0; i < 20000; i++) {
            random_event(&b, &d, &seed);
            if (i % 500 == 499)
                built_seal(&b);
        }
        check(&b, round);
    }
}

static void test_round_trip__blocks_filled_to_their_limit_come_back(void **state)
{
    (void)state;
    struct built b;
    struct defined d;
    uint64_t seed = 99;
    built_start(&b);
    random_begin(&b, &d);
    while (b.block_count < 2)
        random_event(&b, &d, &seed); /* sealed by -ERR_FULL alone */
    check(&b, 99);
}

static void test_round_trip__every_record_type_comes_back(void **state)
{
    (void)state;
    struct built b;
    struct defined d;
    uint64_t seed = 5;
    built_start(&b);
    random_begin(&b, &d);
    for (int type = 1; type < RECORD_LIMIT; type++)
        for (int i = 0; i < 50; i++)
            built_record(&b, random_record(&seed, (enum record_type)type, &d));
    check(&b, 5);
}

/* The largest ops there are, to the last one that a block takes: the payload keeps its limit. */
static void test_round_trip__a_block_of_the_largest_ops_comes_back(void **state)
{
    (void)state;
    struct built b;
    struct defined d;
    uint64_t seed = 3;
    built_start(&b);
    random_begin(&b, &d);
    while (b.block_count == 0)
        built_append(&b, (struct event){.kind = EVENT_ALLOC_ADDRESS,
                                        .stack = (uint32_t)random_below(&seed, 3),
                                        .size_bytes = random_bits(&seed),
                                        .address = random_bits(&seed)});
    assert_true(b.infos[0].payload_bytes > BLOCK_SEAL_BYTES - 1000);
    check(&b, 3);
}

static void test_round_trip__a_trace_without_events_is_whole(void **state)
{
    (void)state;
    struct built b;
    built_start(&b);
    check(&b, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip__random_events_in_many_blocks_come_back),
        cmocka_unit_test(test_round_trip__blocks_filled_to_their_limit_come_back),
        cmocka_unit_test(test_round_trip__every_record_type_comes_back),
        cmocka_unit_test(test_round_trip__a_block_of_the_largest_ops_comes_back),
        cmocka_unit_test(test_round_trip__a_trace_without_events_is_whole),
    };
    return cmocka_run_group_tests_name("round_trip", tests, NULL, NULL);
}
