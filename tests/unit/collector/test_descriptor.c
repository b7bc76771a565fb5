/* Descriptors to be held for long: the last ones below the limit are not. */
#include "recorder/collector/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void test_hold__leaves_the_last_to_others(void **state)
{
    (void)state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){64, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int number = 50; number < 64; number++) {
        int fd = fcntl(0, F_DUPFD, number);
        assert_int_equal(fd, number);
        errno = 0;
        bool last = number >= 64 - DESCRIPTORS_SPARE;
        assert_int_equal(descriptor_hold(fd), last ? -1 : number);
        assert_int_equal(errno, last ? EMFILE : 0);
        assert_int_equal(is_open(fd), !last);
        close(fd);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_hold__none_is_none(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(descriptor_hold(-1), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold__leaves_the_last_to_others),
        cmocka_unit_test(test_hold__none_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
