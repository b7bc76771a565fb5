/* The table of blocks gives its memory back while it grows, in steps of a large page: none of what
 * lies beside it. Why mmap stands in for libc's: so that something does lie there, and the table
 * begins in the middle of a large page. Not here: what the table holds (test_blockmap.c). */
#include "replay/blockmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };

enum { HUGE = 2 << 20, BESIDE = 1 << 20, PATTERN = 0x5A };

static bool spoilt;

/* With BESIDE bytes of somebody else's before and behind. */
void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    size_t all = bytes + 2 * HUGE + 2 * BESIDE;
    if (fd >= 0 || bytes < HUGE)
        return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
    char *region = (char *)syscall(SYS_mmap, 0, all, protection, flags, fd, offset);
    if (region == MAP_FAILED)
        return region;
    char *slots = (char *)(((uintptr_t)region + HUGE - 1) & ~(uintptr_t)(HUGE - 1)) + BESIDE;
    memset(slots - BESIDE, PATTERN, BESIDE);
    memset(slots + bytes, PATTERN, BESIDE);
    return slots;
}

static void look(const char *bytes)
{
    for (size_t i = 0; i < BESIDE; i++)
        spoilt = spoilt || bytes[i] != PATTERN;
}

/* What lay beside stays mapped: it is little. */
int munmap(void *slots, size_t bytes)
{
    if (bytes >= HUGE) {
        look((char *)slots - BESIDE);
        look((char *)slots + bytes);
    }
    return (int)syscall(SYS_munmap, slots, bytes);
}
#endif

static void test_blockmap__growing_takes_nothing_from_its_neighbours(void **state)
{
    (void)state;
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    struct blockmap t;
    blockmap_init(&t);
    for (uint64_t key = 0; key < 700000; key++)
        assert_int_equal(blockmap_insert(&t, key, 1, &(struct block){key, 1, 1}), 0);
    for (uint64_t key = 0; key < 700000; key++)
        assert_int_equal(blockmap_find(&t, key, 1)->size_bytes, key);
    blockmap_release(&t);
    assert_false(spoilt);
#endif
    if (SANITIZED)
        skip(); /* they have a mmap of their own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blockmap__growing_takes_nothing_from_its_neighbours)};
    return cmocka_run_group_tests(tests, 0, 0);
}
