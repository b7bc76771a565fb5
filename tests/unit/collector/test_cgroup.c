/* How often the kernel has killed for lack of memory, from files as it writes them: control groups
 * of both versions, containers, the machine. Folders stand in for /proc and /sys/fs/cgroup. */
#include "recorder/collector/cgroup.h"

#include "tests/unit/collector/folder.h"

static void open_counter(struct cgroup_kills *k, const char *process)
{
    char proc[256], groups[256];
    in_folder(proc, "proc");
    in_folder(groups, "groups");
    cgroup_kills_open_in(k, proc, groups, process);
}

static void check(uint64_t kills)
{
    struct cgroup_kills k;
    open_counter(&k, "self");
    assert_int_equal(k.before, kills);
    assert_int_equal(cgroup_kills_since(&k), 0);
    cgroup_kills_close(&k);
}

static void test_cgroup__kills_in_a_group_of_version_2(void **state)
{
    (void)state;
    write_file("proc/vmstat", "oom_kill 99\n");
    write_file("proc/self/cgroup", "0::/user/job\n");
    write_file("groups/user/job/memory.events",
               "low 0\nhigh 0\nmax 31\noom 5\noom_kill 4\noom_group_kill 0\n");
    check(4);
}

static void test_cgroup__kills_in_a_group_of_version_1(void **state)
{
    (void)state;
    write_file("proc/vmstat", "oom_kill 99\n");
    write_file("proc/self/cgroup", "9:name=systemd:/a\n4:cpu,memory:/a/b\n0::/\n");
    write_file("groups/memory/a/b/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    check(3);
}

/* The path is the host's; the files stand at the top of what is mounted. */
static void test_cgroup__kills_in_a_container(void **state)
{
    (void)state;
    write_file("proc/vmstat", "oom_kill 99\n");
    write_file("proc/self/cgroup", "4:memory:/docker/0123abc\n");
    write_file("groups/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    check(2);
}

static void test_cgroup__the_machines_kills_where_no_group_tells(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "0::/\n");
    write_file("proc/vmstat", "nr_free_pages 1\noom_kill 7\nthp 1\n");
    check(7);
    write_file("proc/vmstat", "nr_free_pages 1\n");
    check(0);
}

static void test_cgroup__kills_since_of_the_group_that_a_process_is_in(void **state)
{
    (void)state;
    struct cgroup_kills ours, others;
    write_file("proc/self/cgroup", "0::/user\n");
    write_file("proc/4711/cgroup", "0::/job\n");
    write_file("groups/user/memory.events", "oom 0\noom_kill 1\n");
    write_file("groups/job/memory.events", "oom 1\noom_kill 5\n");
    open_counter(&ours, "self");
    open_counter(&others, "4711");
    assert_int_equal(others.before, 5);
    write_file("groups/job/memory.events", "oom 2\noom_kill 7\n");
    assert_int_equal(cgroup_kills_since(&ours), 0);
    assert_int_equal(cgroup_kills_since(&others), 2);
    cgroup_kills_close(&ours);
    cgroup_kills_close(&others);
}

/* A removed group's file is open and empty; a process that is gone has no group. */
static void test_cgroup__nothing_tells_any_more(void **state)
{
    (void)state;
    struct cgroup_kills k;
    write_file("proc/4711/cgroup", "0::/job\n");
    write_file("groups/job/memory.events", "oom_kill 5\n");
    open_counter(&k, "4711");
    write_file("groups/job/memory.events", "");
    assert_int_equal(cgroup_kills_since(&k), 0);
    cgroup_kills_close(&k);
    cgroup_kills_close(&k);
    write_file("proc/vmstat", "oom_kill 99\n");
    open_counter(&k, "4712");
    assert_int_equal(k.fd, -1);
    assert_int_equal(cgroup_kills_since(&k), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cgroup__kills_in_a_group_of_version_2),
        TEST(test_cgroup__kills_in_a_group_of_version_1),
        TEST(test_cgroup__kills_in_a_container),
        TEST(test_cgroup__the_machines_kills_where_no_group_tells),
        TEST(test_cgroup__kills_since_of_the_group_that_a_process_is_in),
        TEST(test_cgroup__nothing_tells_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
