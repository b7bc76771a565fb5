/* A trace as one stream: what lost and misplaced blocks do to it. */
#include "format/part.h"
#include "format/wire.h"
#include "tests/unit/replay/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { BLOCKS = 4 };

/* Four blocks of one allocation each of 1, 10, 100, 1000 bytes, and where each begins in the file.
 */
struct chain {
    struct scene s;
    size_t at[BLOCKS + 1];
};

static void make_chain(struct chain *c)
{
    scene_begin(&c->s);
    for (int i = 0, size = 1; i < BLOCKS; i++, size *= 10) {
        c->at[i] = c->s.m.used;
        maker_time(&c->s.m, (uint64_t)(i + 1) * 100);
        maker_alloc(&c->s.m, ALLOCATOR_MALLOC, c->s.a, (uint64_t)size);
        maker_seal(&c->s.m);
    }
    c->at[BLOCKS] = c->s.m.used;
    maker_finish(&c->s.m, true);
}

static struct player *play(struct chain *c)
{
    struct replay_options options = player_peak();
    struct player *p = player_run(&c->s.m, &options);
    maker_release(&c->s.m);
    return p;
}

static void cut_out(struct maker *m, size_t from, size_t to)
{
    memmove(m->bytes + from, m->bytes + to, m->used - to);
    m->used -= to - from;
}

static void test_reader__a_whole_trace_is_complete(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 1111);
    assert_int_equal(p->reader.damage_count, 0);
    assert_true(reader_complete(&p->reader));
    assert_int_equal(reader_declared_events(&p->reader), 4);
    player_free(p);
}

static void test_reader__a_damaged_block_costs_itself_alone(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    c.s.m.bytes[c.at[3] - 6] ^= 1;
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 1011);
    assert_int_equal(p->reader.damage_count, 1);
    assert_int_equal(p->reader.damage[0].offset, c.at[2]);
    assert_int_equal(p->reader.lost_blocks, 1);
    assert_false(lost_holds(&p->replay.lost, 1));
    assert_true(lost_holds(&p->replay.lost, 2));
    assert_false(lost_holds(&p->replay.lost, 3));
    player_free(p);
}

static void test_reader__a_block_cut_out_is_noticed_by_its_number(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    cut_out(&c.s.m, c.at[1], c.at[3]);
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 1001);
    assert_int_equal(p->reader.lost_blocks, 2);
    assert_int_equal(p->reader.damage_count, 1);
    assert_int_equal(p->reader.damage[0].blocks, 2);
    player_free(p);
}

static void test_reader__blocks_missing_before_the_trailer_are_noticed(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    cut_out(&c.s.m, c.at[2], c.at[4]);
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 11);
    assert_int_equal(p->reader.lost_blocks, 2);
    assert_int_equal(p->reader.damage_count, 1);
    player_free(p);
}

static void test_reader__a_block_that_stands_twice_counts_once(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    size_t length = c.at[2] - c.at[1];
    struct maker *m = &c.s.m;
    maker_room(m, length);
    memmove(m->bytes + c.at[2] + length, m->bytes + c.at[2], m->used - c.at[2]);
    memcpy(m->bytes + c.at[2], m->bytes + c.at[1], length);
    m->used += length;
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 1111);
    assert_int_equal(p->reader.damage_count, 1);
    player_free(p);
}

static bool is_told(const struct reader *r, const char *what)
{
    bool told = false;
    for (size_t i = 0; i < r->damage_count; i++)
        told = told || strstr(r->damage[i].what, what);
    return told;
}

/* Sets the number of a block, and that of the first function that it defines (FORMAT.md 1). */
static void renumber(struct chain *c, int block, uint32_t sequence, uint32_t function)
{
    uint8_t *table = c->s.m.bytes + c->at[block] + SKIPPABLE_BYTES;
    put_u32(table + 8, sequence);
    put_u32(table + 56, function);
    put_u32(table + 92, crc32_update(0, table, 92));
}

/* A block that claims to be the 2,001st, and the ids of the first one for its own: so many may have
 * been defined between them that a jump of any length forward is possible. */
static void test_reader__ids_never_go_back_however_much_is_missing(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    assert_true(get_u32(c.s.m.bytes + c.at[1] + SKIPPABLE_BYTES + 56) > FUNCTION_FIRST);
    renumber(&c, 1, 2000, FUNCTION_FIRST);
    struct player *p = play(&c);
    assert_true(is_told(&p->reader, "its ids do not follow"));
    assert_int_equal(p->replay.moment.bytes, 1);
    player_free(p);
}

