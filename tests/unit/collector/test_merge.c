/* The merge over rings filled by hand: what no order of thread events may contradict. */
#include "tests/unit/collector/stage.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum { X = 0x10000, Y = 0x20000, Z = 0x30000 };

/* Ring 1 is listed before ring 0, and both have words at once: only turns tell the order. */
static void test_merge__follows_turns_and_not_rings(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_ring(st, 1, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    stage_turn(st, 1, 2);
    stage_thread(st, 1);
    stage_alloc(st, 1, Y, 2);
    stage_turn(st, 0, 3);
    stage_free(st, 0, X);
    stage_alloc(st, 0, Z, 3);
    stage_turn(st, 1, 4);
    stage_alloc(st, 1, X, 4);
    stage_free(st, 1, Z);
    stage_owner(st, 0, 4, 1);
    merge_drain(st->merge);
    stage_tells(st, "P0 +1 +2 -1 +3 +4 -3");
}

/* The turn word was read before ring 1 went on: what stands under a later turn waits, since what
 * came before it in ring 0 may not be visible yet. */
static void test_merge__takes_nothing_beyond_the_turn_of_the_cut(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_ring(st, 1, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    stage_turn(st, 1, 2);
    stage_thread(st, 1);
    stage_turn(st, 1, 4);
    stage_alloc(st, 1, X, 4);
    stage_owner(st, 0, 2, 1);
    merge_drain(st->merge);
    stage_turn(st, 0, 3);
    stage_free(st, 0, X);
    stage_owner(st, 0, 4, 1);
    merge_drain(st->merge);
    stage_tells(st, "P0 +1 -1 +4");
}

/* A thread that has taken the turn and was stopped before it wrote holds up nobody's words of
 * before, and its own come when they come. */
static void test_merge__goes_on_beside_a_stalled_thread(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_ring(st, 1, 0);
    stage_turn(st, 1, 1);
    stage_thread(st, 1);
    stage_alloc(st, 1, X, 1);
    stage_owner(st, 0, 2, 0); /* ring 0 owns turn 2 and has written nothing */
    assert_true(merge_drain(st->merge) > 0);
    stage_turn(st, 1, 3); /* others go on meanwhile */
    stage_alloc(st, 1, Y, 3);
    stage_owner(st, 0, 3, 1);
    assert_true(merge_drain(st->merge) > 0);
    stage_turn(st, 0, 2); /* concurrent with turn 3: its hook had not returned */
    stage_thread(st, 0);
    stage_alloc(st, 0, Z, 2);
    assert_true(merge_drain(st->merge) > 0);
    stage_tells(st, "P0 +1 +3 +2");
}

/* Three times around the ring, with events of two words and of one, so that some stand astride its
 * end. */
static void test_merge__reads_on_around_the_end_of_the_ring(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_owner(st, 0, 1, 0);
    uint64_t blocks = 0, bytes = 0;
    while (atomic_load(&shared_ring(&st->shared, 0)->head) < 3 * RING_BYTES) {
        for (unsigned i = 0; i < 10000; i++, blocks++) {
            stage_alloc(st, 0, X + 16 * (blocks % 1000), (uint32_t)blocks);
            stage_free(st, 0, X + 16 * (blocks % 1000));
        }
        bytes += merge_drain(st->merge);
        assert_int_equal(atomic_load(&shared_ring(&st->shared, 0)->tail),
                         atomic_load(&shared_ring(&st->shared, 0)->head));
    }
    assert_int_equal(bytes, atomic_load(&shared_ring(&st->shared, 0)->head));
    struct story s = stage_close(st);
    assert_int_equal(s.allocs, blocks);
    assert_int_equal(s.frees, blocks);
    assert_int_equal(s.lost, 0);
    free(s.text);
}

/* The ring of a thread that has ended goes to another process, whose turns start anew and whose
 * addresses are its own. */
static void test_merge__hands_a_dead_threads_ring_to_another_process(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    struct shm_control *control = st->shared.control;
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1000);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    stage_owner(st, 0, 1000, 0);
    merge_drain(st->merge);
    stage_alloc(st, 0, Y, 2);
    atomic_store(&control->entries[0].state, RING_STATE_CLOSED);
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&control->entries[0].state), RING_STATE_FREE);

    stage_process(st, 1, stage_sleeper(st));
    stage_ring(st, 0, 1);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 3); /* not the first one's X */
    stage_free(st, 0, Y);     /* nor its Y */
    stage_owner(st, 1, 1, 0);
    merge_drain(st->merge);
    merge_drain(st->merge);
    stage_tells(st, "P0 +1 +2 P1 +3");
}

