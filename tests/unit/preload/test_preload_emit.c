/* Writing words: what a ring holds after each event, and every way in which it ends. */
#include "tests/unit/preload/scene.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#define FREE_WORD RING_WORD(RING_FREE, 0, 0x1230)

/* Out of line: where emit1 is inlined into a loop, gcc 12's UBSan takes &thread_self for null. */
static __attribute__((noinline)) struct thread *self(void)
{
    struct thread *t = &thread_self;
    __asm__("" : "+r"(t));
    return t;
}

static struct ring *ring_of(struct stage *st, uint32_t index)
{
    return shared_ring(&st->shared, index);
}

static void close_scene(struct stage *st)
{
    emit_close(self());
    process_give_up(REASON_NONE);
    free(stage_close(st).text);
}

static void test_emit__a_threads_first_words_are_its_turn_and_itself(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    assert_true(emit1(self(), FREE_WORD));
    assert_true(emit1(self(), FREE_WORD + 16));
    const struct ring *ring = ring_of(st, 0);
    assert_int_equal(atomic_load(&ring->head), 6 * 8);
    assert_int_equal(ring->words[0], RING_WORD(RING_TURN, 0, 1));
    assert_int_equal(ring->words[1], RING_WORD(RING_THREAD, 0, (uint64_t)gettid()));
    assert_int_equal(ring->words[4], FREE_WORD);
    assert_int_equal(ring->words[5], FREE_WORD + 16); /* no new turn */
    assert_int_equal(atomic_load(&process.slot->turn), 1u << 16 | 1);
    close_scene(st);
}

static void *write_one(void *word)
{
    emit1(self(), (uintptr_t)word);
    return NULL;
}

static void in_another_thread(uint64_t word)
{
    pthread_t thread;
    pthread_create(&thread, NULL, write_one, (void *)(uintptr_t)word);
    pthread_join(thread, NULL);
}

static void test_emit__who_writes_after_another_takes_the_next_turn(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    assert_true(emit1(self(), FREE_WORD));
    in_another_thread(FREE_WORD + 32);
    assert_int_equal(ring_of(st, 1)->words[0], RING_WORD(RING_TURN, 0, 2));
    assert_int_equal(ring_of(st, 1)->words[4], FREE_WORD + 32);
    assert_true(emit1(self(), FREE_WORD));
    assert_int_equal(ring_of(st, 0)->words[5], RING_WORD(RING_TURN, 0, 3));
    assert_int_equal(atomic_load(&process.slot->turn), 3u << 16 | 1);
    close_scene(st);
}

static void test_emit__a_thread_that_ends_closes_its_ring(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    in_another_thread(FREE_WORD);
    assert_int_equal(atomic_load(&st->shared.control->entries[0].state), RING_STATE_CLOSED);
    merge_drain(st->merge);
    assert_int_equal(atomic_load(&st->shared.control->entries[0].state), RING_STATE_FREE);
    assert_true(emit1(self(), FREE_WORD));
    assert_int_equal(thread_self.ring_index, 0); /* again, from its beginning */
    const struct ring *ring = ring_of(st, 0);
    assert_int_equal(ring->words[0], RING_WORD(RING_TURN, 0, 2));
    assert_int_equal(ring->words[1], RING_WORD(RING_THREAD, 0, (uint64_t)gettid()));
    close_scene(st);
}

/* Threads that come and go faster than the collector looks pass one ring on, each behind the
 * other's words. */
static void test_emit__a_ring_passes_from_thread_to_thread(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    for (unsigned i = 0; i < 100; i++)
        in_another_thread(FREE_WORD + 16 * i);
    const struct ring *ring = ring_of(st, 0);
    assert_int_equal(atomic_load(&st->shared.control->header.ring_high), 1);
    assert_int_equal(atomic_load(&ring->head), 100 * 5 * 8);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(ring->words[5 * i], RING_WORD(RING_TURN, 0, i + 1));
        assert_int_equal(ring->words[5 * i + 1] >> 56, RING_THREAD);
        assert_int_equal(ring->words[5 * i + 4], FREE_WORD + 16 * i);
    }
    merge_drain(st->merge);
    assert_int_equal(st->processes.first->unknown_frees, 100);
    assert_int_equal(atomic_load(&st->shared.control->entries[0].state), RING_STATE_FREE);
    close_scene(st);
}

