/* Sites: by stack, thread and allocator, many of them; their values then, now and at the end. */
#include "replay/sites.h"

#include "format/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { THREADS = 3, ALLOCATORS = 4, STACKS = 60000 };

struct stage {
    struct sites sites;
    struct process process;
    struct thread threads[THREADS];
};

static int start(void **state)
{
    static struct stage st;
    st = (struct stage){.process = {.id = 5}};
    for (uint32_t i = 0; i < THREADS; i++)
        st.threads[i] = (struct thread){.id = i, .process = &st.process};
    *state = &st;
    return sites_init(&st.sites, true, true);
}

static int stop(void **state)
{
    sites_release(&((struct stage *)*state)->sites);
    return 0;
}

/* A site whose bytes are set at once. */
static uint32_t make(struct stage *st, uint32_t stack, uint64_t bytes)
{
    uint32_t id = sites_find(&st->sites, &st->threads[0], 0, stack);
    assert_int_not_equal(id, 0);
    st->sites.items[id].live_bytes = bytes;
    st->sites.items[id].live_count = 1;
    return id;
}

static void test_sites__many_stay_apart(void **state)
{
    struct stage *st = *state;
    static uint32_t ids[THREADS][ALLOCATORS][STACKS];
    uint32_t expected = 1;
    for (uint32_t stack = 0; stack < STACKS; stack++)
        for (unsigned t = 0; t < THREADS; t++)
            for (unsigned a = 0; a < ALLOCATORS; a++)
                ids[t][a][stack] = sites_find(&st->sites, &st->threads[t], a, stack);
    for (uint32_t stack = 0; stack < STACKS; stack++)
        for (unsigned t = 0; t < THREADS; t++)
            for (unsigned a = 0; a < ALLOCATORS; a++) {
                uint32_t id = sites_find(&st->sites, &st->threads[t], a, stack);
                assert_int_equal(id, ids[t][a][stack]);
                assert_int_equal(id, expected++);
                assert_int_equal(site_stack(&st->sites, id), stack);
                assert_int_equal(site_lane(&st->sites, id)->thread, t);
                assert_int_equal(site_lane(&st->sites, id)->allocator, a);
                assert_int_equal(site_lane(&st->sites, id)->process, 5);
            }
    assert_int_equal(st->sites.count, expected);
    assert_int_equal(sizeof(struct site), 40);
    assert_true(st->sites.slot_count * sizeof *st->sites.slots <= 10ul * expected);
}

/* One stack on so many threads that hashes look alike by chance. */
static void test_sites__one_stack_on_many_threads_is_many_sites(void **state)
{
    enum { MANY = 10000 };
    static struct thread threads[MANY];
    struct stage *st = *state;
    for (uint32_t t = 0; t < MANY; t++) {
        threads[t] = (struct thread){.id = t, .process = &st->process};
        for (unsigned a = 0; a < ALLOCATOR_LIMIT; a++)
            assert_int_equal(sites_find(&st->sites, &threads[t], a, 7),
                             1 + t * ALLOCATOR_LIMIT + a);
    }
}

static void test_sites__a_process_s_sites_are_chained(void **state)
{
    struct stage *st = *state;
    uint32_t seen = 0;
    for (uint32_t stack = 0; stack < 3000; stack++)
        make(st, stack, stack);
    for (uint32_t id = st->process.first_site; id; id = st->sites.items[id].next)
        seen++;
    assert_int_equal(seen, 3000);
}

static void test_sites__the_empty_stack_of_a_thread_from_c_is_its_origin_s(void **state)
{
    struct stage *st = *state;
    st->threads[1].origin_stack = 77;
    uint32_t id = sites_find(&st->sites, &st->threads[1], 0, STACK_EMPTY);
    uint32_t other = sites_find(&st->sites, &st->threads[1], 0, 77);
    assert_int_equal(site_stack(&st->sites, id), 77);
    assert_int_not_equal(id, other);
}

static void test_sites__the_rarer_halves_are_found_again(void **state)
{
    struct stage *st = *state;
    for (uint32_t stack = 0; stack < 10000; stack++) {
        uint32_t id = make(st, stack, 10);
        if (stack % 3)
            continue;
        assert_null(sites_more(&st->sites, id));
        assert_int_equal(sites_make_more(&st->sites, id), 0);
        assert_int_equal(sites_make_more(&st->sites, id), 0);
        sites_more(&st->sites, id)->live_gap_bytes = id % 10;
    }
    for (uint32_t id = 1; id < st->sites.count; id++)
        assert_int_equal(site_live(&st->sites, id).resident_bytes,
                         10 - ((id - 1) % 3 ? 0 : id % 10));
}

