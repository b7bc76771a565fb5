/* A file that ends before its end: what is whole is read, and nothing is taken for what it is not
 * (FORMAT.md 2). Not here: other damage (test_recovery.c). */
#include "format/part.h"
#include "tests/unit/format/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Where each part of the file starts, from the written frames. */
static bool is_part_border(const struct built *b, size_t length)
{
    bool border = length == b->blocks[0].offset || length == b->index_offset ||
                  length == b->trailer_offset || length == b->length;
    for (uint32_t i = 0; i < b->block_count; i++)
        border = border || length == b->blocks[i].offset;
    return border;
}

static void test_cut__a_file_cut_anywhere_is_read_up_to_the_cut(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    for (size_t length = 0; length < b.length; length++) {
        struct seen s;
        seen_read(&s, b.bytes, length);
        if (length < b.blocks[0].offset) {
            assert_int_equal(s.open, length ? -ERR_TRUNCATED : -ERR_NOT_A_TRACE);
            assert_string_equal(s.err.text, length ? "a trace: ends inside the file header"
                                                   : "a trace: is empty");
            continue;
        }
        uint32_t whole = 0;
        while (whole < b.block_count &&
               (whole + 1 < b.block_count ? b.blocks[whole + 1].offset : b.index_offset) <= length)
            whole++;
        assert_int_equal(s.open, 0);
        assert_int_equal(s.block_count, whole);
        assert_true(seen_blocks_right(&s, &b));
        assert_int_equal(s.damage_count, 0);
        assert_int_equal(s.end, TRACE_END);
        assert_false(s.complete);
        assert_int_equal(s.cut == 0, is_part_border(&b, length));
        seen_release(&s);
    }
    built_release(&b);
}

/* Behind a damaged block the next one is looked for; a header that the file cuts off is none. */
static void test_cut__a_cut_behind_damage_is_no_next_block(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    b.bytes[b.blocks[3].offset + SKIPPABLE_BYTES + BLOCK_TABLE_BYTES + 30] ^= 0x10;
    size_t header = SKIPPABLE_BYTES + BLOCK_TABLE_BYTES;
    for (size_t length = b.blocks[4].offset; length < b.blocks[4].offset + header; length++) {
        seen_read(&s, b.bytes, length);
        assert_int_equal(s.block_count, 3);
        assert_true(seen_blocks_right(&s, &b));
        assert_int_equal(s.damage_count, 1);
        assert_int_equal(s.lost_blocks, 1);
        assert_int_equal(s.damages[0].offset, b.blocks[3].offset);
        assert_int_equal(s.damages[0].offset + s.damages[0].length, length);
        assert_int_equal(s.end, TRACE_END);
        assert_false(s.complete);
        seen_release(&s);
    }
    built_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut__a_file_cut_anywhere_is_read_up_to_the_cut),
        cmocka_unit_test(test_cut__a_cut_behind_damage_is_no_next_block),
    };
    return cmocka_run_group_tests_name("cut", tests, NULL, NULL);
}