/* A closed ring with words that the cut did not reach is kept until they are read. */
static void test_merge__keeps_a_closed_ring_until_its_last_word(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    struct shm_control *control = st->shared.control;
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 2);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    atomic_store(&control->entries[0].state, RING_STATE_CLOSED);
    stage_owner(st, 0, 1, 1); /* the turn word as it was a moment before */
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&control->entries[0].state), RING_STATE_CLOSED);
    stage_owner(st, 0, 2, 0);
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&control->entries[0].state), RING_STATE_FREE);
    stage_tells(st, "P0 +1");
}

/* What the dead have written is read to the last word, whatever the turn word said; then their end
 * is told and their rings and slot are free. */
static void test_merge__drains_the_dead_to_their_last_word(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    struct shm_control *control = st->shared.control;
    pid_t pid = stage_sleeper(st);
    stage_process(st, 0, pid);
    stage_ring(st, 0, 0);
    stage_ring(st, 1, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    stage_turn(st, 1, 9);
    stage_thread(st, 1);
    stage_alloc(st, 1, Y, 9);
    stage_owner(st, 0, 1, 0);
    merge_drain(st->merge);
    stage_turn(st, 0, 10);
    stage_free(st, 0, Y);
    stage_kill(st, pid);
    merge_drain(st->merge);
    assert_int_equal(st->processes.living, 0);
    assert_int_equal(atomic_load(&control->entries[0].state), RING_STATE_FREE);
    assert_int_equal(atomic_load(&control->entries[1].state), RING_STATE_FREE);
    assert_int_equal(atomic_load(&control->slots[0].state), SLOT_FREE);
    stage_tells(st, "P0 +1 +9 -9 E0");
}

/* The waiter's words after the wait stand behind the end of whom it waited for, in one drain. */
static void check_waited(bool named)
{
    struct stage *st = stage_open();
    pid_t waiter = stage_sleeper(st), child = stage_sleeper(st);
    stage_process(st, 0, waiter);
    stage_process(st, 1, child);
    stage_ring(st, 0, 0);
    stage_ring(st, 1, 1);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    PUT(st, 0, RING_WORD(RING_WAITED, 0, named ? (uint64_t)child : RING_WAITED_UNNAMED));
    stage_free(st, 0, X);
    stage_turn(st, 1, 1);
    stage_thread(st, 1);
    stage_alloc(st, 1, X, 2);
    stage_owner(st, 0, 1, 0);
    stage_owner(st, 1, 1, 1);
    stage_kill(st, child);
    merge_drain(st->merge);
    stage_tells(st, "P0 P1 +1 +2 E1 -1");
}

static void test_merge__brings_the_waited_for_in_where_the_waiter_waited(void **state)
{
    (void)state;
    check_waited(true);
    check_waited(false);
}

/* A process that lies about a head is given up and told to stop; the others go on. */
static void test_merge__gives_up_a_process_whose_head_cannot_be(void **state)
{
    (void)state;
    static const uint64_t lies[] = {RING_BYTES + 8, UINT64_MAX - 7, 4, UINT64_C(1) << 63};
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct stage *st = stage_open();
        pid_t liar = stage_sleeper(st);
        stage_process(st, 0, liar);
        stage_process(st, 1, stage_sleeper(st));
        stage_ring(st, 0, 0);
        stage_ring(st, 1, 1);
        stage_turn(st, 1, 1);
        stage_thread(st, 1);
        stage_alloc(st, 1, X, 1);
        stage_owner(st, 1, 1, 1);
        atomic_store(&shared_ring(&st->shared, 0)->head, lies[i]);
        merge_drain(st->merge);
        assert_int_equal(atomic_load(&st->shared.control->slots[0].stop), 1);
        assert_int_equal(atomic_load(&st->shared.control->slots[1].stop), 0);
        stage_alloc(st, 1, Y, 2);
        merge_drain(st->merge);
        stage_kill(st, liar);
        merge_drain(st->merge);
        stage_tells(st, "P0 P1 +1 +2 !7:1 E0"); /* 7: REASON_CORRUPT_RING */
    }
}

