/* Reads at any address: what is mapped is read, what isn't is told, and nobody dies of it; also
 * where a filter of system calls keeps the usual question from being asked. */
#include "recorder/preload/peek.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, CHILD_GOOD = 0, CHILD_BAD = 1, CHILD_NO_FILTER = 2 };

/* A page that can be read, with an even or an odd number, between others that cannot. */
static char *lone_page(unsigned odd)
{
    char *pages = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    char *page = pages + ((uintptr_t)pages / PAGE % 2 == odd ? 2 : 1) * PAGE;
    assert_int_equal((uintptr_t)page / PAGE % 2, odd);
    assert_int_equal(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
    for (int i = 0; i < PAGE; i++)
        page[i] = (char)(i * 7 + 1);
    return page;
}

static bool reads(const char *address, size_t bytes)
{
    struct glance fresh = {0};
    char out[PAGE];
    return peek(&fresh, (uintptr_t)address, out, bytes) && memcmp(out, address, bytes) == 0;
}

static bool reads_what_can_be_read(const char *page)
{
    return reads(page, 1) && reads(page, PAGE) && reads(page + PAGE - 8, 8) &&
           !reads(page - 1, 1) && !reads(page - 1, 8) && !reads(page + PAGE, 1) &&
           !reads(page + PAGE - 7, 8);
}

static void test_peek__reads_what_is_mapped_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned odd = 0; odd < 2; odd++) {
        char *page = lone_page(odd);
        assert_true(reads_what_can_be_read(page));
        assert_int_equal(munmap(page - PAGE, 3 * PAGE), 0);
        assert_false(reads(page, 1));
    }
}

static void test_peek__no_number_is_too_strange(void **state)
{
    (void)state;
    const uintptr_t strange[] = {0,
                                 1,
                                 4095,
                                 4096,
                                 UINT64_C(0x7FFFFFFFFFFF),
                                 UINT64_C(0x800000000000),
                                 UINT64_C(0xDEADBEEFDEADBEEF),
                                 UINT64_C(0xFFFFFFFFFF600000) - 8,
                                 UINTPTR_MAX - 4096,
                                 UINTPTR_MAX - 7,
                                 UINTPTR_MAX};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        struct glance glance = {0};
        uint64_t word;
        assert_false(peek(&glance, strange[i], &word, sizeof word));
        assert_false(peek(&glance, strange[i], &word, 1));
    }
}

/* Pages whose numbers end alike share a place. */
static void test_peek__a_page_seen_says_nothing_of_others(void **state)
{
    (void)state;
    size_t bytes = (size_t)PEEK_PAGES * PAGE + PAGE;
    char *pages = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    char *alike = pages + (size_t)PEEK_PAGES * PAGE, byte;
    struct glance glance = {0};
    for (int i = 0; i < 2; i++) {
        assert_true(peek(&glance, (uintptr_t)pages, &byte, 1));
        assert_true(peek(&glance, (uintptr_t)alike, &byte, 1));
        assert_true(peek(&glance, (uintptr_t)pages, &byte, 1));
    }
    assert_int_equal(mprotect(alike, PAGE, PROT_NONE), 0);
    assert_false(peek(&glance, (uintptr_t)alike, &byte, 1));
    assert_int_equal(munmap(pages, bytes), 0);
}

/* From here on rt_sigprocmask fails with this. */
static bool forbid_masks(uint32_t error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static void test_peek__where_the_question_is_forbidden_the_kernel_copies(void **state)
{
    (void)state;
    static const uint32_t errors[] = {EPERM, ENOSYS};
    char *page = lone_page(0);
    for (int i = 0; i < 2; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            _exit(!forbid_masks(errors[i])       ? CHILD_NO_FILTER
                  : reads_what_can_be_read(page) ? CHILD_GOOD
                                                 : CHILD_BAD);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NO_FILTER)
            skip();
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), CHILD_GOOD);
    }
    assert_int_equal(munmap(page - PAGE, 3 * PAGE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peek__reads_what_is_mapped_and_nothing_else),
        cmocka_unit_test(test_peek__no_number_is_too_strange),
        cmocka_unit_test(test_peek__a_page_seen_says_nothing_of_others),
        cmocka_unit_test(test_peek__where_the_question_is_forbidden_the_kernel_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
