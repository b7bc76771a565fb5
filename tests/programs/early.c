/* Allocates before any constructor has run, ours included, and from constructors, and after
 * main has ended.
 * Prints what it found wrong; exit status 0 where that is nothing.
 * build-flags: -fno-builtin
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int wrong;
static char *kept;

static void check(int holds) { wrong += !holds; }

static void *in_thread(void *block)
{
    free(block);
    return malloc(50);
}

static void allocates(void)
{
    void *aligned = NULL, *from_thread;
    pthread_t thread;
    char *block = malloc(100);
    check(block != NULL);
    block = realloc(block, 1000);
    check(block != NULL);
    char *zeroed = calloc(100, 10);
    check(zeroed && !zeroed[999] && !memchr(zeroed, 1, 1000));
    check(posix_memalign(&aligned, 256, 100) == 0 && (uintptr_t)aligned % 256 == 0);
    errno = EDOM;
    free(aligned);
    free(zeroed);
    check(errno == EDOM);
    aligned = aligned_alloc(64, 640);
    check((uintptr_t)aligned % 64 == 0);
    free(aligned);
    check(dlsym(RTLD_DEFAULT, "no_such_symbol") == NULL && dlerror() != NULL);
    check(pthread_create(&thread, NULL, in_thread, block) == 0 &&
          pthread_join(thread, &from_thread) == 0);
    free(from_thread);
    free(kept);
    kept = malloc(10);
}

static void first(int argc, char **argv, char **environment)
{
    (void)argc, (void)argv, (void)environment;
    allocates();
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **,
                                                                        char **) = first;

__attribute__((constructor(101))) static void second(void) { allocates(); }

__attribute__((destructor(101))) static void last(void)
{
    allocates();
    if (wrong)
        _exit(1);
}

static void at_exit(void) { allocates(); }

int main(void)
{
    allocates();
    atexit(at_exit);
    printf("%d\n", wrong);
    return 0;
}