/* A ring full of good words, and a head that would have them read once more. */
static void test_merge__reads_no_word_twice_for_a_head_that_lies(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    pid_t liar = stage_sleeper(st);
    struct ring *ring = shared_ring(&st->shared, 0);
    stage_process(st, 0, liar);
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_owner(st, 0, 1, 0);
    for (unsigned i = 4; i < RING_WORDS; i++)
        stage_free(st, 0, X);
    merge_drain(st->merge);
    for (unsigned i = 0; i < 4; i++)
        stage_free(st, 0, X);
    merge_drain(st->merge);
    assert_int_equal(st->processes.first->unknown_frees, RING_WORDS);
    atomic_fetch_add(&ring->head, RING_BYTES + 8);
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&st->shared.control->slots[0].stop), 1);
    stage_kill(st, liar);
    merge_drain(st->merge);
    struct story s = stage_close(st);
    char expected[64];
    snprintf(expected, sizeof expected, "P0 !9:%u !7:1 E0", RING_WORDS);
    assert_string_equal(s.text, expected);
    free(s.text);
}

/* Rings of nobody: entries that name no slot, another serial, or are free. */
static void test_merge__ignores_rings_of_nobody(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    struct shm_control *control = st->shared.control;
    stage_process(st, 0, stage_sleeper(st));
    for (uint32_t i = 0; i < 5; i++) {
        stage_ring(st, i, 0);
        stage_turn(st, i, 1);
        stage_thread(st, i);
        stage_alloc(st, i, X + 16 * i, i + 1);
    }
    stage_owner(st, 0, 1, 4);
    control->entries[0].slot = SLOT_LIMIT;
    control->entries[1].slot = UINT32_MAX;
    control->entries[2].serial += 1;
    atomic_store(&control->entries[3].state, RING_STATE_FREE);
    atomic_store(&control->header.ring_high, UINT32_MAX);
    atomic_store(&control->header.slot_high, UINT32_MAX);
    merge_drain(st->merge);
    stage_tells(st, "P0 +5");
}

/* A turn word that names no ring, or turns that go backwards, are no reason to stop reading. */
static void test_merge__reads_on_under_a_turn_word_that_makes_no_sense(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 5);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    stage_turn(st, 0, 2);
    stage_alloc(st, 0, Y, 2);
    atomic_store(&st->shared.control->slots[0].turn, UINT64_C(9) << 16 | 0xFFFF);
    merge_drain(st->merge);
    stage_tells(st, "P0 +1 +2");
}

/* A writer of the other side: writes a word, then waits as ring.h has it until it was read. */
struct writing {
    struct ring *ring;
    unsigned words;
    bool lost; /* nobody woke it */
    _Atomic bool done;
};

static bool wait_for_tail(struct ring *ring, uint64_t head)
{
    const struct timespec long_enough = {.tv_sec = 20};
    uint64_t tail;
    while ((tail = atomic_load(&ring->tail)) != head) {
        atomic_store(&ring->waiting, 1);
        long status = syscall(SYS_futex, (uint32_t *)&ring->tail, FUTEX_WAIT, (uint32_t)tail,
                              &long_enough, NULL, 0);
        int why = errno;
        atomic_store(&ring->waiting, 0);
        if (status != 0 && why == ETIMEDOUT)
            return false;
    }
    return true;
}

static void *write_and_wait(void *context)
{
    struct writing *w = context;
    uint64_t head = atomic_load(&w->ring->head);
    for (unsigned i = 0; i < w->words && !w->lost; i++, head += 8) {
        w->ring->words[(head >> 3) & (RING_WORDS - 1)] = RING_WORD(RING_FREE, 0, X);
        atomic_store(&w->ring->head, head + 8);
        for (volatile unsigned j = i * 2654435761u % 8192; j; j--) /* to meet the publishing */
            ;
        w->lost = !wait_for_tail(w->ring, head + 8);
    }
    atomic_store(&w->done, true);
    return NULL;
}

/* However the collector's look at `waiting` and the writer's wait fall, no wake-up is lost. */
static void test_merge__wakes_whoever_waits_for_the_tail(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_owner(st, 0, 1, 0);
    struct writing w = {.ring = shared_ring(&st->shared, 0), .words = 30000};
    pthread_t thread;
    pthread_create(&thread, NULL, write_and_wait, &w);
    while (!atomic_load(&w.done))
        merge_drain(st->merge);
    pthread_join(thread, NULL);
    assert_false(w.lost);
    assert_int_equal(st->processes.first->unknown_frees, w.words);
    free(stage_close(st).text);
}

