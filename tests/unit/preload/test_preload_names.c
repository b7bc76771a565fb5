/* Names that threads get: what the hooks write of them, what threads and rings begin with, and
 * where nothing is written. */
#include "recorder/preload/hooks_names.h"
#include "tests/unit/preload/scene.h"

#include <errno.h>

/* As the hook does. */
static void set_name(pthread_t thread, const char *name)
{
    assert_int_equal(pthread_setname_np(thread, name), 0);
    errno = 77;
    name_told(thread, name);
    assert_int_equal(errno, 77);
}

static struct stage *open_scene(void)
{
    struct stage *st = scene_open();
    st->tells_threads = true;
    set_name(pthread_self(), "first"); /* without a ring: it is kept */
    return st;
}

/* While a thread's name is what it was: the kernel is asked for it, too. */
static void read_on(struct stage *st)
{
    thread_self.busy = BUSY_HOOK;
    merge_drain(st->merge);
    thread_self.busy = BUSY_NO;
}

static void close_scene(struct stage *st, const char *expected)
{
    thread_self.busy = BUSY_HOOK;
    emit_close(&thread_self);
    merge_drain(st->merge);
    process_give_up(REASON_NONE);
    stage_tells(st, expected);
}

static void put_alloc(uint64_t bytes)
{
    thread_self.busy = BUSY_HOOK;
    emit2(&thread_self, RING_WORD(RING_ALLOC, ALLOCATOR_MALLOC, 0x1000 * bytes), bytes);
    thread_self.busy = BUSY_NO;
}

static void test_names__stand_where_they_were_given(void **state)
{
    (void)state;
    struct stage *st = open_scene();
    put_alloc(1);
    read_on(st);
    prctl(PR_SET_NAME, "longer than fifteen");
    name_told(pthread_self(), "longer than fifteen");
    put_alloc(2);
    set_name(pthread_self(), "third");
    put_alloc(3);
    close_scene(st, "P0 0=first +1 0:longer than fif +2 0:third +3");
}

static pthread_barrier_t both;

static void *wait_for_name(void *unused)
{
    thread_self.busy = BUSY_HOOK;
    set_name(pthread_self(), "second");
    emit2(&thread_self, RING_WORD(RING_ALLOC, ALLOCATOR_MALLOC, 0x9000), 9);
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    return unused;
}

/* Another thread's name is written by whoever gives it, with that thread's number. */
static void test_names__of_other_threads(void **state)
{
    (void)state;
    struct stage *st = open_scene();
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 2);
    put_alloc(1);
    thread_self.busy = BUSY_HOOK;
    pthread_create(&thread, NULL, wait_for_name, NULL);
    pthread_barrier_wait(&both);
    read_on(st);
    set_name(thread, "by the other");
    put_alloc(2);
    thread_self.busy = BUSY_HOOK;
    pthread_barrier_wait(&both);
    pthread_join(thread, NULL);
    close_scene(st, "P0 0=first +1 1=second +9 1:by the other +2");
}

/* Who has no ring writes nothing: it may never need one. */
static void test_names__open_no_ring(void **state)
{
    (void)state;
    struct stage *st = open_scene();
    thread_self.busy = BUSY_NO;
    set_name(pthread_self(), "kept");
    assert_null(thread_self.ring);
    put_alloc(1);
    close_scene(st, "P0 0=kept +1");
}

/* A signal handler's name, while the thread is in an allocator, in our own code, or neither. */
static void test_names__are_written_wherever_our_own_code_is_not_at_work(void **state)
{
    (void)state;
    struct stage *st = open_scene();
    put_alloc(1);
    read_on(st);
    thread_self.busy = BUSY_ALLOCATOR;
    set_name(pthread_self(), "in malloc");
    assert_int_equal(thread_self.busy, BUSY_ALLOCATOR);
    thread_self.busy = BUSY_HOOK;
    set_name(pthread_self(), "in a hook");
    assert_int_equal(thread_self.busy, BUSY_HOOK);
    close_scene(st, "P0 0=first +1 0:in malloc");
}

static void test_names__are_nothing_where_nothing_is_recorded(void **state)
{
    (void)state;
    struct stage *st = open_scene();
    put_alloc(1);
    read_on(st);
    process_give_up(REASON_NONE);
    set_name(pthread_self(), "late");
    thread_self.busy = BUSY_HOOK;
    stage_tells(st, "P0 0=first +1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names__stand_where_they_were_given),
        cmocka_unit_test(test_names__of_other_threads),
        cmocka_unit_test(test_names__open_no_ring),
        cmocka_unit_test(test_names__are_written_wherever_our_own_code_is_not_at_work),
        cmocka_unit_test(test_names__are_nothing_where_nothing_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
