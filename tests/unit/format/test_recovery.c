/* The file under every kind of damage: what a reader gives is right, or it says that something is
 * missing (FORMAT.md 2). */
#include "format/crc32.h"
#include "format/part.h"
#include "format/wire.h"
#include "tests/unit/format/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

/* Nothing wrong may be given, and nothing may be missing without a word. */
static void check_changed(const struct built *b, const uint8_t *bytes, size_t length)
{
    struct seen s;
    seen_read(&s, bytes, length);
    if (s.open == 0) {
        assert_true(seen_blocks_right(&s, b));
        assert_int_equal(s.end, TRACE_END);
        bool told = s.damage_count > 0 || s.cut > 0 || !s.complete;
        assert_true(told || s.block_count == b->block_count);
    } else {
        assert_true(strlen(s.err.text) > 10);
        assert_int_equal(s.err.code, s.open);
    }
    seen_release(&s);
}

static size_t block_bytes(const struct built *b, uint32_t block)
{
    return (block + 1 < b->block_count ? b->blocks[block + 1].offset : b->index_offset) -
           b->blocks[block].offset;
}

/* May a change there say the same? The index with another tag is a part of a later version, and LZ4
 * can spell the same bytes in two ways. */
static bool may_mean_nothing(const struct built *b, size_t at)
{
    for (uint32_t i = 0; i < b->block_count; i++) {
        size_t frame = b->blocks[i].offset + SKIPPABLE_BYTES + BLOCK_TABLE_BYTES;
        size_t end = b->blocks[i].offset + block_bytes(b, i);
        if (at >= frame && at < end)
            return true;
    }
    return at - (b->index_offset + SKIPPABLE_BYTES) < TAG_BYTES;
}

static void check_flipped(const struct built *b, size_t at)
{
    struct seen s;
    seen_read(&s, b->bytes, b->length);
    if (at < b->blocks[0].offset) {
        assert_true(s.open < 0);
        assert_true(strlen(s.err.text) > 10 && s.err.code == s.open);
        return;
    }
    assert_int_equal(s.open, 0);
    assert_true(seen_blocks_right(&s, b));
    assert_int_equal(s.end, TRACE_END);
    assert_true(s.damage_count > 0 || s.cut > 0 || !s.complete || may_mean_nothing(b, at));
    assert_true(s.block_count + 1 >= b->block_count); /* it costs one block at the most */
    assert_true(s.block_count == b->block_count || at < b->index_offset);
    seen_release(&s);
}

static void test_recovery__every_flipped_bit_is_told_and_costs_a_block_at_most(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    for (size_t at = 0; at < b.length; at++)
        for (int bit = 0; bit < 8; bit++) {
            b.bytes[at] ^= (uint8_t)(1 << bit);
            check_flipped(&b, at);
            b.bytes[at] ^= (uint8_t)(1 << bit);
        }
    built_release(&b);
}

static void test_recovery__no_changed_byte_gives_wrong_events(void **state)
{
    (void)state;
    static const uint8_t values[] = {0x00, 0xFF};
    struct built b;
    build_small(&b);
    for (size_t at = 0; at < b.length; at++)
        for (size_t i = 0; i < sizeof values; i++) {
            uint8_t was = b.bytes[at];
            b.bytes[at] = values[i];
            check_changed(&b, b.bytes, b.length);
            b.bytes[at] = was;
        }
    built_release(&b);
}

static void test_recovery__removed_and_doubled_stretches_give_no_wrong_events(void **state)
{
    (void)state;
    struct built b;
    uint64_t seed = 17;
    build_small(&b);
    uint8_t *changed = malloc(2 * b.length);
    for (int round = 0; round < 3000; round++) {
        size_t at = random_below(&seed, b.length);
        size_t span = random_below(&seed, b.length - at);
        size_t kept = random_below(&seed, 2) ? at : at + span; /* removes, or writes it twice */
        memcpy(changed, b.bytes, kept);
        size_t from = kept == at ? at + span : at;
        memcpy(changed + kept, b.bytes + from, b.length - from);
        check_changed(&b, changed, kept + b.length - from);
    }
    free(changed);
    built_release(&b);
}