/* A writer learns of room in pieces that are worth waking for, and of all at a drain's end. */
static void test_merge__publishes_by_the_piece_and_at_the_end(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_process(st, 0, stage_sleeper(st));
    stage_ring(st, 0, 0);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_owner(st, 0, 1, 0);
    struct ring *ring = shared_ring(&st->shared, 0);
    struct stream *s = &st->merge->streams[0];
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&ring->tail), 4 * 8);
    stage_free(st, 0, X);
    s->head = atomic_load(&ring->head);
    assert_true(transcode_run(&st->merge->transcoder, s));
    assert_int_equal(s->tail, 5 * 8);
    assert_int_equal(atomic_load(&ring->tail), 4 * 8);
    for (unsigned i = 0; i < RING_WORDS / 2; i++)
        stage_free(st, 0, X);
    s->head = atomic_load(&ring->head);
    assert_true(transcode_run(&st->merge->transcoder, s));
    assert_true(s->tail - atomic_load(&ring->tail) < RING_BYTES / 8);
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&ring->tail), atomic_load(&ring->head));
    free(stage_close(st).text);
}

/* A parent is known before its child whatever their slots: what the child has it inherits. */
static void test_merge__takes_a_parent_in_before_the_child_in_an_earlier_slot(void **state)
{
    (void)state;
    struct stage *st = stage_open();
    stage_child(st, 0, stage_sleeper(st), stage_process(st, 1, stage_sleeper(st)));
    merge_drain(st->merge);
    stage_tells(st, "P0 P1<0");
}

static struct stage *interrupted;
enum { LATER_PAGE = 4096 / sizeof(struct process_slot) }; /* a slot on a page of its own */

/* The merge reads a turn word. Right before that a new thread takes a ring and allocates, and the
 * first one frees that. */
static void go_on_before_the_turn_is_read(int number)
{
    (void)number;
    struct stage *st = interrupted;
    mprotect(&st->shared.control->slots[LATER_PAGE], 4096, PROT_READ | PROT_WRITE);
    stage_ring(st, 1, LATER_PAGE);
    stage_turn(st, 1, 2);
    stage_thread(st, 1);
    stage_alloc(st, 1, Y, 2);
    stage_turn(st, 0, 3);
    stage_free(st, 0, Y);
    stage_owner(st, LATER_PAGE, 3, 0);
}

static void test_merge__knows_a_ring_that_was_taken_right_before_the_cut(void **state)
{
    (void)state;
    struct stage *st = interrupted = stage_open();
    struct sigaction act = {.sa_handler = go_on_before_the_turn_is_read}, old;
    stage_process(st, LATER_PAGE, stage_sleeper(st));
    stage_ring(st, 0, LATER_PAGE);
    stage_turn(st, 0, 1);
    stage_thread(st, 0);
    stage_alloc(st, 0, X, 1);
    stage_owner(st, LATER_PAGE, 1, 0);
    merge_drain(st->merge);
    atomic_store(&st->shared.control->header.slot_high, 0); /* nobody looks for new ones there */
    sigaction(SIGSEGV, &act, &old);
    assert_int_equal(mprotect(&st->shared.control->slots[LATER_PAGE], 4096, PROT_NONE), 0);
    merge_drain(st->merge);
    sigaction(SIGSEGV, &old, NULL);
    stage_tells(st, "P0 +1 +2 -2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge__follows_turns_and_not_rings),
        cmocka_unit_test(test_merge__takes_nothing_beyond_the_turn_of_the_cut),
        cmocka_unit_test(test_merge__goes_on_beside_a_stalled_thread),
        cmocka_unit_test(test_merge__reads_on_around_the_end_of_the_ring),
        cmocka_unit_test(test_merge__hands_a_dead_threads_ring_to_another_process),
        cmocka_unit_test(test_merge__keeps_a_closed_ring_until_its_last_word),
        cmocka_unit_test(test_merge__drains_the_dead_to_their_last_word),
        cmocka_unit_test(test_merge__brings_the_waited_for_in_where_the_waiter_waited),
        cmocka_unit_test(test_merge__gives_up_a_process_whose_head_cannot_be),
        cmocka_unit_test(test_merge__reads_no_word_twice_for_a_head_that_lies),
        cmocka_unit_test(test_merge__ignores_rings_of_nobody),
        cmocka_unit_test(test_merge__reads_on_under_a_turn_word_that_makes_no_sense),
        cmocka_unit_test(test_merge__wakes_whoever_waits_for_the_tail),
        cmocka_unit_test(test_merge__publishes_by_the_piece_and_at_the_end),
        cmocka_unit_test(test_merge__takes_a_parent_in_before_the_child_in_an_earlier_slot),
        cmocka_unit_test(test_merge__knows_a_ring_that_was_taken_right_before_the_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