/* Bytes as DATA events of at most RING_DATA_BYTES, padded to words. */
static void test_emit__bytes_are_cut_into_pieces(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    char bytes[RING_DATA_BYTES + 13];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    assert_true(emit_data(self(), bytes, sizeof bytes));
    const struct ring *ring = ring_of(st, 0);
    unsigned second = 5 + RING_DATA_BYTES / 8;
    assert_int_equal(ring->words[4], RING_WORD(RING_DATA, 0, RING_DATA_BYTES));
    assert_memory_equal(&ring->words[5], bytes, RING_DATA_BYTES);
    assert_int_equal(ring->words[second], RING_WORD(RING_DATA, 0, 13));
    assert_memory_equal(&ring->words[second + 1], bytes + RING_DATA_BYTES, 13);
    assert_int_equal(atomic_load(&ring->head), 8 * (second + 3));
    close_scene(st);
}

/* Two words that are stored at once, where the second stands at the beginning of the memory. */
static void test_emit__an_event_goes_round_the_end_of_the_memory(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    const struct ring *ring = ring_of(st, 0);
    struct thread *t = self();
    for (unsigned i = 0; t->head != RING_BYTES - 8; i++) {
        assert_true(emit1(t, FREE_WORD));
        if (i % 1000 == 0)
            merge_drain(st->merge);
    }
    merge_drain(st->merge);
    for (unsigned i = 0; i < 3; i++)
        assert_true(emit2(t, RING_WORD(RING_ALLOC, 1, 4096 * (i + 1)), i + 1));
    assert_int_equal(atomic_load(&ring->head), RING_BYTES + 5 * 8);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ring->words[(RING_WORDS - 1 + 2 * i) % RING_WORDS],
                         RING_WORD(RING_ALLOC, 1, 4096 * (i + 1)));
        assert_int_equal(ring->words[2 * i], i + 1);
    }
    close_scene(st);
}

/* What a thread does after its own end (destructors of other keys) keeps no ring. */
static void test_emit__an_ended_thread_keeps_no_ring(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    thread_self.ended = 1;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(emit1(self(), FREE_WORD + 16 * i));
        assert_null(thread_self.ring);
        assert_int_equal(atomic_load(&st->shared.control->entries[0].state), RING_STATE_CLOSED);
    }
    thread_self.ended = 0;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ring_of(st, 0)->words[5 * i + 4], FREE_WORD + 16 * i);
    close_scene(st);
}

#define SLOW_NS UINT64_C(2300000000) /* emit.c gives one that stands still 2 s */

static void fill(void)
{
    struct thread *t = self();
    assert_true(emit1(t, FREE_WORD));
    while (t->head + EMIT_ROOM_BYTES <= RING_BYTES)
        assert_true(emit1(t, FREE_WORD));
}

static void *drain_later(void *stage)
{
    struct stage *st = stage;
    while (!atomic_load(&ring_of(st, 0)->waiting)) /* the collector would not wake it else */
        usleep(100);
    atomic_fetch_add(&st->shared.control->header.heartbeat, 1);
    atomic_store(&ring_of(st, 0)->tail, RING_BYTES / 2);
    return NULL;
}

/* A full ring waits for the collector, and nothing is overwritten. */
static void test_emit__waits_for_room_and_goes_on(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    pthread_t thread;
    fill();
    uint64_t first = ring_of(st, 0)->words[0], head = thread_self.head;
    pthread_create(&thread, NULL, drain_later, st);
    errno = 4321;
    assert_true(emit1(self(), FREE_WORD));
    assert_int_equal(errno, 4321);
    pthread_join(thread, NULL);
    assert_int_equal(thread_self.head, head + 8);
    assert_int_equal(ring_of(st, 0)->words[0], first);
    assert_int_equal(atomic_load(&ring_of(st, 0)->waits), 1);
    assert_int_equal(atomic_load(&ring_of(st, 0)->waiting), 0);
    assert_int_equal(atomic_load(&process.slot->gave_up), REASON_NONE);
    atomic_store(&ring_of(st, 0)->tail, 0);
    close_scene(st);
}

static void *drain_slowly(void *stage)
{
    struct ring *ring = ring_of(stage, 0);
    while (atomic_load(&ring->wait_ns) < SLOW_NS && process.open) {
        usleep(2500);
        if (atomic_load(&ring->waiting))
            atomic_fetch_add(&ring->tail, EMIT_ROOM_BYTES);
    }
    atomic_store(&ring->tail, atomic_load(&ring->head));
    return NULL;
}

/* A collector that is slower than its program, but gets on: more waiting in all than one that
 * stands still is given. */
static void test_emit__a_slow_collector_is_waited_for(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    pthread_t thread;
    fill();
    pthread_create(&thread, NULL, drain_slowly, st);
    while (atomic_load(&ring_of(st, 0)->wait_ns) < SLOW_NS && emit1(self(), FREE_WORD))
        ;
    pthread_join(thread, NULL);
    assert_true(atomic_load(&ring_of(st, 0)->wait_ns) >= SLOW_NS);
    assert_int_equal(atomic_load(&process.slot->gave_up), REASON_NONE);
    atomic_store(&ring_of(st, 0)->tail, 0);
    close_scene(st);
}

