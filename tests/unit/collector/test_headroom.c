/* What is left of memory, from files as the kernel writes them: the machine's, control groups of
 * both versions, containers. Folders with such files stand in for /proc and /sys/fs/cgroup. */
#include "recorder/collector/headroom.h"

#include "tests/unit/collector/folder.h"

#define MB UINT64_C(1000000)

static void write_meminfo(void)
{
    write_file("proc/meminfo", "MemTotal:        8000000 kB\nMemFree:          500000 kB\n"
                               "MemAvailable:    3000000 kB\nSwapTotal:       2000000 kB\n"
                               "SwapFree:        1500000 kB\n");
}

static bool read_all(struct headroom_left *left)
{
    char proc[256], groups[256], membership[256];
    struct headroom h;
    in_folder(proc, "proc");
    in_folder(groups, "groups");
    in_folder(membership, "proc/self/cgroup");
    headroom_open(&h, proc, groups, membership);
    bool told = headroom_read(&h, left);
    headroom_close(&h);
    return told;
}

static void check(uint64_t left_bytes, uint64_t whole_bytes, bool of_group)
{
    struct headroom_left left;
    assert_true(read_all(&left));
    assert_int_equal(left.left_bytes, left_bytes);
    assert_int_equal(left.whole_bytes, whole_bytes);
    assert_int_equal(left.of_group, of_group);
}

static void test_headroom__of_the_machine(void **state)
{
    (void)state;
    struct headroom_left left;
    write_meminfo();
    check(UINT64_C(3000000) << 10, UINT64_C(8000000) << 10, false);
    assert_true(read_all(&left));
    assert_int_equal(left.swap_used_bytes, UINT64_C(500000) << 10);
}

static void test_headroom__is_not_told_without_the_machines_figures(void **state)
{
    (void)state;
    struct headroom_left left;
    assert_false(read_all(&left));
    write_file("proc/meminfo", "MemTotal:        8000000 kB\n"); /* before Linux 3.14 */
    assert_false(read_all(&left));
    write_file("proc/meminfo", "");
    assert_false(read_all(&left));
}

static void test_headroom__of_a_group_of_version_2(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "0::/user/job\n");
    write_file("groups/user/job/memory.max", "500000000\n");
    write_file("groups/user/job/memory.current", "300000000\n");
    check(200 * MB, 500 * MB, true);
    write_file("groups/user/job/memory.max", "max\n");
    check(UINT64_C(3000000) << 10, UINT64_C(8000000) << 10, false);
}

static void test_headroom__file_cache_is_not_used_memory(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "0::/job\n");
    write_file("groups/job/memory.max", "500000000\n");
    write_file("groups/job/memory.current", "500000000\n");
    write_file("groups/job/memory.stat", "anon 100000000\nfile 400000000\nshmem 50000000\n"
                                         "inactive_file 150000000\nactive_file 200000000\n");
    check(350 * MB, 500 * MB, true);
}

static void test_headroom__the_tightest_group_above_counts(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "0::/outer/inner\n");
    write_file("groups/outer/inner/memory.max", "900000000\n");
    write_file("groups/outer/inner/memory.current", "100000000\n");
    write_file("groups/outer/memory.max", "500000000\n");
    write_file("groups/outer/memory.current", "450000000\n");
    check(50 * MB, 500 * MB, true);
}

static void test_headroom__of_a_group_of_version_1(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "9:name=systemd:/a\n4:cpu,memory:/a/b\n0::/\n");
    write_file("groups/memory/a/b/memory.limit_in_bytes", "600000000\n");
    write_file("groups/memory/a/b/memory.usage_in_bytes", "590000000\n");
    write_file("groups/memory/a/b/memory.stat",
               "inactive_file 1\nactive_file 2\ntotal_inactive_file 20000000\n"
               "total_active_file 10000000\n");
    write_file("groups/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("groups/memory/memory.usage_in_bytes", "7000000000\n");
    check(40 * MB, 600 * MB, true);
}

/* The path is the host's; the files stand at the top of what is mounted. */
static void test_headroom__in_a_container(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "4:memory:/docker/0123abc\n");
    write_file("groups/memory/memory.limit_in_bytes", "600000000\n");
    write_file("groups/memory/memory.usage_in_bytes", "400000000\n");
    check(200 * MB, 600 * MB, true);
}

static void test_headroom__more_used_than_allowed_leaves_nothing(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "0::/job\n");
    write_file("groups/job/memory.max", "500000000\n");
    write_file("groups/job/memory.current", "600000000\n");
    check(0, 500 * MB, true);
}

static void test_headroom__a_limit_wider_than_the_machine_is_none(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "0::/job\n");
    write_file("groups/job/memory.max", "900000000000\n");
    write_file("groups/job/memory.current", "100000000\n");
    check(UINT64_C(3000000) << 10, UINT64_C(8000000) << 10, false);
}

static void test_headroom__files_that_make_no_sense_limit_nothing(void **state)
{
    (void)state;
    write_meminfo();
    write_file("proc/self/cgroup", "nonsense\n0:\n::\n1:memory\n0::/job\n");
    write_file("groups/job/memory.max", "");
    write_file("groups/job/memory.current", "100\n");
    check(UINT64_C(3000000) << 10, UINT64_C(8000000) << 10, false);
    write_file("groups/job/memory.max", "none of your business\n");
    check(UINT64_C(3000000) << 10, UINT64_C(8000000) << 10, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_headroom__of_the_machine),
        TEST(test_headroom__is_not_told_without_the_machines_figures),
        TEST(test_headroom__of_a_group_of_version_2),
        TEST(test_headroom__file_cache_is_not_used_memory),
        TEST(test_headroom__the_tightest_group_above_counts),
        TEST(test_headroom__of_a_group_of_version_1),
        TEST(test_headroom__in_a_container),
        TEST(test_headroom__more_used_than_allowed_leaves_nothing),
        TEST(test_headroom__a_limit_wider_than_the_machine_is_none),
        TEST(test_headroom__files_that_make_no_sense_limit_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
