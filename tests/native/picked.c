/* A call through the procedure linkage table whose symbol is only looked up when it is first called
 * (-Wl,-z,lazy): compiled with LIBRARY, a function that is chosen by a resolver, which runs inside
 * the dynamic linker and allocates 700007 bytes; without, its caller, who allocates 800008 bytes
 * through the table. */
#include <stdlib.h>

void *held;

#ifdef LIBRARY
static int one(void) { return 1; }

static int (*choose(void))(void)
{
    held = malloc(700007);
    __asm__ volatile("" ::: "memory");
    return one;
}

int picked(void) __attribute__((ifunc("choose")));
#else
int picked(void);

static volatile int turns;

__attribute__((noinline)) static int caller(void)
{
    int got = picked();
    held = malloc(800008);
    turns++;
    return got;
}

int main(void)
{
    int got = caller();
    turns++;
    return got - 1;
}
#endif
