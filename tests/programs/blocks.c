/* blocks SCENARIO: the malloc family, one known history each.
 * Why no stdio: nothing but the scenario may allocate, so that every total of the recording is
 * known beforehand. Exit status 0: the allocator behaved as the scenario expects; 1: it did not
 * (then the sums mean nothing); 2: no such scenario. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <dlfcn.h>

extern void *__libc_malloc(size_t);

#define TOO_LARGE ((size_t)PTRDIFF_MAX)

static void *volatile kept[64];
static volatile size_t opaque_one = 1; /* keeps the compiler from knowing what is asked for */

static int expect(int holds)
{
    if (!holds)
        _Exit(1);
    return 0;
}

static void *touched(void *block, size_t size)
{
    expect(block != NULL);
    memset(block, 1, size);
    return block;
}

static int malloc_keep_one_of_two(void)
{
    kept[0] = touched(malloc(1000), 1000);
    kept[1] = touched(malloc(3000), 3000);
    free(kept[0]);
    return 0;
}

static int malloc_of_nothing(void) { return expect((kept[0] = malloc(0)) != NULL); }

static int calloc_product(void) { return expect((kept[0] = calloc(7 * opaque_one, 1001)) != NULL); }

static int realloc_grows(void)
{
    kept[0] = touched(malloc(1000), 1000);
    kept[0] = touched(realloc(kept[0], 500000), 500000);
    return 0;
}

static int realloc_shrinks(void)
{
    kept[0] = touched(malloc(500000), 500000);
    kept[0] = touched(realloc(kept[0], 1000), 1000);
    return 0;
}

static int realloc_in_place(void)
{
    void *before = kept[0] = touched(malloc(1000), 1000);
    kept[0] = realloc(kept[0], 1016); /* the top of the heap lies behind it */
    return expect(kept[0] == before);
}

static int realloc_of_nothing(void) { return expect((kept[0] = realloc(kept[1], 1000)) != NULL); }

static int realloc_to_zero_frees(void)
{
    kept[0] = touched(malloc(1000), 1000);
    return expect(realloc(kept[0], opaque_one - 1) == NULL);
}

static int realloc_of_nothing_to_zero(void)
{
    return expect((kept[0] = realloc(kept[1], opaque_one - 1)) != NULL);
}

static void *failed_realloc(void)
{
    kept[0] = touched(malloc(1000), 1000);
    errno = 0;
    expect(realloc(kept[0], TOO_LARGE * opaque_one) == NULL && errno == ENOMEM);
    return touched(kept[0], 1000);
}

static int realloc_fails(void) { return !failed_realloc(); }

static int realloc_fails_then_free(void)
{
    free(failed_realloc());
    return 0;
}

static int realloc_fails_then_grows(void)
{
    kept[0] = touched(realloc(failed_realloc(), 2000), 2000);
    return 0;
}

static int malloc_fails(void)
{
    errno = 0;
    return expect(malloc(TOO_LARGE * opaque_one) == NULL && errno == ENOMEM);
}

static int calloc_overflows(void)
{
    errno = 0;
    return expect(calloc(SIZE_MAX / 2 * opaque_one, 3) == NULL && errno == ENOMEM);
}

static int reallocarray_grows(void)
{
    kept[0] = touched(malloc(1000), 1000);
    return expect((kept[0] = reallocarray(kept[0], 30, 101)) != NULL);
}

static int reallocarray_overflows(void)
{
    kept[0] = touched(malloc(1000), 1000);
    errno = 0;
    return expect(reallocarray(kept[0], SIZE_MAX / 2 * opaque_one, 3) == NULL && errno == ENOMEM);
}

static int aligned_kinds(void)
{
    void *block = NULL;
    expect(posix_memalign(&block, 64, 1001) == 0 && (uintptr_t)block % 64 == 0);
    kept[0] = block;
    kept[1] = touched(aligned_alloc(64, 2048), 2048);
    kept[2] = touched(memalign(4096, 3001), 3001);
    kept[3] = touched(valloc(4001), 4001);
    kept[4] = touched(pvalloc(5001), 5001);
    return 0;
}

static int aligned_kinds_freed(void)
{
    aligned_kinds();
    for (int i = 0; i < 5; i++)
        free(kept[i]);
    return 0;
}

static int posix_memalign_fails(void)
{
    void *block = NULL;
    return expect(posix_memalign(&block, 3 * opaque_one, 1000) == EINVAL && block == NULL);
}

static int sized_frees(void)
{
    void (*free_sized)(void *, size_t);
    void (*free_aligned_sized)(void *, size_t, size_t);
    *(void **)&free_sized = dlsym(RTLD_DEFAULT, "free_sized");
    *(void **)&free_aligned_sized = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    expect(free_sized && free_aligned_sized);
    kept[0] = touched(malloc(1000), 1000);
    kept[1] = touched(aligned_alloc(64, 2048), 2048);
    kept[2] = touched(malloc(10), 10);
    free_sized(kept[0], 1000);
    free_aligned_sized(kept[1], 64, 2048);
    return 0;
}

