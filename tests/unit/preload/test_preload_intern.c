/* Stack nodes: one id for equal ones, defined once and in order, by any number of threads. */
#include "tests/unit/preload/fake.h"

#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    (void)state;
    fake_start(12, false);
    return 0;
}

/* As one thread asks: what it was told last goes along. */
static uint32_t node(uint32_t parent, uint32_t code_id, int32_t lasti_bytes)
{
    static __thread uint32_t recent;
    return intern_node(parent, code_id, lasti_bytes, &recent);
}

/* What followed a node last time is only a guess, whoever made it. */
static void test_intern__a_guess_is_compared(void **state)
{
    (void)state;
    uint32_t recent = 0, other = 0;
    uint32_t a = intern_node(NODE_NONE, 60, 1, &recent), b = intern_node(a, 61, 2, &recent);
    assert_int_equal(recent, b);
    recent = a;
    assert_int_equal(intern_node(a, 61, 2, &recent), b); /* guessed */
    recent = a;
    uint32_t c = intern_node(a, 61, 3, &recent); /* guessed wrong */
    assert_true(c != b && recent == c);
    recent = a;
    assert_int_equal(intern_node(a, 61, 2, &recent), b);
    assert_int_equal(intern_node(a, 61, 3, &other), c);
    assert_int_equal(other, c);
}

static void test_intern__equal_nodes_have_one_id(void **state)
{
    (void)state;
    uint32_t a = node(NODE_NONE, 1, 10);
    assert_true(a >= NODE_FIRST);
    assert_int_equal(node(NODE_NONE, 1, 10), a);
    uint32_t others[] = {node(a, 1, 10), node(NODE_NONE, 2, 10), node(NODE_NONE, 1, 12),
                         node(NODE_NONE, 1, -1)};
    for (int i = 0; i < 4; i++) {
        assert_int_not_equal(others[i], a);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(others[i], others[j]);
    }
    assert_int_equal(node(a, 1, 10), others[0]);
}

static void test_intern__keeps_all_ids_while_it_grows(void **state)
{
    (void)state;
    enum { COUNT = 300000 };
    static uint32_t ids[COUNT];
    uint32_t parent = NODE_NONE, before = intern_count(), defined = fake_defined_nodes;
    for (int i = 0; i < COUNT; i++) {
        ids[i] = node(i % 100 ? parent : NODE_NONE, 5 + (uint32_t)i % 3, i);
        assert_true(ids[i] > parent || i % 100 == 0);
        parent = ids[i];
    }
    assert_int_equal(intern_count() - before, COUNT);
    assert_int_equal(fake_defined_nodes - defined, COUNT);
    for (int i = 0; i < COUNT; i++) {
        uint32_t above = i % 100 ? ids[i - 1] : NODE_NONE;
        assert_int_equal(node(above, 5 + (uint32_t)i % 3, i), ids[i]);
        assert_int_equal(fake_nodes[ids[i]].parent, above);
        assert_int_equal(fake_nodes[ids[i]].lasti, i);
    }
    assert_int_equal(fake_defined_nodes - defined, COUNT);
}

static void test_intern__a_refused_definition_is_asked_for_again(void **state)
{
    (void)state;
    fake_refuse_nodes = true;
    assert_int_equal(node(NODE_NONE, 9, 9), NODE_LOST);
    fake_refuse_nodes = false;
    uint32_t id = node(NODE_NONE, 9, 9);
    assert_true(id >= NODE_FIRST);
    assert_int_equal(fake_nodes[id].code_id, 9);
}

/* ---- threads */

enum { THREADS = 4, SHARED = 60000 };
static uint32_t seen[THREADS][SHARED];

static void *intern_shared(void *argument)
{
    uint32_t *ids = argument;
    for (int i = 0; i < SHARED; i++)
        ids[i] = node(i % 50 ? ids[i - 1] : NODE_NONE, 77, i);
    return NULL;
}

