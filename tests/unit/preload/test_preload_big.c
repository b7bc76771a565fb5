/* The table of big blocks: what goes in comes out once, bounded, from any thread. */
#include "recorder/preload/big.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <cmocka.h>

static const void *block(uint64_t i) { return (const void *)(0x7F0000000010 + i * 0x101000); }

static unsigned counted(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < BIG_COUNTERS; i++)
        sum += atomic_load(&big_counters[i]);
    return sum;
}

static void test_big__what_was_added_is_taken_once(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 500; i++)
        big_add(block(i), BIG_BYTES + i);
    for (uint64_t i = 0; i < 500; i += 2) {
        assert_true(big_possible(block(i)));
        assert_int_equal(big_take(block(i)), BIG_BYTES + i);
        assert_int_equal(big_take(block(i)), 0);
    }
    for (uint64_t i = 1; i < 500; i += 2)
        assert_int_equal(big_take(block(i)), BIG_BYTES + i);
    assert_int_equal(counted(), 0);
    assert_false(big_possible(block(1)));
}

/* More than there are places: some are not known, none is wrong, and nothing stays behind. */
static void test_big__more_than_there_is_room_for(void **state)
{
    (void)state;
    unsigned found = 0;
    for (uint64_t i = 0; i < 20000; i++)
        big_add(block(i), BIG_BYTES + i);
    assert_in_range(counted(), 4000, 8192);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bytes = big_take(block(i));
        assert_true(bytes == 0 || bytes == BIG_BYTES + i);
        found += bytes != 0;
    }
    assert_in_range(found, 4000, 8192);
    assert_int_equal(counted(), 0);
}

static void *churn(void *number)
{
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t which = (uintptr_t)number * 1000 + i % 700;
        big_add(block(which), BIG_BYTES + which);
        if (big_take(block(which)) != BIG_BYTES + which)
            return (void *)1;
    }
    return NULL;
}

static void test_big__threads_do_not_take_each_others(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    for (unsigned i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(counted(), 0);
}

/* Resident is what was touched, page by page, however large the block; of what isn't mapped nobody
 * knows; errno stays. */
static void test_big__resident_is_what_was_touched(void **state)
{
    (void)state;
    enum { PAGES = 5000 };
    char *pages =
        mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(pages, PAGES * 4096, MADV_NOHUGEPAGE);
    errno = 77;
    assert_int_equal(big_resident(pages, PAGES * 4096), 0);
    for (unsigned i = 0; i < PAGES; i += 10)
        pages[i * 4096] = 1;
    assert_int_equal(big_resident(pages, PAGES * 4096), PAGES / 10 * 4096);
    assert_int_equal(big_resident(pages + 16, 100), 100); /* never more than the block */
    munmap(pages, PAGES * 4096);
    assert_int_equal(big_resident(pages, PAGES * 4096), BIG_UNKNOWN);
    assert_int_equal(errno, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_big__what_was_added_is_taken_once),
        cmocka_unit_test(test_big__more_than_there_is_room_for),
        cmocka_unit_test(test_big__threads_do_not_take_each_others),
        cmocka_unit_test(test_big__resident_is_what_was_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
