/* The process that reads binaries: what it says arrives, and whatever becomes of it costs one
 * module its names. The reading itself is played here. */
#include "tests/unit/replay/symboliser_stage.h"

static void test_symboliser__all_answers_arrive_in_order(void **state)
{
    (void)state;
    const char *paths[] = {"a", "missing", "b"};
    struct symboliser_module modules[3];
    struct heard heard;
    play(paths, 3, modules, &heard);
    assert_int_equal(modules[0].status, SYMBOLISE_READ);
    assert_int_equal(modules[1].status, SYMBOLISE_MISSING);
    assert_int_equal(modules[2].status, SYMBOLISE_READ);
    assert_int_equal(heard.next[0], OFFSETS);
    assert_int_equal(heard.next[1], 0);
    assert_int_equal(heard.named[2], OFFSETS - OFFSETS / 3);
}

static void test_symboliser__what_it_dies_of_costs_one_module(void **state)
{
    (void)state;
    const char *paths[] = {"crash", "a", "abort", "leave", "b", "no memory", "crash"};
    struct symboliser_module modules[7];
    struct heard heard;
    play(paths, 7, modules, &heard);
    for (int i = 0; i < 7; i++) {
        bool good = i == 1 || i == 4;
        assert_int_equal(modules[i].status, good ? SYMBOLISE_READ : SYMBOLISE_FAILED);
        assert_int_equal(heard.next[i], good ? OFFSETS : 0);
    }
}

static void test_symboliser__who_takes_may_end_it(void **state)
{
    (void)state;
    struct symboliser_module module = {
        .ask = {.path = "a", .build_id = "", .offsets = offsets, .count = OFFSETS}};
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, &module, 1, refuse, 0), -ERR_NOMEM);
    symboliser_stop(&symboliser);
    assert_int_equal(symboliser_run(&symboliser, &module, 0, refuse, 0), 0);
    assert_int_equal(symboliser.child, 0);
}

static enum symbolise_status status_of(struct symboliser *s, const struct symbolise_ask *ask)
{
    struct symboliser_module module = {.ask = *ask};
    struct heard heard = {0};
    assert_int_equal(symboliser_run(s, &module, 1, hear, &heard), 0);
    return module.status;
}

static void test_symboliser__what_is_asked_arrives(void **state)
{
    (void)state;
    struct symboliser symboliser = {0};
    struct symbolise_ask known = {"known", "abc", 7, offsets, 3}, other = {"known", "abd", 7, 0, 0};
    assert_int_equal(status_of(&symboliser, &known), SYMBOLISE_READ);
    assert_int_equal(status_of(&symboliser, &other), SYMBOLISE_FAILED);
    assert_int_equal(status_of(&symboliser, &known), SYMBOLISE_READ);
    symboliser_stop(&symboliser);
}

/* It has the memory of when it was started, and none of what came after. */
static void test_symboliser__may_be_started_early(void **state)
{
    (void)state;
    struct symboliser symboliser = {0};
    struct symbolise_ask early = {.path = "early", .build_id = ""};
    symboliser_start(&symboliser);
    late = true;
    assert_int_equal(status_of(&symboliser, &early), SYMBOLISE_READ);
    symboliser_stop(&symboliser);
    assert_int_equal(status_of(&symboliser, &early), SYMBOLISE_FAILED);
    late = false;
}

/* More crashes than it goes on after: the rest is given up without trying. */
static void test_symboliser__many_crashes_end_it(void **state)
{
    (void)state;
    static struct symboliser_module modules[2000];
    for (int i = 0; i < 2000; i++)
        modules[i] = (struct symboliser_module){
            .ask = {.path = "crash", .build_id = "", .offsets = offsets, .count = 1}};
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, modules, 2000, refuse, 0), 0);
    symboliser_stop(&symboliser);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(modules[i].status, SYMBOLISE_FAILED);
    assert_int_equal(seen->readers, 16);
}

/* Up to sixteen crashes cost one module each, and no more are tried. */
static void test_symboliser__goes_on_after_fifteen_crashes(void **state)
{
    (void)state;
    const char *paths[16];
    struct symboliser_module modules[16];
    struct heard heard;
    for (int i = 0; i < 16; i++)
        paths[i] = i < 15 ? "crash" : "a";
    play(paths, 16, modules, &heard);
    assert_int_equal(modules[14].status, SYMBOLISE_FAILED);
    assert_int_equal(modules[15].status, SYMBOLISE_READ);
    assert_int_equal(heard.next[15], OFFSETS);
    assert_int_equal(seen->readers, 16);
}

/* More frames than a list may have at an offset: refused before anybody hears of it. */
/* It hears and says nothing but through the pipe, leaves no core, and ends with us. */
/* A minute of processor time for a module, five for all; two minutes in all to wait for something,
 * a quarter of an hour where that may come from a network. */
/* It may be asked late: nothing wakes it while nobody asks. */
/* Reading and waiting are interrupted all the time, as under a profiler. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_symboliser__all_answers_arrive_in_order, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser__what_it_dies_of_costs_one_module, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_symboliser__who_takes_may_end_it, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser__what_is_asked_arrives, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser__may_be_started_early, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser__many_crashes_end_it, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser__goes_on_after_fifteen_crashes, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