static void test_intern__threads_agree_and_each_node_is_defined_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint32_t defined = fake_defined_nodes;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, intern_shared, seen[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS; i++)
        assert_memory_equal(seen[0], seen[i], sizeof seen[0]);
    assert_int_equal(fake_defined_nodes - defined, SHARED);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int stage;

static void stage_wait(int wanted)
{
    pthread_mutex_lock(&turn);
    while (stage != wanted)
        pthread_cond_wait(&turned, &turn);
    pthread_mutex_unlock(&turn);
}

static void stage_set(int now)
{
    pthread_mutex_lock(&turn);
    stage = now;
    pthread_cond_broadcast(&turned);
    pthread_mutex_unlock(&turn);
}

static void *hold_lock(void *unused)
{
    (void)unused;
    assert_true(intern_lock());
    stage_set(1);
    stage_wait(2);
    intern_unlock();
    stage_set(3);
    return NULL;
}

static void test_intern__waits_for_the_lock_no_longer_than_its_bound(void **state)
{
    (void)state;
    pthread_t holder;
    uint32_t known = node(NODE_NONE, 88, 1);
    pthread_create(&holder, NULL, hold_lock, NULL);
    stage_wait(1);
    assert_int_equal(node(NODE_NONE, 88, 1), known); /* what is known needs no lock */
    assert_int_equal(node(NODE_NONE, 88, 2), NODE_LOST);
    assert_int_equal(node(NODE_NONE, 88, 2), NODE_LOST);
    stage_set(2);
    stage_wait(3);
    pthread_join(holder, NULL);
    assert_true(node(NODE_NONE, 88, 2) >= NODE_FIRST);
}

static void test_intern__the_holder_itself_does_not_wait(void **state)
{
    (void)state;
    assert_true(intern_lock());
    assert_int_equal(node(NODE_NONE, 99, 1), NODE_LOST);
    intern_unlock();
    assert_true(node(NODE_NONE, 99, 1) >= NODE_FIRST);
}

/* ---- fork */

static void test_intern__a_child_of_fork_has_the_ids_and_a_free_lock(void **state)
{
    (void)state;
    uint32_t known = node(NODE_NONE, 111, 1);
    walk_fork_prepare();
    pid_t child = fork();
    if (child == 0) {
        walk_after_fork();
        _exit(node(NODE_NONE, 111, 1) == known && node(known, 111, 2) > known ? 0 : 1);
    }
    walk_fork_parent();
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_true(node(known, 111, 3) > known);
}

static void test_intern__a_child_of_a_raw_clone_frees_a_lock_that_another_thread_held(void **state)
{
    (void)state;
    pthread_t holder;
    stage_set(0);
    pthread_create(&holder, NULL, hold_lock, NULL);
    stage_wait(1);
    pid_t child = fork();
    if (child == 0) {
        walk_after_fork();
        _exit(node(NODE_NONE, 112, 1) >= NODE_FIRST ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    stage_set(2);
    pthread_join(holder, NULL);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intern__a_guess_is_compared),
        cmocka_unit_test(test_intern__equal_nodes_have_one_id),
        cmocka_unit_test(test_intern__keeps_all_ids_while_it_grows),
        cmocka_unit_test(test_intern__a_refused_definition_is_asked_for_again),
        cmocka_unit_test(test_intern__threads_agree_and_each_node_is_defined_once),
        cmocka_unit_test(test_intern__waits_for_the_lock_no_longer_than_its_bound),
        cmocka_unit_test(test_intern__the_holder_itself_does_not_wait),
        cmocka_unit_test(test_intern__a_child_of_fork_has_the_ids_and_a_free_lock),
        cmocka_unit_test(test_intern__a_child_of_a_raw_clone_frees_a_lock_that_another_thread_held),
    };
    return cmocka_run_group_tests_name("intern", tests, setup, NULL);
}
