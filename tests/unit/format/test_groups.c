/* Control groups' folders and the numbers in their files, from texts as the kernel writes them. */
#define _GNU_SOURCE
#include "format/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

/* Folders in the order of their visits, and how many are wanted. */
struct visits {
    char text[500];
    int wanted;
};

static bool note(void *context, const char *folder, bool v1)
{
    struct visits *v = context;
    size_t length = strlen(v->text);
    snprintf(v->text + length, sizeof v->text - length, "v%d %s\n", v1 ? 1 : 2, folder);
    return --v->wanted == 0;
}

static const char *visited(const char *membership, int wanted)
{
    static struct visits v;
    char path[64];
    int fd = memfd_create("cgroup", 0);
    v = (struct visits){.wanted = wanted};
    assert_int_equal(write(fd, membership, strlen(membership)), strlen(membership));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_true(groups_each(path, "/g", note, &v));
    close(fd);
    return v.text;
}

static void test_groups__each_group_and_those_above_it(void **state)
{
    (void)state;
    assert_string_equal(visited("0::/outer/inner\n", 0), "v2 /g/outer/inner\n"
                                                         "v2 /g/outer\n"
                                                         "v2 /g\n");
    assert_string_equal(visited("4:memory:/job\n", 0), "v1 /g/memory/job\n"
                                                       "v1 /g/memory\n");
    assert_string_equal(visited("4:memory:/job", 0), "v1 /g/memory/job\n"
                                                     "v1 /g/memory\n");
}

static void test_groups__of_memory_alone(void **state)
{
    (void)state;
    assert_string_equal(visited("2:cpu,cpuacct:/job\n3:memoryless:/job\n4:name=memory:/job\n", 0),
                        "");
    assert_string_equal(visited("2:memory,hugetlb:/a\n3:blkio,memory:/b\n", 0), "v1 /g/memory/a\n"
                                                                                "v1 /g/memory\n"
                                                                                "v1 /g/memory/b\n"
                                                                                "v1 /g/memory\n");
}

static void test_groups__until_one_is_found(void **state)
{
    (void)state;
    const char *both = "4:memory:/job\n0::/outer\n";
    assert_string_equal(visited(both, 1), "v1 /g/memory/job\n");
    assert_string_equal(visited(both, 2), "v1 /g/memory/job\nv1 /g/memory\n");
    assert_string_equal(visited(both, 3), "v1 /g/memory/job\nv1 /g/memory\nv2 /g/outer\n");
}

static void test_groups__lines_of_another_kind_are_passed_over(void **state)
{
    (void)state;
    assert_string_equal(visited("\nno colon\n1:one\n0::/a\n", 0), "v2 /g/a\nv2 /g\n");
    assert_false(groups_each("/nowhere/cgroup", "/g", note, &(struct visits){.wanted = 0}));
}

static void test_groups__a_number_stands_behind_its_name(void **state)
{
    (void)state;
    const char *text =
        "anon 5\ninactive_file 6\nfilemapped 7\nfile 8\nMemTotal:       900 kB\nlast 9";
    uint64_t number = 1;
    assert_true(groups_number(text, "file", &number) && number == 8);
    assert_true(groups_number(text, "anon", &number) && number == 5);
    assert_true(groups_number(text, "MemTotal", &number) && number == 900);
    assert_true(groups_number(text, "last", &number) && number == 9);
    assert_false(groups_number(text, "none", &number));
    assert_int_equal(number, 9);
}

static void test_groups__a_limit_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(groups_limit("4096\n"), 4096);
    assert_true(groups_limit("max\n") == UINT64_MAX);
    assert_true(groups_limit("9223372036854771712\n") == UINT64_MAX); /* v1: all pages there are */
    assert_true(groups_limit("9223372036854767616\n") == UINT64_C(9223372036854767616));
    assert_true(groups_limit("") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups__each_group_and_those_above_it),
        cmocka_unit_test(test_groups__of_memory_alone),
        cmocka_unit_test(test_groups__until_one_is_found),
        cmocka_unit_test(test_groups__lines_of_another_kind_are_passed_over),
        cmocka_unit_test(test_groups__a_number_stands_behind_its_name),
        cmocka_unit_test(test_groups__a_limit_that_is_none),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
