/* How much memory memreplay may take, from control groups as the kernel writes them. A folder with
 * such files stands in for /sys/fs/cgroup. */
#include "replay/ceiling.h"

#include "tests/unit/collector/folder.h"

#define GB UINT64_C(1000000000)

static uint64_t of(uint64_t machine_bytes)
{
    char membership[256], groups[256];
    in_folder(membership, "cgroup");
    in_folder(groups, "groups");
    return ceiling_bytes(membership, groups, machine_bytes);
}

static void test_ceiling__is_three_quarters_of_the_machine(void **state)
{
    (void)state;
    assert_true(of(8 * GB) == 6 * GB);
    write_file("cgroup", "4:memory:/\n0::/\n");
    assert_true(of(8 * GB) == 6 * GB);
    write_file("groups/memory.max", "max\n");
    write_file("groups/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(of(8 * GB) == 6 * GB);
    write_file("groups/memory.max", "16000000000\n");
    assert_true(of(8 * GB) == 6 * GB);
}

static void test_ceiling__of_a_group_of_version_2(void **state)
{
    (void)state;
    write_file("cgroup", "0::/outer/inner\n");
    write_file("groups/outer/memory.max", "4000000000\n");
    assert_true(of(8 * GB) == 3 * GB);
    write_file("groups/outer/inner/memory.max", "2000000000\n");
    assert_true(of(8 * GB) == 3 * GB / 2);
    write_file("groups/outer/memory.max", "1000000000\n");
    assert_true(of(8 * GB) == 3 * GB / 4);
}

static void test_ceiling__of_a_group_of_version_1(void **state)
{
    (void)state;
    write_file("cgroup", "5:cpu:/job\n4:memory:/job\n");
    write_file("groups/memory/job/memory.limit_in_bytes", "4000000000\n");
    assert_true(of(8 * GB) == 3 * GB);
}

static void test_ceiling__leaves_enough_for_a_usual_trace(void **state)
{
    (void)state;
    write_file("cgroup", "0::/\n");
    write_file("groups/memory.max", "1000000\n");
    assert_true(of(8 * GB) == CEILING_LEAST_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ceiling__is_three_quarters_of_the_machine, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_ceiling__of_a_group_of_version_2, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_ceiling__of_a_group_of_version_1, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_ceiling__leaves_enough_for_a_usual_trace, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests_name("ceiling", tests, NULL, NULL);
}