static void test_recovery__a_damaged_block_costs_that_block_only(void **state)
{
    (void)state;
    for (uint32_t victim = 0; victim < 5; victim++) {
        struct built b;
        struct seen s;
        build_small(&b);
        assert_int_equal(b.block_count, 5);
        b.bytes[b.blocks[victim].offset + SKIPPABLE_BYTES + BLOCK_TABLE_BYTES + 30] ^= 0x10;
        seen_read(&s, b.bytes, b.length);
        assert_int_equal(s.open, 0);
        assert_int_equal(s.block_count, 4);
        assert_true(seen_blocks_right(&s, &b));
        assert_int_equal(s.damage_count, 1);
        assert_int_equal(s.lost_blocks, 1);
        assert_int_equal(s.damages[0].offset, b.blocks[victim].offset);
        /* without an own part behind it, the region of the last block ends at the trailer */
        size_t end = victim == 4 ? b.trailer_offset : b.blocks[victim + 1].offset;
        assert_int_equal(s.damages[0].offset + s.damages[0].length, end);
        assert_true(s.complete);
        seen_release(&s);
        built_release(&b);
    }
}

static void test_recovery__missing_blocks_are_told_by_their_numbers(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    size_t gone = block_bytes(&b, 1) + block_bytes(&b, 2);
    memmove(b.bytes + b.blocks[1].offset, b.bytes + b.blocks[3].offset,
            b.length - b.blocks[3].offset);
    seen_read(&s, b.bytes, b.length - gone);
    assert_int_equal(s.block_count, 3);
    assert_true(seen_blocks_right(&s, &b));
    assert_int_equal(s.damage_count, 1);
    assert_int_equal(s.lost_blocks, 2);
    assert_int_equal(s.damages[0].length, 0);
    assert_int_equal(s.damages[0].offset, b.blocks[1].offset);
    seen_release(&s);
    built_release(&b);
}

static void test_recovery__blocks_missing_before_the_trailer_are_told(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    memmove(b.bytes + b.blocks[3].offset, b.bytes + b.trailer_offset, TRACE_TRAILER_BYTES);
    seen_read(&s, b.bytes, b.blocks[3].offset + TRACE_TRAILER_BYTES);
    assert_int_equal(s.block_count, 3);
    assert_int_equal(s.lost_blocks, 2);
    assert_true(s.complete);
    seen_release(&s);
    built_release(&b);
}

static void test_recovery__garbage_between_blocks_costs_no_block(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    size_t at = b.blocks[2].offset, junk = 1 << 20; /* more than a window of the source */
    uint8_t *bytes = malloc(b.length + junk);
    uint64_t seed = 1;
    memcpy(bytes, b.bytes, at);
    for (size_t i = 0; i < junk; i++) /* half of it looks like the start of a part */
        bytes[at + i] =
            i % 8 < 4 ? (uint8_t)(SKIPPABLE_MAGIC >> 8 * (i % 4)) : (uint8_t)random_bits(&seed);
    memcpy(bytes + at + junk, b.bytes + at, b.length - at);
    seen_read(&s, bytes, b.length + junk);
    assert_int_equal(s.block_count, b.block_count);
    assert_true(seen_blocks_right(&s, &b));
    assert_true(s.damage_count >= 1);
    assert_int_equal(s.lost_blocks, 0);
    assert_true(s.complete);
    seen_release(&s);
    free(bytes);
    built_release(&b);
}

/* The table of a block's header, and its checksum made right after a change. */
static uint8_t *table_of(struct built *b, uint32_t block)
{
    return b->bytes + b->blocks[block].offset + SKIPPABLE_BYTES;
}

static void mend(uint8_t *table) { put_u32(table + 92, crc32_update(0, table, 92)); }

