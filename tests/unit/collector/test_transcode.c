/* Ring words into events: what each means, and hostile ones. The process lies at worst about
 * itself: it is given up and told, and the collector goes on. */
#include "tests/unit/collector/stage.h"
#include "format/ranges.h"

enum { X = 0x10000, Y = 0x20000, Z = 0x30000 };

/* A stage with one process and one ring that has begun. */
static struct stage *one_ring(void)
{
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_owner(st, 0, 1, 0);
    return st;
}

static bool given_up(const struct stage *st)
{
    return atomic_load(&st->shared.control->slots[0].stop);
}

/* Drains, and ends the process so that its losses are told. */
static void drain_and_end(struct stage *st)
{
    merge_drain(st->merge);
    stage_kill(st, st->sleepers[0]);
    merge_drain(st->merge);
}

static void test_transcode__follows_blocks_by_address(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    stage_alloc(st, 0, X, 1);
    stage_alloc(st, 0, Y, 2);
    stage_free(st, 0, X);
    stage_alloc(st, 0, X, 3);
    stage_free(st, 0, Y);
    stage_free(st, 0, X);
    drain_and_end(st);
    stage_tells(st, "P0 +1 +2 -1 +3 -2 -3 E0");
}

static void test_transcode__counts_frees_of_what_it_does_not_know(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    stage_free(st, 0, X);
    stage_free(st, 0, Y + 7);
    PUT(st, 0, RING_WORD(RING_FREE_NESTED, 0, X)); /* no news */
    stage_alloc(st, 0, X, 1);
    drain_and_end(st);
    stage_tells(st, "P0 +1 !9:2 E0"); /* 9: REASON_UNKNOWN_FREE */
}

/* An address that is given out twice was freed unseen: the old block goes, and it is counted. */
static void test_transcode__an_address_given_out_twice_ends_the_old_block(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    stage_alloc(st, 0, X, 1);
    stage_alloc(st, 0, X, 2);
    stage_free(st, 0, X);
    drain_and_end(st);
    stage_tells(st, "P0 +1 -1 +2 -2 !10:1 E0"); /* 10: REASON_LIVE_ADDRESS */
}

static void test_transcode__takes_back_the_free_of_a_realloc_that_failed(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    stage_alloc(st, 0, X, 1);
    stage_free(st, 0, X);
    PUT(st, 0, RING_WORD(RING_UNDO_FREE, 0, X));
    PUT(st, 0, RING_WORD(RING_FAILED, ALLOCATOR_REALLOC, 0), 777, 0);
    stage_free(st, 0, X);
    drain_and_end(st);
    stage_tells(st, "P0 +1 -1 u x777 -1 E0");
}

/* Only the thread's last free can be taken back: after another one (a signal handler's) the block
 * is lost to us, and no other comes alive. */
static void test_transcode__takes_back_no_other_free(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    stage_alloc(st, 0, X, 1);
    stage_alloc(st, 0, Y, 2);
    stage_free(st, 0, X);
    stage_free(st, 0, Y);
    PUT(st, 0, RING_WORD(RING_UNDO_FREE, 0, X));
    stage_alloc(st, 0, X, 3);
    drain_and_end(st);
    stage_tells(st, "P0 +1 +2 -1 -2 +3 E0");
}

static void test_transcode__large_blocks_and_unaligned_ones(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    PUT(st, 0, RING_WORD(RING_ALLOC_BIG, ALLOCATOR_MALLOC, X), UINT64_C(5) << 40, 0);
    stage_alloc(st, 0, Y + 8, 2); /* has no place in the map: coded by address */
    stage_alloc(st, 0, Y, 3);
    stage_free(st, 0, Y + 8);
    stage_free(st, 0, X);
    drain_and_end(st);
    stage_tells(st, "P0 +5497558138880 @+2 +3 @-20008 -5497558138880 E0");
}

