/* program: 1,000 blocks of 1,000 bytes that grow to 2,000 and are freed, and some of each
 * other call; 5,000,011 bytes stay. program PATH (compiled with ASKS): linked with no such
 * allocator, it asks whether there is one, and loads the library at PATH for itself alone. Compiled
 * with WEAK, too, it takes weakly what there is. Exit status: 0, or the number of the check that
 * failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define JOIN(a, b)  a##b
#define JOIN2(a, b) JOIN(a, b)
#define NAME(name)  JOIN2(PREFIX, name)
#define TEXT2(text) #text
#define TEXT(text)  TEXT2(text)

#if !defined ASKS || defined WEAK
void *NAME(malloc)(size_t) __attribute__((weak));
void *NAME(calloc)(size_t, size_t) __attribute__((weak));
void *NAME(realloc)(void *, size_t) __attribute__((weak));
void *NAME(aligned_alloc)(size_t, size_t) __attribute__((weak));
int NAME(posix_memalign)(void **, size_t, size_t) __attribute__((weak));
void NAME(free)(void *) __attribute__((weak));
#endif

#ifndef ASKS
int mine(const void *);

static int calls(void)
{
    char *kept = NAME(malloc)(5000011);
    void *other;
    for (int i = 0; i < 1000; i++) {
        char *block = NAME(malloc)(1000);
        block[999] = 'x';
        block = NAME(realloc)(block, 2000);
        if (!mine(block) || block[999] != 'x')
            return 1;
        NAME(free)(block);
    }
    if (NAME(posix_memalign)(&other, 256, 300) || !mine(other))
        return 2;
    NAME(free)(other);
    NAME(free)(NAME(calloc)(10, 70));
    NAME(free)(NAME(aligned_alloc)(64, 640));
    NAME(free)(NULL);
    return mine(kept) && !NAME(malloc)(65ul << 20) ? 0 : 3;
}

int main(void) { return calls(); }
#else

/* What was found is there when it is called, too. */
static int is_served(void)
{
#    ifdef WEAK
    if (!NAME(malloc))
        return 1;
    char *block = NAME(malloc)(100);
    void *aligned;
    block = NAME(realloc)(block, 3000);
    memset(block, 1, 3000);
    NAME(free)(block);
    NAME(free)(NAME(calloc)(3, 5));
    if (NAME(posix_memalign)(&aligned, 64, 64))
        return 0;
    NAME(free)(aligned);
#    else
    if (dlsym(RTLD_DEFAULT, TEXT(PREFIX) "malloc") || dlsym(RTLD_DEFAULT, TEXT(PREFIX) "free"))
        return 0;
#    endif
    return 1;
}

static int asks(const char *path)
{
    if (!is_served())
        return 4;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *(*use)(size_t) = (void *(*)(size_t))dlsym(library, "use");
    int (*is_mine)(const void *) = (int (*)(const void *))dlsym(library, "mine");
#    ifdef WEAK
    return use(100) ? 0 : 5;
#    endif
    return is_mine(use(100)) ? 0 : 6;
}

int main(int argc, char **argv) { return argc > 1 ? asks(argv[1]) : 7; }
#endif