/* The trace loses exactly so many of its five blocks, and says so. */
static void check_lost(const struct built *b, uint32_t lost)
{
    struct seen s;
    seen_read(&s, b->bytes, b->length);
    assert_true(seen_blocks_right(&s, b));
    assert_int_equal(s.block_count, 5 - lost);
    assert_int_equal(s.lost_blocks, lost);
    assert_true(s.complete);
    seen_release(&s);
}

static void test_recovery__a_block_of_another_trace_is_not_taken(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    put_u64(table_of(&b, 2) + 24, BUILT_TRACE_ID + 1);
    mend(table_of(&b, 2));
    check_lost(&b, 1);
    built_release(&b);
}

static void test_recovery__counters_that_jump_without_a_gap_are_damage(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    put_u64(table_of(&b, 3) + 40, (uint64_t)1 << 61);
    mend(table_of(&b, 3));
    check_lost(&b, 1);
    put_u32(table_of(&b, 0), 0); /* a gap at the start excuses the block behind it, not this one */
    check_lost(&b, 2);
    built_release(&b);
}

/* Time and the numbers given out so far, each of 32 bits where time has 64. */
static void test_recovery__a_block_that_goes_back_is_not_taken(void **state)
{
    (void)state;
    static const uint32_t fields[] = {48, 56, 60, 64, 68};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct built b;
        build_small(&b);
        uint32_t before = get_u32(table_of(&b, 3) + fields[i]);
        assert_true(before > 0);
        put_u32(table_of(&b, 4) + fields[i], before - 1);
        mend(table_of(&b, 4));
        check_lost(&b, 1);
        built_release(&b);
    }
}

static void test_recovery__sizes_that_do_not_fit_the_frame_cost_one_block(void **state)
{
    (void)state;
    static const struct {
        uint32_t field;
        int32_t change;
    } rows[] = {{12, 1}, {12, -1}, {12, 300}, {16, 1}, {16, -1}, {16, PAYLOAD_MAX_BYTES}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct built b;
        build_small(&b);
        uint8_t *field = table_of(&b, 1) + rows[i].field;
        put_u32(field, get_u32(field) + (uint32_t)rows[i].change);
        mend(table_of(&b, 1));
        check_lost(&b, 1);
        built_release(&b);
    }
}

static void test_recovery__a_payload_is_held_to_its_own_checksum(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    table_of(&b, 2)[88] ^= 1;
    mend(table_of(&b, 2));
    check_lost(&b, 1);
    built_release(&b);
}

static void test_recovery__no_block_is_given_twice(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    built_start(&b);
    for (int i = 0; i < 3; i++) { /* blocks without an event: only their numbers differ */
        built_record(&b, (struct record){.type = RECORD_MARK, .mark.name = {"m", 1}});
        built_seal(&b);
    }
    built_finish(&b);
    size_t end = b.blocks[2].offset, again = block_bytes(&b, 1);
    uint8_t *bytes = malloc(b.length + again);
    memcpy(bytes, b.bytes, end);
    memcpy(bytes + end, b.bytes + b.blocks[1].offset, again);
    memcpy(bytes + end + again, b.bytes + end, b.length - end);
    seen_read(&s, bytes, b.length + again);
    assert_int_equal(s.block_count, 3);
    assert_true(seen_blocks_right(&s, &b));
    assert_int_equal(s.damage_count, 1);
    assert_int_equal(s.damages[0].length, again);
    assert_int_equal(s.lost_blocks, 0);
    seen_release(&s);
    free(bytes);
    built_release(&b);
}

