/* The bounded lock over a futex (lock.h).
 * Why three states: whoever lets go wakes only where somebody waits. */
#define _GNU_SOURCE
#include "recorder/preload/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_FREE = 0, LOCK_HELD = 1, LOCK_AWAITED = 2 };

static __thread char lock_self __attribute__((tls_model("initial-exec")));

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Wait until the lock is mine or the bound has passed. */
static bool wait(struct lock *lock)
{
    uint64_t end_ns = now_ns() + LOCK_WAIT_NS;
    while (atomic_exchange(&lock->word, LOCK_AWAITED) != LOCK_FREE) {
        uint64_t at_ns = now_ns();
        if (at_ns >= end_ns) {
            atomic_store(&lock->stuck, true);
            return false;
        }
        uint64_t rest_ns = end_ns - at_ns;
        struct timespec rest = {(time_t)(rest_ns / 1000000000u), (long)(rest_ns % 1000000000u)};
        syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, LOCK_AWAITED, &rest, NULL, 0);
    }
    return true;
}

bool lock_take(struct lock *lock)
{
    uint32_t seen = LOCK_FREE;
    if (!atomic_compare_exchange_strong(&lock->word, &seen, LOCK_HELD)) {
        if (atomic_load(&lock->holder) == (uintptr_t)&lock_self)
            return false;
        if (atomic_load(&lock->stuck) || !wait(lock))
            return false;
    }
    atomic_store(&lock->holder, (uintptr_t)&lock_self);
    atomic_store_explicit(&lock->stuck, false, memory_order_relaxed);
    return true;
}

void lock_leave(struct lock *lock)
{
    atomic_store(&lock->holder, 0);
    if (atomic_exchange(&lock->word, LOCK_FREE) == LOCK_AWAITED)
        syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void lock_reset(struct lock *lock)
{
    atomic_store(&lock->holder, 0);
    atomic_store(&lock->stuck, false);
    atomic_store(&lock->word, LOCK_FREE);
}