static int free_of_nothing(void)
{
    free(kept[0]);
    return 0;
}

static int free_of_unknown(void)
{
    for (int i = 0; i < 3; i++)
        kept[i] = touched(__libc_malloc(1000), 1000);
    for (int i = 0; i < 3; i++)
        free(kept[i]);
    kept[3] = touched(malloc(50), 50);
    return 0;
}

static int realloc_of_unknown(void)
{
    kept[0] = touched(__libc_malloc(1000), 1000);
    kept[0] = touched(realloc(kept[0], 2000), 2000);
    return 0;
}

static int libc_inside(void)
{
    static char text[5000];
    static wchar_t wide[100];
    memset(text, 'x', sizeof text - 1);
    wmemset(wide, L'x', 99);
    kept[0] = strdup(text);       /* 5,000 */
    kept[1] = strndup(text, 999); /* 1,000 */
    kept[2] = wcsdup(wide);       /* 400 */
    return 0;
}

static int dlsym_default(void)
{
    void *(*found)(size_t);
    *(void **)&found = dlsym(RTLD_DEFAULT, "malloc");
    kept[0] = touched(found(1000), 1000);
    return 0;
}

static int dlsym_next(void)
{
    void *(*found)(size_t);
    void (*release)(void *);
    *(void **)&found = dlsym(RTLD_NEXT, "malloc");
    *(void **)&release = dlsym(RTLD_NEXT, "free");
    kept[0] = touched(found(1000), 1000);
    kept[1] = touched(found(500), 500);
    release(kept[1]);
    return 0;
}

static int dlopen_of_itself(void)
{
    void *(*found)(size_t);
    *(void **)&found = dlsym(dlopen(NULL, RTLD_LAZY), "malloc");
    kept[0] = touched(found(1000), 1000);
    return 0;
}

static int many_sizes(void)
{
    for (size_t size = 1; size <= 2000; size++) {
        kept[0] = touched(malloc(size), size);
        if (size % 2)
            free(kept[0]);
    }
    return 0;
}

static int tied_peaks(void)
{
    kept[0] = calloc(1000 * opaque_one, 1000);
    free(kept[0]);
    for (int i = 0; i < 3; i++) {
        kept[0] = touched(malloc(1000000), 1000000);
        free(kept[0]);
    }
    return 0;
}

static int peak_inside(void)
{
    kept[0] = touched(malloc(1000), 1000);
    kept[1] = calloc(3000 * opaque_one, 1);
    kept[2] = touched(memalign(64, 5000), 5000); /* the peak: 9,000 */
    free(kept[1]);
    kept[1] = touched(valloc(2999), 2999); /* 8,999 */
    free(kept[2]);
    return 0;
}

static int churn(void)
{
    for (int i = 0; i < 1000; i++) { /* a: one allocation between; b: none */
        void *volatile a = malloc(100), *volatile b = malloc(10);
        free(a);
        free(b);
    }
    kept[0] = malloc(77);
    return 0;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {
#define SCENARIO(name)                                                                             \
    {                                                                                              \
#        name, name                                                                                \
    }
    SCENARIO(malloc_keep_one_of_two),
    SCENARIO(malloc_of_nothing),
    SCENARIO(calloc_product),
    SCENARIO(realloc_grows),
    SCENARIO(realloc_shrinks),
    SCENARIO(realloc_in_place),
    SCENARIO(realloc_of_nothing),
    SCENARIO(realloc_to_zero_frees),
    SCENARIO(realloc_of_nothing_to_zero),
    SCENARIO(realloc_fails),
    SCENARIO(realloc_fails_then_free),
    SCENARIO(realloc_fails_then_grows),
    SCENARIO(malloc_fails),
    SCENARIO(calloc_overflows),
    SCENARIO(reallocarray_grows),
    SCENARIO(reallocarray_overflows),
    SCENARIO(aligned_kinds),
    SCENARIO(aligned_kinds_freed),
    SCENARIO(posix_memalign_fails),
    SCENARIO(sized_frees),
    SCENARIO(free_of_nothing),
    SCENARIO(free_of_unknown),
    SCENARIO(realloc_of_unknown),
    SCENARIO(libc_inside),
    SCENARIO(dlsym_default),
    SCENARIO(dlsym_next),
    SCENARIO(dlopen_of_itself),
    SCENARIO(many_sizes),
    SCENARIO(tied_peaks),
    SCENARIO(peak_inside),
    SCENARIO(churn),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (argc == 2 && !strcmp(argv[1], scenarios[i].name))
            return scenarios[i].run();
    return 2;
}