static void test_transcode__mappings(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    PUT(st, 0, RING_WORD(RING_MAP, MAP_KIND_ANONYMOUS, 0x100000), 8192, 0, ALLOCATOR_MMAP);
    PUT(st, 0, RING_WORD(RING_UNMAP, 0, 0x101000), 4096);
    drain_and_end(st);
    stage_tells(st, "P0 m8192 M4096 E0");
}

/* A process and a ring without a merge around them: cheap enough for thousands. */
struct bare {
    struct stage *st;
    struct transcoder transcoder;
    struct stream stream;
};

static void bare_begin(struct bare *b, struct stage *st)
{
    struct ring *ring = shared_ring(&st->shared, 0);
    b->st = st;
    b->transcoder = (struct transcoder){.output = &st->output, .thread = ID_NONE};
    b->stream = (struct stream){.ring = ring, .thread = ID_NONE};
    b->stream.process = recorded_new(&st->processes.pool);
    atomic_store(&ring->head, 0);
    atomic_store(&ring->tail, 0);
    struct record record = {.type = RECORD_PROCESS, .process = {.parent = ID_NONE}};
    assert_true(output_record(&st->output, &record, &b->stream.process->id));
    stage_thread(st, 0);
}

/* Reads on to the head. Returns whether the ring is still believed. */
static bool bare_read(struct bare *b)
{
    b->stream.head = atomic_load(&b->stream.ring->head);
    bool sound = !b->stream.process->corrupt;
    while (sound && b->stream.tail < b->stream.head) {
        b->stream.waited = b->stream.naming = 0;
        sound = transcode_run(&b->transcoder, &b->stream);
    }
    return sound;
}

static void bare_end(struct bare *b)
{
    stream_release(&b->stream);
    recorded_free(b->stream.process);
}

/* Words that cannot be: each ends the recording of its process, and is told. What came before it
 * is kept. */
static void test_transcode__gives_up_at_words_that_cannot_be(void **state)
{
    (void)state;
    static const uint64_t absurd[][5] = {
        {0},
        {RING_WORD(RING_NONE, 1, 1)},
        {RING_WORD(RING_KIND_COUNT, 0, 0)},
        {RING_WORD(255, 255, RING_LOW_MASK)},
        {RING_WORD(RING_ALLOC, ALLOCATOR_COUNT, Y), 1},
        {RING_WORD(RING_ALLOC, 255, Y), 1},
        {RING_WORD(RING_ALLOC_BIG, 99, Y), 1, 1},
        {RING_WORD(RING_FAILED, ALLOCATOR_COUNT, 0), 1, 1},
        {RING_WORD(RING_MAP, MAP_KIND_COUNT, Y), 4096, 0, ALLOCATOR_MMAP},
        {RING_WORD(RING_MAP, MAP_KIND_ANONYMOUS, Y), 4096, 0, UINT64_MAX},
        {RING_WORD(RING_DATA, 0, 0)},
        {RING_WORD(RING_DATA, 0, RING_DATA_BYTES + 1)},
        {RING_WORD(RING_DATA, 0, RING_LOW_MASK)},
        {RING_WORD(RING_DATA, 0, 8), 1}, /* of no code */
        {RING_WORD(RING_CODE, 0, 1), 1, CODE_TEXT_LIMIT + 1, 0, 0},
        {RING_WORD(RING_CODE, 0, 1), 1, 0, UINT64_MAX, 0},
        {RING_WORD(RING_CODE, 0, 1), 1, 0, 0, CODE_TABLE_LIMIT + 1},
        {RING_WORD(RING_CODE, 0, UINT32_MAX), 1, 0, 0, 0},
        {RING_WORD(RING_NODE, 0, UINT32_MAX), 0, 0},
        {RING_WORD(RING_NODE, 0, 1u << 30), 0, 0},
    };
    static const unsigned words[RING_KIND_COUNT] = {
        1,
#define RING_EVENT(name, count, text) (count) ? (count) : 1,
#include "recorder/ring.def"
#undef RING_EVENT
    };
    for (unsigned i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        struct stage *st = one_ring();
        unsigned kind = (unsigned)(absurd[i][0] >> 56);
        stage_alloc(st, 0, X, 1);
        stage_put(st, 0, kind < RING_KIND_COUNT ? words[kind] + (kind == RING_DATA) : 1, absurd[i]);
        stage_alloc(st, 0, Y, 2);
        merge_drain(st->merge);
        if (!given_up(st))
            fail_msg("word %u was believed: %llx", i, (unsigned long long)absurd[i][0]);
        drain_and_end(st);
        struct story s = stage_close(st);
        assert_memory_equal(s.text, "P0 +1 ", 6);
        assert_string_equal(s.text + s.length - 8, "!7:1 E0"); /* 7: REASON_CORRUPT_RING */
        free(s.text);
    }
}

