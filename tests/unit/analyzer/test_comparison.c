/* Two sides compared: sums by path and by function, medians and spreads, what is noise, who holds
 * it, and what looks renamed. */
#include "analyzer/holders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct paths paths;
static struct profile runs[8];
static struct comparison comparison;
static struct proposals proposals;
static struct holders holders;

static int start(void **state)
{
    (void)state;
    memset(runs, 0, sizeof runs);
    return paths_init(&paths);
}

static int stop(void **state)
{
    (void)state;
    holders_release(&holders);
    proposals_release(&proposals);
    comparison_release(&comparison);
    for (size_t i = 0; i < 8; i++)
        free(runs[i].values);
    paths_release(&paths);
    return 0;
}

static uint32_t function(const char *name, unsigned side)
{
    static const char key[] = "Ha.py";
    const struct name *file = symbols_name(&paths.texts, (struct text){"/a.py", 5});
    return paths_function(&paths, (struct text){name, (uint32_t)strlen(name)},
                          (struct text){key, 5}, FUNCTION_PYTHON, side, file);
}

/* A run holds bytes at the path of these functions, which are parted by blanks. */
static void hold(struct profile *run, unsigned side, const char *names, uint64_t bytes)
{
    uint32_t node = PATH_ROOT;
    char text[200];
    snprintf(text, sizeof text, "%s", names);
    for (char *name = strtok(text, " "); name; name = strtok(0, " "))
        node = paths_node(&paths, node, function(name, side));
    run->values = realloc(run->values, (run->value_count + 1) * sizeof *run->values);
    run->values[run->value_count++] = (struct path_value){node, bytes, 1};
    run->held.values.bytes += bytes;
}

static void compare(uint32_t before, uint32_t after, struct bound noise)
{
    assert_int_equal(
        comparison_init(&comparison, &paths, runs, before, runs + before, after, &noise), 0);
    assert_int_equal(proposals_init(&proposals, &comparison), 0);
    assert_int_equal(holders_init(&holders, &comparison, &proposals), 0);
}

static const struct change *change_of(const char *name)
{
    return &comparison.changes[function(name, 0)];
}

#define MIB (UINT64_C(1) << 20)

static void test_comparison__sums_are_exact(void **state)
{
    (void)state;
    hold(&runs[0], 0, "main load", 30 * MIB);
    hold(&runs[0], 0, "main", 3);
    hold(&runs[1], 1, "main load", 10 * MIB);
    hold(&runs[1], 1, "main sort", 7 * MIB);
    compare(1, 1, (struct bound){0});
    assert_int_equal(comparison_delta(&comparison), -13 * (int64_t)MIB - 3);
    const struct path_change *root = &comparison.nodes[PATH_ROOT];
    assert_int_equal(root->below[0], 30 * MIB + 3);
    assert_int_equal(root->below[1], 17 * MIB);
    assert_int_equal(root->moved_bytes, 27 * MIB + 3);
    assert_int_equal(change_all(change_of("main")), -13 * (int64_t)MIB - 3);
    assert_int_equal(change_own(change_of("main")), -3);
}

static void test_comparison__a_function_counts_once_under_recursion(void **state)
{
    (void)state;
    hold(&runs[0], 0, "walk list walk leaf", 5);
    hold(&runs[0], 0, "walk", 2);
    hold(&runs[1], 1, "walk list", 9);
    compare(1, 1, (struct bound){0});
    assert_int_equal(change_of("walk")->sides[0].all_bytes, 7);
    assert_int_equal(change_of("walk")->sides[1].all_bytes, 9);
    assert_int_equal(change_of("list")->sides[0].all_bytes, 5);
}

static void test_comparison__the_median_is_a_run_s(void **state)
{
    (void)state;
    uint64_t sizes[] = {30, 10, 20, 40, 7, 5};
    for (size_t i = 0; i < 6; i++)
        hold(&runs[i], i >= 4, "main", sizes[i] * MIB);
    compare(4, 2, (struct bound){0});
    assert_ptr_equal(comparison.sides[0].middle, &runs[2]); /* the lower of the two in the middle */
    assert_ptr_equal(comparison.sides[1].middle, &runs[5]);
    assert_int_equal(change_of("main")->sides[0].own_bytes, 20 * MIB);
    assert_int_equal(change_of("main")->sides[0].own_spread, 30 * MIB);
    assert_int_equal(change_of("main")->sides[1].all_spread, 2 * MIB);
    assert_int_equal(comparison.noise_bytes, 30 * MIB);
    assert_true(comparison_is_noise(&comparison));
    assert_true(change_own_is_noise(&comparison, change_of("main")));
}

