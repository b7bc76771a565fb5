/* One allocation that fails, where a test wants it, and a count of what is still held: malloc and
 * its kin, mmap and munmap stand in for libc's in the test program that includes this.
 * Why not a limit of the kernel's: it cannot say which of a hundred allocations is to fail. Why
 * only one: what goes on as if nothing were missing then shows itself by what it comes to.
 * Not here: sanitized builds, whose own malloc this would hide (STARVE_WORKS is 0). Not
 * thread-safe: what a test starves runs on one thread. */
#ifndef TESTS_STARVE_H
#define TESTS_STARVE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#    define STARVE_WORKS 0
#else
#    define STARVE_WORKS 1
#endif

/* How many allocations succeed before the one that fails; negative: none fails, or it has. */
static long starve_after = -1;
/* Allocations and mappings that nobody has given back yet. */
static long starve_held;

#if STARVE_WORKS

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void __libc_free(void *block);

static bool starve_now(void)
{
    bool now = starve_after == 0;
    starve_after -= starve_after >= 0;
    if (now)
        errno = ENOMEM;
    return now;
}

static void *starve_note(void *block)
{
    starve_held += block != NULL;
    return block;
}

void *malloc(size_t bytes) { return starve_now() ? NULL : starve_note(__libc_malloc(bytes)); }

void *calloc(size_t count, size_t bytes)
{
    return starve_now() ? NULL : starve_note(__libc_calloc(count, bytes));
}

void *realloc(void *old, size_t bytes)
{
    if (starve_now())
        return NULL;
    return old ? __libc_realloc(old, bytes) : starve_note(__libc_malloc(bytes));
}

void free(void *block)
{
    starve_held -= block != NULL;
    __libc_free(block);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (starve_now())
        return MAP_FAILED;
    void *made = (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
    starve_held += made != MAP_FAILED;
    return made;
}

int munmap(void *address, size_t bytes)
{
    starve_held--;
    return (int)syscall(SYS_munmap, address, bytes);
}

#endif
#endif