/* A clock that runs by its readings alone, and a collector that says at each of them that it is at
 * work, or nothing. */
static struct {
    uint64_t now_ns, stride_ns;
    _Atomic uint32_t *heartbeat;
} fast;

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (!fast.stride_ns)
        return (int)syscall(SYS_clock_gettime, id, now);
    fast.now_ns += fast.stride_ns;
    *now = (struct timespec){(time_t)(fast.now_ns / 1000000000), (long)(fast.now_ns % 1000000000)};
    if (fast.heartbeat)
        atomic_fetch_add(fast.heartbeat, 1);
    return 0;
}

/* How long a full ring that nobody reads is waited for. */
static uint64_t waited_in_vain(bool collector_works)
{
    struct stage *st = scene_open();
    fill();
    fast.heartbeat = collector_works ? &st->shared.control->header.heartbeat : NULL;
    fast.now_ns = UINT64_C(1000000000000);
    fast.stride_ns = 50000000;
    assert_false(emit1(self(), FREE_WORD));
    fast.stride_ns = 0;
    assert_false(process.open);
    assert_int_equal(atomic_load(&process.slot->gave_up), REASON_RING_FULL);
    close_scene(st);
    return fast.now_ns - UINT64_C(1000000000000);
}

/* The bounds of docs/reliability.md. */
static void test_emit__nobody_waits_longer_than_is_promised(void **state)
{
    (void)state;
    assert_in_range(waited_in_vain(false), 2000000000, 2400000000);
    assert_in_range(waited_in_vain(true), 5000000000, 5400000000);
}

/* A collector that is no more: recording ends at once, with a reason, and errno stays. */
static void test_emit__gives_up_without_a_collector(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    st->shared.control->header.collector_pid = (uint32_t)gone;
    fill();
    errno = 1234;
    assert_false(emit1(self(), FREE_WORD));
    assert_int_equal(errno, 1234);
    assert_false(process.open);
    assert_false(process_recording());
    assert_int_equal(atomic_load(&process.slot->gave_up), REASON_RING_FULL);
    close_scene(st);
}

static void test_emit__ends_where_the_collector_says_so(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct stage *st = scene_open();
        fill();
        if (i)
            atomic_store(&st->shared.control->header.recording, 0);
        else
            atomic_store(&process.slot->stop, 1);
        assert_false(emit1(self(), FREE_WORD));
        assert_int_equal(atomic_load(&process.slot->gave_up), REASON_NONE);
        assert_false(process.open);
        close_scene(st);
    }
}

/* No ring to be had: counted, tried again now and then, and never an error. */
static void test_emit__without_a_ring_counts_what_is_lost(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    st->shared.control->header.chunks = 1;
    for (unsigned i = 0; i < RING_CHUNK; i++)
        atomic_store(&st->shared.control->entries[i].state, RING_STATE_LIVE);
    for (unsigned i = 0; i < 1000; i++)
        assert_false(emit1(self(), FREE_WORD));
    assert_int_equal(atomic_load(&process.slot->no_ring), 1000);
    assert_true(process.open);
    atomic_store(&st->shared.control->entries[3].state, RING_STATE_FREE);
    unsigned tries = 0;
    while (!emit1(self(), FREE_WORD))
        assert_true(++tries < 10000);
    assert_int_equal(thread_self.ring_index, 3);
    close_scene(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_emit__a_threads_first_words_are_its_turn_and_itself),
        cmocka_unit_test(test_emit__who_writes_after_another_takes_the_next_turn),
        cmocka_unit_test(test_emit__a_thread_that_ends_closes_its_ring),
        cmocka_unit_test(test_emit__a_ring_passes_from_thread_to_thread),
        cmocka_unit_test(test_emit__bytes_are_cut_into_pieces),
        cmocka_unit_test(test_emit__an_event_goes_round_the_end_of_the_memory),
        cmocka_unit_test(test_emit__an_ended_thread_keeps_no_ring),
        cmocka_unit_test(test_emit__waits_for_room_and_goes_on),
        cmocka_unit_test(test_emit__a_slow_collector_is_waited_for),
        cmocka_unit_test(test_emit__nobody_waits_longer_than_is_promised),
        cmocka_unit_test(test_emit__gives_up_without_a_collector),
        cmocka_unit_test(test_emit__ends_where_the_collector_says_so),
        cmocka_unit_test(test_emit__without_a_ring_counts_what_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