/* Events before the thread's own are nobody's. */
static void test_transcode__gives_up_a_ring_without_its_thread(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1);
    stage_alloc(st, 0, X, 1);
    stage_owner(st, 0, 1, 0);
    merge_drain(st->merge);
    assert_true(given_up(st));
    drain_and_end(st);
    stage_tells(st, "P0 !7:1 E0");
}

/* Heads move past whole events only: one that ends inside an event lies, for every kind and cut. */
static void test_transcode__gives_up_at_an_event_that_is_cut(void **state)
{
    (void)state;
    static const uint64_t whole[][5] = {
        {RING_WORD(RING_ALLOC, 0, Y), 1},
        {RING_WORD(RING_ALLOC_BIG, 0, Y), 1, 0},
        {RING_WORD(RING_MAP, 0, Y), 4096, 0, ALLOCATOR_MMAP},
        {RING_WORD(RING_REMAP, 0, Y), 4096, Y, 8192, 0},
        {RING_WORD(RING_CODE, 0, 1), 1, 2, 2, 2},
        {RING_WORD(RING_NODE, 0, 1), 0, 0},
        {RING_WORD(RING_THREAD, 0, 9), 0, 0},
        {RING_WORD(RING_RESIDENT_RANGE, 0, Y), 4096, 4096},
        {RING_WORD(RING_DATA, 0, 32), 1, 2, 3, 4},
        {RING_WORD(RING_MARK, 0, 27), 1, 2, 3, 4},
        {RING_WORD(RING_NAME, 0, 9), 1, 0},
    };
    static const unsigned words[] = {2, 3, 4, 5, 5, 3, 3, 3, 5, 5, 3};
    struct stage *st = stage_open();
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        for (unsigned cut = 1; cut <= words[i]; cut++) {
            struct bare b;
            bare_begin(&b, st);
            stage_alloc(st, 0, X, 1);
            stage_put(st, 0, cut, whole[i]);
            bool whole_data = i == 8 && cut == words[i]; /* of no code */
            assert_int_equal(bare_read(&b), cut == words[i] && !whole_data);
            bare_end(&b);
        }
    free(stage_close(st).text);
}

/* Every kind with the largest and other absurd numbers in every word: believed or not, nothing
 * breaks, and the trace that comes of it can be read. */
static void test_transcode__survives_every_kind_with_absurd_numbers(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0,
                                       1,
                                       7,
                                       4095,
                                       UINT32_MAX,
                                       1u << 31,
                                       UINT64_MAX,
                                       UINT64_MAX - 4095,
                                       RING_LOW_MASK,
                                       INT64_MAX,
                                       UINT64_C(1) << 47};
    const unsigned count = sizeof numbers / sizeof numbers[0];
    struct stage *st = stage_open();
    for (unsigned kind = 1; kind < RING_KIND_COUNT; kind++)
        for (unsigned a = 0; a < count; a++)
            for (unsigned b = 0; b < count; b++) {
                struct bare bare;
                bare_begin(&bare, st);
                for (unsigned round = 0; round < 3; round++) {
                    PUT(st, 0, RING_WORD(kind, round ? 0 : numbers[b], numbers[a]), numbers[b],
                        numbers[a], numbers[(a + b) % count], numbers[(a * 3 + b) % count]);
                    bare_read(&bare);
                }
                bare_end(&bare);
            }
    free(stage_close(st).text);
}