static void test_comparison__noise_has_a_floor_and_a_share(void **state)
{
    (void)state;
    hold(&runs[0], 0, "main", 100);
    hold(&runs[1], 1, "main", 1000 * MIB);
    compare(1, 1, (struct bound){0});
    assert_int_equal(comparison.noise_bytes, MIB);
    comparison_release(&comparison);
    proposals_release(&proposals);
    holders_release(&holders);
    compare(1, 1, (struct bound){.given = true, .bytes = 5});
    assert_int_equal(comparison.noise_bytes, 5);
    comparison_release(&comparison);
    proposals_release(&proposals);
    holders_release(&holders);
    compare(1, 1, (struct bound){.given = true, .is_share = true, .share_ppm = 500000});
    assert_int_equal(comparison.noise_bytes, 500 * MIB);
    runs[1].held.values.bytes = runs[1].values[0].bytes = 3 * MIB;
    comparison_release(&comparison);
    proposals_release(&proposals);
    holders_release(&holders);
    compare(1, 1, (struct bound){0});
    assert_int_equal(comparison.noise_bytes, NOISE_LEAST_BYTES);
}

static void test_comparison__holders_answer_for_the_libraries_below(void **state)
{
    (void)state;
    uint32_t load = function("load", 0);
    const struct name *file = symbols_name(&paths.texts, (struct text){"/x.py", 5});
    uint32_t library = paths_function(&paths, (struct text){"read", 4}, (struct text){"Lx.py", 5},
                                      FUNCTION_PYTHON, 0, file);
    uint32_t node = paths_node(&paths, paths_node(&paths, PATH_ROOT, load), library);
    uint32_t alone = paths_node(&paths, PATH_ROOT, library);
    runs[0].values = malloc(3 * sizeof *runs[0].values);
    runs[0].values[0] = (struct path_value){node, 50, 1};
    runs[0].values[1] = (struct path_value){alone, 7, 1};
    runs[0].values[2] = (struct path_value){PATH_ROOT, 2, 1};
    runs[0].value_count = 3;
    runs[0].held.values.bytes = 59;
    compare(1, 1, (struct bound){0});
    assert_int_equal(holders.items[load].bytes[0], 50);
    assert_int_equal(holders.items[library].bytes[0], 7);
    assert_int_equal(holders.items[0].bytes[0], 2);
}

static void test_comparison__the_peak_moves_when_others_hold_it(void **state)
{
    (void)state;
    hold(&runs[0], 0, "main base", 80 * MIB);
    hold(&runs[0], 0, "main sort", 20 * MIB);
    hold(&runs[1], 1, "main base", 80 * MIB);
    hold(&runs[1], 1, "main xyz rows", 10 * MIB);
    function("xyz", 0); /* ran before as well */
    function("rows", 0);
    compare(1, 1, (struct bound){0});
    assert_true(holders.moved);
    assert_int_equal(holders.lost_bytes, 20 * MIB);
    assert_int_equal(holders.gained_bytes, 10 * MIB);
    assert_int_equal(holders.lost[0].function, function("sort", 0));
    assert_int_equal(holders.gained[0].function, function("rows", 0));
}

static void test_comparison__growth_alone_moves_no_peak(void **state)
{
    (void)state;
    hold(&runs[0], 0, "main base", 80 * MIB);
    hold(&runs[1], 1, "main base", 80 * MIB);
    hold(&runs[1], 1, "main rows", 50 * MIB);
    compare(1, 1, (struct bound){0});
    assert_false(holders.moved);
}

static void test_comparison__a_function_of_another_name_is_proposed(void **state)
{
    (void)state;
    hold(&runs[0], 0, "main load parse", 40 * MIB);
    hold(&runs[0], 0, "main other parse", 30 * MIB);
    hold(&runs[1], 1, "main load_all parse", 38 * MIB);
    hold(&runs[1], 1, "main other parse", 30 * MIB);
    compare(1, 1, (struct bound){0});
    assert_int_equal(proposals.count, 1);
    assert_int_equal(proposals.items[0].kind, PROPOSAL_RENAMED);
    assert_int_equal(proposals.items[0].before, function("load", 0));
    assert_int_equal(proposals.items[0].after, function("load_all", 1));
    assert_false(holders.moved);
}

static void test_comparison__what_is_unlike_is_not_proposed(void **state)
{
    (void)state;
    hold(&runs[0], 0, "main load parse", 40 * MIB);
    hold(&runs[1], 1, "main deep xyz format", 4 * MIB);
    compare(1, 1, (struct bound){0});
    assert_int_equal(proposals.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_comparison__##name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(sums_are_exact),
        TEST(a_function_counts_once_under_recursion),
        TEST(the_median_is_a_run_s),
        TEST(noise_has_a_floor_and_a_share),
        TEST(holders_answer_for_the_libraries_below),
        TEST(the_peak_moves_when_others_hold_it),
        TEST(growth_alone_moves_no_peak),
        TEST(a_function_of_another_name_is_proposed),
        TEST(what_is_unlike_is_not_proposed),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