static void test_sites__what_was_freed_soon_begins_at_0(void **state)
{
    struct stage *st = *state;
    for (uint32_t stack = 0; stack < 10000; stack++) {
        uint32_t id = make(st, stack, 0);
        assert_int_equal(site_temporary(&st->sites, id).bytes, 0);
        assert_int_equal(site_temporary(&st->sites, id).count, 0);
        st->sites.temporaries[id] = (struct site_temporary){id, 1};
    }
    assert_int_equal(site_temporary(&st->sites, 9999).bytes, 9999);
}

static void test_sites__totals_begin_at_0_and_outlast_growth(void **state)
{
    struct stage *st = *state;
    uint32_t first = make(st, 1, 0);
    site_add_total(&st->sites, first, 700, 2);
    site_add_total(&st->sites, first, 70, 1);
    for (uint32_t stack = 2; stack < STACKS; stack++)
        assert_int_equal(site_total(&st->sites, make(st, stack, 5)).count, 0);
    assert_int_equal(site_total(&st->sites, first).bytes, 770);
    assert_int_equal(site_total(&st->sites, first).count, 3);
}

static void test_sites__totals_that_are_not_asked_for_are_0(void **state)
{
    (void)state;
    struct stage st = {.process = {.id = 5}};
    st.threads[0].process = &st.process;
    assert_int_equal(sites_init(&st.sites, false, false), 0);
    uint32_t id = make(&st, 1, 100);
    site_add_total(&st.sites, id, 100, 1);
    assert_int_equal(site_total(&st.sites, id).bytes, 0);
    sites_release(&st.sites);
}

static void test_sites__then_is_what_was_at_the_candidate(void **state)
{
    struct stage *st = *state;
    uint32_t changed = make(st, 1, 100), untouched = make(st, 2, 200), ended = make(st, 3, 300);
    assert_int_equal(sites_make_more(&st->sites, ended), 0);
    sites_more(&st->sites, ended)->live_gap_bytes = 30;
    st->sites.moment_epoch = ++st->sites.epoch;
    site_touch(&st->sites, &st->sites.items[changed]);
    st->sites.items[changed].live_bytes = 1;
    site_touch(&st->sites, &st->sites.items[ended]);
    site_more_touch(&st->sites, sites_more(&st->sites, ended));
    st->sites.items[ended].ended = 1;
    assert_int_equal(site_then(&st->sites, changed).bytes, 100);
    assert_int_equal(site_then(&st->sites, untouched).bytes, 200);
    assert_int_equal(site_then(&st->sites, ended).bytes, 300);
    assert_int_equal(site_then(&st->sites, ended).resident_bytes, 270);
    assert_int_equal(site_live(&st->sites, ended).bytes, 0);
    assert_int_equal(site_leak(&st->sites, ended).resident_bytes, 270);
    st->sites.moment_epoch = ++st->sites.epoch; /* a later candidate: what had ended is not in it */
    assert_int_equal(site_then(&st->sites, changed).bytes, 1);
    assert_int_equal(site_then(&st->sites, ended).bytes, 0);
    assert_int_equal(site_then(&st->sites, ended).count, 0);
    assert_int_equal(site_leak(&st->sites, ended).bytes, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sites__many_stay_apart, start, stop),
        cmocka_unit_test_setup_teardown(test_sites__one_stack_on_many_threads_is_many_sites, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_sites__a_process_s_sites_are_chained, start, stop),
        cmocka_unit_test_setup_teardown(
            test_sites__the_empty_stack_of_a_thread_from_c_is_its_origin_s, start, stop),
        cmocka_unit_test_setup_teardown(test_sites__the_rarer_halves_are_found_again, start, stop),
        cmocka_unit_test_setup_teardown(test_sites__what_was_freed_soon_begins_at_0, start, stop),
        cmocka_unit_test_setup_teardown(test_sites__totals_begin_at_0_and_outlast_growth, start,
                                        stop),
        cmocka_unit_test(test_sites__totals_that_are_not_asked_for_are_0),
        cmocka_unit_test_setup_teardown(test_sites__then_is_what_was_at_the_candidate, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
