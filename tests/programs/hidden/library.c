/* A library with an allocator that nobody can stand in for: it reserves a gigabyte and uses some of
 * it. Compiled by the test, with MAPPER, the name of the function that maps, and TEXT, what the
 * allocator could print. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define RESERVED (1ul << 30)

static char *volatile held;

static void __attribute__((noinline)) MAPPER(size_t used)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    held = mmap(NULL, RESERVED, PROT_READ | PROT_WRITE, flags, -1, 0);
    memset(held, 1, used);
}

void hold(size_t used)
{
    MAPPER(used);
    if (!held)
        fputs(TEXT, stderr);
}