/* Defines a node below none, of code 1, whose lines are not known. */
static void put_node(struct stage *st, uint32_t ring, uint32_t node, uint32_t parent)
{
    PUT(st, ring, RING_WORD(RING_NODE, 0, node), (uint64_t)1 << 32 | parent, 0);
}

static void alloc_at(struct stage *st, uint32_t ring, uint64_t address, uint32_t node)
{
    PUT(st, ring, RING_WORD(RING_ALLOC, ALLOCATOR_MALLOC, address), 1 | (uint64_t)node << 32);
}

/* What the loop over usual words remembers of nodes holds for one process and one meaning. */
static void test_transcode__nodes_mean_what_their_process_said_last(void **state)
{
    (void)state;
    struct stage *st = one_ring();
    stage_process(st, 1, stage_sleeper(st));
    stage_ring(st, 1, 1);
    stage_turn(st, 1, 1);
    stage_thread(st, 1);
    stage_owner(st, 1, 1, 1);
    put_node(st, 0, 1, 0);
    put_node(st, 0, 2, 1);
    put_node(st, 1, 1, 0);
    put_node(st, 1, 2, 0); /* another stack than the other process's 2 */
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 4; k++)
            alloc_at(st, i % 2, X + 64 * i + 16 * k, 2);
        merge_drain(st->merge);
    }
    for (unsigned k = 0; k < 8; k++) {
        if (k == 4)
            put_node(st, 0, 2, 0); /* once more */
        alloc_at(st, 0, Y + 16 * k, 2);
    }
    merge_drain(st->merge);
    struct story s = stage_close(st);
    assert_int_equal(s.allocs, 24);
    assert_int_not_equal(s.stacks[0], s.stacks[4]);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(s.stacks[i], s.stacks[i % 8 < 4 ? 0 : 4]);
    free(s.text);
}

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Random words, most of them of a real kind and with small numbers. */
static void test_transcode__survives_random_words(void **state)
{
    (void)state;
    uint64_t seed = 42;
    struct stage *st = stage_open();
    for (unsigned run = 0; run < 4000; run++) {
        struct bare b;
        bare_begin(&b, st);
        for (unsigned i = 0; i < 100; i++) {
            uint64_t r = next(&seed), s = next(&seed);
            uint64_t low = r & 1 ? X + 16 * (s & 7) : s >> (s & 63);
            uint64_t kind = r & 62 ? 1 + (r >> 8) % (RING_KIND_COUNT - 1) : r >> 8;
            PUT(st, 0, RING_WORD(kind, r >> 32 & 3, low));
            PUT(st, 0, s >> (r >> 48 & 63), next(&seed) & 0xFFFF);
            if (i % 20 == 0)
                bare_read(&b);
        }
        bare_end(&b);
    }
    free(stage_close(st).text);
}

/* A well-formed history of one process with random but possible words, blocks at 512 places that
 * lie `apart` bytes from one another: never given up, and the story adds up. */
static void believe_random_blocks(uint64_t apart)
{
    uint64_t seed = 7, live[512] = {0}, allocs = 0, frees = 0;
    struct stage *st = one_ring();
    for (unsigned i = 0; i < 100000; i++) {
        unsigned place = next(&seed) % 512;
        uint64_t address = X + apart * place;
        if (live[place]) {
            stage_free(st, 0, address);
            frees++;
        } else {
            stage_alloc(st, 0, address, (uint32_t)(next(&seed) & 0xFFFF));
            allocs++;
        }
        live[place] = !live[place];
        if (i % 1000 == 0)
            merge_drain(st->merge);
    }
    merge_drain(st->merge);
    assert_false(given_up(st));
    struct story s = stage_close(st);
    assert_int_equal(s.allocs, allocs);
    assert_int_equal(s.frees, frees);
    assert_int_equal(s.lost, 0);
    free(s.text);
}