/* What a reader gives of bytes that come one by one, in packets. */
static void read_packets(struct seen *s, const uint8_t *bytes, size_t length)
{
    int ends[2], status;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < length; at++)
            if (write(ends[1], bytes + at, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    seen_read_fd(s, ends[0]);
    waitpid(child, &status, 0);
    close(ends[0]);
}

/* At one of four distances a window of the search ends inside the magic that it looks for. */
static void test_recovery__blocks_are_found_however_the_bytes_arrive(void **state)
{
    (void)state;
    for (size_t pad = 0; pad < 4; pad++) {
        struct built b;
        struct seen s;
        build_small(&b);
        put_u32(table_of(&b, 1), 0);
        size_t at = b.blocks[2].offset;
        built_room(&b, pad);
        memmove(b.bytes + at + pad, b.bytes + at, b.length - at);
        memset(b.bytes + at, 0, pad);
        read_packets(&s, b.bytes, b.length + pad);
        assert_int_equal(s.block_count, 4);
        assert_int_equal(s.lost_blocks, 1);
        assert_true(s.complete);
        seen_release(&s);
        built_release(&b);
    }
}

/* Its size reaches over the next block, which is found all the same. */
static void test_recovery__a_part_of_a_wrong_size_hides_no_block(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    memcpy(table_of(&b, 1), "MRZZ", 4);
    put_u32(table_of(&b, 1) - 4, (uint32_t)b.length);
    check_lost(&b, 1);
    seen_read(&s, b.bytes, b.length);
    assert_int_equal(s.damage_count, 1);
    assert_int_equal(s.damages[0].offset, b.blocks[1].offset);
    assert_int_equal(s.damages[0].length, block_bytes(&b, 1));
    seen_release(&s);
    built_release(&b);
}

static void test_recovery__bytes_after_the_trailer_are_damage(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    const size_t lengths[] = {b.length, 1, 1 << 20}; /* more than is read at once */
    uint8_t *longer = calloc(1, b.length + (1 << 20));
    memcpy(longer, b.bytes, b.length);
    memcpy(longer + b.length, b.bytes, b.length);
    for (int i = 0; i < 3; i++) {
        struct seen s;
        seen_read(&s, longer, b.length + lengths[i]);
        assert_int_equal(s.block_count, b.block_count);
        assert_int_equal(s.damage_count, 1);
        assert_int_equal(s.damages[0].offset, b.length);
        assert_int_equal(s.damages[0].length, lengths[i]);
        assert_false(s.complete);
        seen_release(&s);
    }
    free(longer);
    built_release(&b);
}

static void test_recovery__a_wrong_index_is_told_and_costs_nothing(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    b.bytes[b.index_offset + 30] ^= 1;
    seen_read(&s, b.bytes, b.length);
    assert_int_equal(s.block_count, b.block_count);
    assert_int_equal(s.damage_count, 1);
    assert_int_equal(s.damages[0].offset, b.index_offset);
    assert_int_equal(s.lost_blocks, 0);
    assert_true(s.complete);
    seen_release(&s);
    built_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recovery__every_flipped_bit_is_told_and_costs_a_block_at_most),
        cmocka_unit_test(test_recovery__no_changed_byte_gives_wrong_events),
        cmocka_unit_test(test_recovery__removed_and_doubled_stretches_give_no_wrong_events),
        cmocka_unit_test(test_recovery__a_damaged_block_costs_that_block_only),
        cmocka_unit_test(test_recovery__missing_blocks_are_told_by_their_numbers),
        cmocka_unit_test(test_recovery__blocks_missing_before_the_trailer_are_told),
        cmocka_unit_test(test_recovery__garbage_between_blocks_costs_no_block),
        cmocka_unit_test(test_recovery__a_block_of_another_trace_is_not_taken),
        cmocka_unit_test(test_recovery__counters_that_jump_without_a_gap_are_damage),
        cmocka_unit_test(test_recovery__a_block_that_goes_back_is_not_taken),
        cmocka_unit_test(test_recovery__sizes_that_do_not_fit_the_frame_cost_one_block),
        cmocka_unit_test(test_recovery__a_payload_is_held_to_its_own_checksum),
        cmocka_unit_test(test_recovery__no_block_is_given_twice),
        cmocka_unit_test(test_recovery__blocks_are_found_however_the_bytes_arrive),
        cmocka_unit_test(test_recovery__a_part_of_a_wrong_size_hides_no_block),
        cmocka_unit_test(test_recovery__bytes_after_the_trailer_are_damage),
        cmocka_unit_test(test_recovery__a_wrong_index_is_told_and_costs_nothing),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