/* What is missing takes memory: 2^24 ids at most, all gaps together. */
static void test_reader__gaps_together_cannot_hold_more_than_one_may(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    renumber(&c, 1, 5, 9000000);
    renumber(&c, 2, 10, 16777000);
    renumber(&c, 3, 15, 16777000 + 300);
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 111);
    assert_true(is_told(&p->reader, "more is missing"));
    player_free(p);
}

static uint64_t line_of(const struct symbols *s, uint32_t stack)
{
    return symbols_frame(s, symbols_stack(s, stack))->line;
}

static void test_reader__what_a_lost_block_defined_is_unknown(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1);
    maker_seal(&s.m);
    size_t from = s.m.used;
    uint32_t lost_thread = maker_thread(&s.m, s.process, 99, "lost");
    uint32_t lost_stack = maker_stack(&s.m, s.a, 1, 77);
    maker_on(&s.m, lost_thread);
    maker_seal(&s.m);
    size_t to = s.m.used;
    maker_alloc(&s.m, ALLOCATOR_MALLOC, lost_stack, 10);
    uint32_t after = maker_stack(&s.m, s.a, 1, 78);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, after, 100);
    maker_finish(&s.m, true);
    cut_out(&s.m, from, to);
    struct replay_options options = player_peak();
    struct player *p = player_run(&s.m, &options);
    assert_int_equal(p->replay.moment.bytes, 111);
    assert_int_equal(p->replay.model.nobody.now.live_bytes, 110); /* by the lost thread */
    assert_null(symbols_stack(&p->replay.model.symbols, lost_stack));
    assert_int_equal(line_of(&p->replay.model.symbols, after), 78);
    assert_ptr_equal(model_thread(&p->replay.model, lost_thread), &p->replay.model.no_thread);
    player_free(p);
    maker_release(&s.m);
}

/* Seals a small block whose op number `op` is reserved, under a right checksum. */
static void seal_with_a_wrong_op(struct maker *m, unsigned op)
{
    struct block_info info;
    uint8_t payload[1000], *out = maker_room(m, 2000);
    maker_must(!encoder_seal(m->encoder, payload, sizeof payload, &info), "seal");
    payload[8 + op] = 0xFF; /* behind a count and seven lengths below 128 */
    info.payload_crc32 = crc32_update(0, payload, info.payload_bytes);
    int64_t n = trace_block_write(m->compressor, MAKER_ID, &info, payload, out, 2000);
    maker_must(n > 0, "block");
    m->used += (size_t)n;
    m->blocks++;
}

static void test_reader__what_a_block_held_behind_a_wrong_op_is_lost(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_seal(&s.m);
    for (int i = 0; i < 3; i++)
        maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 100);
    seal_with_a_wrong_op(&s.m, 1);
    maker_free(&s.m, 0);
    maker_free(&s.m, 2);
    maker_free(&s.m, 2);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 100);
    assert_int_equal(p->replay.totals.frees, 1);
    assert_int_equal(p->replay.totals.lost_frees, 2);
    assert_int_equal(p->replay.totals.unknown_frees, 0);
    assert_int_equal(p->reader.damage_count, 1);
    assert_int_equal(p->reader.damage[0].blocks, 0);
    assert_int_equal(lost_count(&p->replay.lost), 3);
    player_free(p);
}

static void test_reader__an_unfinished_trace_is_no_damage(void **state)
{
    (void)state;
    struct chain c;
    make_chain(&c);
    c.s.m.used = c.at[3] + 20;
    struct player *p = play(&c);
    assert_int_equal(p->replay.moment.bytes, 111);
    assert_int_equal(p->reader.damage_count, 0);
    assert_false(reader_complete(&p->reader));
    assert_int_equal(trace_reader_cut(p->reader.trace), 20);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader__a_whole_trace_is_complete),
        cmocka_unit_test(test_reader__a_damaged_block_costs_itself_alone),
        cmocka_unit_test(test_reader__a_block_cut_out_is_noticed_by_its_number),
        cmocka_unit_test(test_reader__blocks_missing_before_the_trailer_are_noticed),
        cmocka_unit_test(test_reader__a_block_that_stands_twice_counts_once),
        cmocka_unit_test(test_reader__ids_never_go_back_however_much_is_missing),
        cmocka_unit_test(test_reader__gaps_together_cannot_hold_more_than_one_may),
        cmocka_unit_test(test_reader__what_a_lost_block_defined_is_unknown),
        cmocka_unit_test(test_reader__what_a_block_held_behind_a_wrong_op_is_lost),
        cmocka_unit_test(test_reader__an_unfinished_trace_is_no_damage),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