static void test_transcode__believes_what_is_possible(void **state)
{
    (void)state;
    believe_random_blocks(16);
}

/* A leaf of the map for each place: more memory than caches hold, so that places are fetched ahead.
 */
static void test_transcode__believes_blocks_that_lie_far_apart(void **state)
{
    (void)state;
    believe_random_blocks(1 << 14);
}

/* Of the thread that writes it, or whose THREAD is next (aux 1). */
static void put_name(struct stage *st, uint32_t ring, unsigned aux, uint32_t tid, const char *name)
{
    uint64_t words[3] = {RING_WORD(RING_NAME, aux, tid)};
    memcpy(words + 1, name, strlen(name));
    stage_put(st, ring, 3, words);
}

static void two_threads(struct stage *st)
{
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_ring(st, 1, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0); /* tid 100; 101 */
    stage_turn(st, 1, 2);
    stage_thread(st, 1);
}

/* A name stands where it was given, in the trace as in time; one that says nothing new is none. */
static void test_transcode__names_stand_between_events(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    two_threads(st);
    stage_alloc(st, 1, X, 1);
    put_name(st, 1, 0, 101, "worker");
    stage_alloc(st, 1, Y, 2);
    put_name(st, 1, 0, 101, "worker");
    put_name(st, 1, 0, 100, "by the other");
    stage_alloc(st, 1, Z, 3);
    put_name(st, 1, 0, 101, "");
    put_name(st, 1, 0, 101, "fifteen letters");
    put_name(st, 1, 0, 99, "nobody");
    stage_owner(st, 0, 2, 1);
    merge_drain(st->merge);
    stage_tells(st, "P0 +1 1:worker +2 0:by the other +3 1: 1:fifteen letters");
}

/* Two rings, one after the other: the name that a ring begins with is its thread's, told with the
 * thread, and nothing new when it comes again. */
static void test_transcode__a_first_name_comes_with_its_thread(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    st->tells_threads = true;
    stage_turn(st, 0, 1);
    put_name(st, 0, 1, 100, "one");
    stage_thread(st, 0);
    put_name(st, 0, 0, 100, "one");
    stage_alloc(st, 0, X, 1);
    put_name(st, 0, 1, 100, "two");
    stage_thread(st, 0);
    put_name(st, 0, 0, 100, "one");
    stage_thread(st, 0);
    put_name(st, 0, 0, 100, "two");
    stage_owner(st, 0, 1, 0);
    merge_drain(st->merge);
    stage_tells(st, "P0 0=one +1 1=two 1:one 2= 2:two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcode__follows_blocks_by_address),
        cmocka_unit_test(test_transcode__counts_frees_of_what_it_does_not_know),
        cmocka_unit_test(test_transcode__an_address_given_out_twice_ends_the_old_block),
        cmocka_unit_test(test_transcode__takes_back_the_free_of_a_realloc_that_failed),
        cmocka_unit_test(test_transcode__takes_back_no_other_free),
        cmocka_unit_test(test_transcode__large_blocks_and_unaligned_ones),
        cmocka_unit_test(test_transcode__mappings),
        cmocka_unit_test(test_transcode__nodes_mean_what_their_process_said_last),
        cmocka_unit_test(test_transcode__gives_up_at_words_that_cannot_be),
        cmocka_unit_test(test_transcode__gives_up_a_ring_without_its_thread),
        cmocka_unit_test(test_transcode__gives_up_at_an_event_that_is_cut),
        cmocka_unit_test(test_transcode__survives_every_kind_with_absurd_numbers),
        cmocka_unit_test(test_transcode__survives_random_words),
        cmocka_unit_test(test_transcode__believes_what_is_possible),
        cmocka_unit_test(test_transcode__believes_blocks_that_lie_far_apart),
        cmocka_unit_test(test_transcode__names_stand_between_events),
        cmocka_unit_test(test_transcode__a_first_name_comes_with_its_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
