/* Writers and the merge at the same time: threads that exchange blocks through a few places and are
 * given each other's addresses at once. Whatever the interleaving, no free may come before its
 * allocation and no address be alive twice. Small numbers of places make a broken order trip. */
#include "tests/unit/preload/scene.h"

#include <sched.h>

enum { CELLS = 6, THREADS = 4, ROUNDS = 60000, RESTARTS = 40 };

/* An allocator that hands a freed cell to whoever comes first. */
static _Atomic uint32_t cells[CELLS];
static _Atomic uint32_t running;

static uint64_t cell_address(unsigned cell) { return 0x10000 + 16 * (uint64_t)cell; }

static unsigned take_cell(uint64_t *seed)
{
    for (;;) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        unsigned cell = (unsigned)(*seed >> 40) % CELLS;
        uint32_t empty = 0;
        if (atomic_compare_exchange_strong(&cells[cell], &empty, 1))
            return cell;
    }
}

/* A block that some thread holds, or none. */
static _Atomic uint32_t places[2];

static void one_round(struct thread *t, uint64_t *seed)
{
    unsigned cell = take_cell(seed);
    assert_true(emit2(t, RING_WORD(RING_ALLOC, ALLOCATOR_MALLOC, cell_address(cell)), 32));
    uint32_t old = atomic_exchange(&places[*seed >> 60 & 1], cell + 1);
    if ((*seed >> 50) % 64 == 0)
        sched_yield();
    if (!old)
        return;
    assert_true(emit1(t, RING_WORD(RING_FREE, 0, cell_address(old - 1))));
    atomic_store(&cells[old - 1], 0);
}

static void *exchange(void *number)
{
    uint64_t seed = (uintptr_t)number * 77;
    for (unsigned i = 0; i < ROUNDS; i++)
        one_round(&thread_self, &seed);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Threads that live for a few rounds each: rings are closed, drained and claimed again all the
 * while. */
static void *exchange_briefly(void *number)
{
    uint64_t seed = (uintptr_t)number * 131;
    for (unsigned i = 0; i < 50; i++)
        one_round(&thread_self, &seed);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void reset(void)
{
    for (unsigned i = 0; i < CELLS; i++)
        atomic_store(&cells[i], 0);
    atomic_store(&places[0], 0);
    atomic_store(&places[1], 0);
}

static void finish(struct stage *st, uint64_t allocs)
{
    uint64_t left = (places[0] != 0) + (places[1] != 0);
    merge_drain(st->merge);
    merge_drain(st->merge);
    struct recorded *p = st->processes.first;
    assert_false(p->corrupt);
    assert_int_equal(p->unknown_frees, 0);
    assert_int_equal(p->live_addresses, 0);
    process_give_up(REASON_NONE);
    struct story s = stage_close(st);
    assert_int_equal(s.allocs, allocs);
    assert_int_equal(s.frees, allocs - left);
    free(s.text);
}

static void test_ring__threads_that_exchange_blocks_are_merged_in_order(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    pthread_t threads[THREADS];
    reset();
    atomic_store(&running, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, exchange, (void *)(i + 1));
    while (atomic_load(&running))
        merge_drain(st->merge);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    finish(st, (uint64_t)THREADS * ROUNDS);
}

static void test_ring__threads_that_come_and_go_are_merged_in_order(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    reset();
    for (unsigned round = 0; round < RESTARTS; round++) {
        pthread_t threads[THREADS];
        atomic_store(&running, THREADS);
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, exchange_briefly, (void *)(round * THREADS + i + 1));
        while (atomic_load(&running))
            merge_drain(st->merge);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < 3; i++)
            merge_drain(st->merge);
    }
    assert_true(atomic_load(&st->shared.control->header.ring_high) <= RING_CHUNK);
    finish(st, (uint64_t)RESTARTS * THREADS * 50);
}

/* The same with two thousand idle rings between those that are used: a cut takes long, and the
 * threads go on while it is made. */
static void test_ring__a_cut_that_takes_long_is_no_less_in_order(void **state)
{
    (void)state;
    enum { HIGH = 2048 };
    struct stage *st = scene_open();
    pthread_t threads[THREADS];
    reset();
    process.chunks[HIGH / RING_CHUNK - 1] = shared_ring(&st->shared, HIGH - RING_CHUNK);
    for (uint32_t i = 2; i < HIGH - 2; i++) {
        struct ring_entry *entry = &st->shared.control->entries[i];
        entry->serial = process.serial;
        atomic_store(&entry->state, RING_STATE_LIVE);
    }
    atomic_store(&running, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, exchange, (void *)(i + 1));
    while (atomic_load(&running))
        merge_drain(st->merge);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&st->shared.control->header.ring_high) >= HIGH - 1);
    finish(st, (uint64_t)THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring__threads_that_exchange_blocks_are_merged_in_order),
        cmocka_unit_test(test_ring__threads_that_come_and_go_are_merged_in_order),
        cmocka_unit_test(test_ring__a_cut_that_takes_long_is_no_less_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
