/* The process that reads binaries as a process: it is limited, quiet and not believed, and nothing
 * is left of it. */
#include "tests/unit/replay/symboliser_stage.h"

static void test_symboliser_process__who_lies_is_ended_and_costs_one_module(void **state)
{
    (void)state;
    const char *paths[] = {"lie 0", "a",     "lie 1", "lie 2", "b",
                           "lie 3", "lie 4", "c",     "lie 5", "missing"};
    struct symboliser_module modules[10];
    struct heard heard;
    play(paths, 10, modules, &heard);
    for (int i = 0; i < 9; i++) {
        bool good = strncmp(paths[i], "lie", 3) != 0;
        assert_int_equal(modules[i].status, good ? SYMBOLISE_READ : SYMBOLISE_FAILED);
        assert_int_equal(heard.next[i], good ? OFFSETS : 0);
    }
    assert_int_equal(modules[9].status, SYMBOLISE_MISSING);
}

static void test_symboliser_process__too_many_frames_fail_the_module(void **state)
{
    (void)state;
    struct symboliser_module modules[2] = {
        {.ask = {.path = "too many", .build_id = "", .offsets = offsets, .count = 0}},
        {.ask = {.path = "a", .build_id = "", .offsets = offsets, .count = 0}}};
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, modules, 2, refuse, 0), 0);
    symboliser_stop(&symboliser);
    assert_int_equal(modules[0].status, SYMBOLISE_FAILED);
    assert_int_equal(modules[1].status, SYMBOLISE_READ);
    assert_int_equal(seen->readers, 2);
}

static void test_symboliser_process__is_a_process_that_nobody_notices(void **state)
{
    (void)state;
    static const int ignored[] = {SIGPIPE, SIGALRM, SIGXCPU, SIGBUS, SIGINT, SIGTERM, SIGHUP};
    const char *paths[] = {"a"};
    struct symboliser_module module;
    struct heard heard;
    void (*before[7])(int);
    for (int i = 0; i < 7; i++)
        before[i] = signal(ignored[i], SIG_IGN);
    play(paths, 1, &module, &heard);
    for (int i = 0; i < 7; i++)
        signal(ignored[i], before[i]);
    assert_int_equal(module.status, SYMBOLISE_READ);
    assert_int_equal(seen->ignored_signals, 0);
    assert_int_equal(seen->devices, 3);
    assert_int_equal(seen->death_signal, SIGKILL);
    assert_int_equal(seen->core.rlim_cur, 0);
    assert_int_equal(seen->core.rlim_max, 0);
}

static void test_symboliser_process__its_time_is_limited(void **state)
{
    (void)state;
    static const time_t used[] = {0, 17, 239, 240, 241, 1000};
    static const rlim_t limits[] = {60, 77, 299, 300, 300, 300};
    const char *paths[] = {"a"};
    struct symboliser_module module;
    struct heard heard;
    struct rlimit now;
    getrlimit(RLIMIT_CPU, &now);
    unsetenv("DEBUGINFOD_URLS");
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        used_seconds = used[i];
        play(paths, 1, &module, &heard);
        assert_int_equal(seen->cpu.rlim_cur, limits[i]);
        assert_int_equal(seen->cpu.rlim_max, now.rlim_max);
        assert_int_equal(seen->seconds, 120);
    }
    setenv("DEBUGINFOD_URLS", "http://127.0.0.1", 1);
    play(paths, 1, &module, &heard);
    unsetenv("DEBUGINFOD_URLS");
    assert_int_equal(seen->seconds, 900);
}

static void test_symboliser_process__waits_for_the_next_ask_without_limit(void **state)
{
    (void)state;
    const char *paths[] = {"a", "b", "a"};
    struct symboliser_module modules[3];
    struct heard heard;
    play(paths, 3, modules, &heard);
    assert_int_equal(seen->rests, 2);
}

static void test_symboliser_process__without_a_socket_nothing_is_read(void **state)
{
    (void)state;
    struct symboliser_module modules[3];
    for (int i = 0; i < 3; i++)
        modules[i] = (struct symboliser_module){
            .ask = {.path = "a", .build_id = "", .offsets = offsets, .count = 1}};
    no_socket = true;
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, modules, 3, refuse, 0), 0);
    symboliser_stop(&symboliser);
    for (int i = 0; i < 3; i++)
        assert_int_equal(modules[i].status, SYMBOLISE_FAILED);
    assert_int_equal(seen->readers, 0);
}

static void test_symboliser_process__out_of_memory_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    struct symboliser_module module = {
        .ask = {.path = "a", .build_id = "", .offsets = offsets, .count = 1}};
    if (!STARVE_WORKS)
        skip();
    for (int tried = 0; tried < 2; tried++) { /* the list, and its texts */
        struct symboliser symboliser = {0};
        long held = starve_held;
        symboliser_start(&symboliser);
        starve_after = tried; /* of who listens alone */
        int rc = symboliser_run(&symboliser, &module, 1, hear, &(struct heard){0});
        starve_after = -1;
        assert_int_equal(rc, -ERR_NOMEM);
        assert_int_equal(symboliser.child, 0);
        assert_int_equal(starve_held, held);
    }
}

static void on_tick(int number) { (void)number; }

static void test_symboliser_process__signals_cost_nothing(void **state)
{
    (void)state;
    const char *paths[] = {"a", "crash", "b"};
    struct symboliser_module modules[3];
    struct heard heard;
    struct sigaction tick = {.sa_handler = on_tick}, before;
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &tick, &before);
    setitimer(ITIMER_REAL, &often, 0);
    for (int i = 0; i < 5; i++) {
        play(paths, 3, modules, &heard);
        assert_int_equal(modules[0].status, SYMBOLISE_READ);
        assert_int_equal(modules[1].status, SYMBOLISE_FAILED);
        assert_int_equal(heard.next[0], OFFSETS);
        assert_int_equal(heard.next[2], OFFSETS);
    }
    setitimer(ITIMER_REAL, &never, 0);
    sigaction(SIGALRM, &before, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_symboliser_process__who_lies_is_ended_and_costs_one_module, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser_process__too_many_frames_fail_the_module,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser_process__is_a_process_that_nobody_notices,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser_process__its_time_is_limited, start, stop),
        cmocka_unit_test_setup_teardown(
            test_symboliser_process__waits_for_the_next_ask_without_limit, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser_process__without_a_socket_nothing_is_read,
                                        start, stop),
        cmocka_unit_test_setup_teardown(
            test_symboliser_process__out_of_memory_is_said_and_leaves_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_symboliser_process__signals_cost_nothing, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
