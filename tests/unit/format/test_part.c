/* The tables of a file's parts: each comes back as it was written, and no byte of it can be another
 * one. Not here: parts in a file (test_trace_file.c, test_recovery.c). */
#include "format/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_part__a_trailer_comes_back_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct trace_trailer t = {.flags = 1,
                                    .index_offset = UINT64_C(0x1020304050607),
                                    .events = UINT64_C(0xFFFFFFFFFF),
                                    .allocs = 77,
                                    .end_ns = UINT64_C(0x7FFFFFFFFFFFFFFF),
                                    .blocks = 0x80000001};
    struct trace_trailer back = {0};
    uint8_t table[TRAILER_TABLE_BYTES];
    part_put_trailer(&t, table);
    assert_true(part_get_trailer(table, sizeof table, &back));
    assert_int_equal(back.flags, t.flags);
    assert_int_equal(back.index_offset, t.index_offset);
    assert_int_equal(back.events, t.events);
    assert_int_equal(back.allocs, t.allocs);
    assert_int_equal(back.end_ns, t.end_ns);
    assert_int_equal(back.blocks, t.blocks);
    assert_false(part_get_trailer(table, sizeof table + 1, &back));
    for (size_t i = 0; i < sizeof table; i++) {
        table[i] ^= 0x20;
        assert_false(part_get_trailer(table, sizeof table, &back));
        table[i] ^= 0x20;
    }
}

static void test_part__a_block_header_comes_back_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct block_info info = {.sequence = 9,
                                    .first_event = UINT64_C(0x1000000000),
                                    .first_alloc = UINT64_C(0x2000000000),
                                    .first_function = 11,
                                    .first_stack = 12,
                                    .first_process = 13,
                                    .first_thread = 14,
                                    .thread = 15,
                                    .coding = CODING_2,
                                    .start_ns = UINT64_C(0x3000000000),
                                    .event_count = 16,
                                    .alloc_count = 17,
                                    .op_count = 18,
                                    .payload_bytes = 19,
                                    .payload_crc32 = 20};
    const struct block_frame frame = {.bytes = 21, .packed_bytes = 22};
    struct block_info back;
    struct block_frame back_frame;
    uint64_t trace_id;
    uint8_t table[BLOCK_TABLE_BYTES];
    part_put_block(0x1122334455667788, &info, &frame, table);
    assert_true(part_get_block(table, sizeof table, &trace_id, &back, &back_frame));
    assert_true(trace_id == 0x1122334455667788);
    assert_int_equal(back.sequence, 9);
    assert_int_equal(back.first_event, info.first_event);
    assert_int_equal(back.first_alloc, info.first_alloc);
    assert_int_equal(back.start_ns, info.start_ns);
    assert_int_equal(back.first_function, 11);
    assert_int_equal(back.first_stack, 12);
    assert_int_equal(back.first_process, 13);
    assert_int_equal(back.first_thread, 14);
    assert_int_equal(back.thread, 15);
    assert_int_equal(back.coding, CODING_2);
    assert_int_equal(back.event_count, 16);
    assert_int_equal(back.alloc_count, 17);
    assert_int_equal(back.op_count, 18);
    assert_int_equal(back.payload_bytes, 19);
    assert_int_equal(back.payload_crc32, 20);
    assert_int_equal(back_frame.bytes, 21);
    assert_int_equal(back_frame.packed_bytes, 22);
    assert_false(part_get_block(table, sizeof table - 1, &trace_id, &back, &back_frame));
    for (size_t i = 0; i < sizeof table; i++) {
        table[i] ^= 0x20;
        assert_false(part_get_block(table, sizeof table, &trace_id, &back, &back_frame));
        table[i] ^= 0x20;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part__a_trailer_comes_back_whole_or_not_at_all),
        cmocka_unit_test(test_part__a_block_header_comes_back_whole_or_not_at_all),
    };
    return cmocka_run_group_tests_name("part", tests, NULL, NULL);
}
