/* Samples what passes on its way to the recorder, for a debugger to look at: a preload that stands
 * before the recorder's library, with malloc's family and, after sample_python(), what the
 * interpreter allocates objects and buffers with. Every so-and-so-many-th call (SAMPLE_EVERY,
 * about, at random; SAMPLE_LIMIT of them at most) first calls sampled(), the debugger's breakpoint,
 * and then goes on through a call instruction that no other call ever uses. So the innermost frame
 * of its stack tells in a trace which sample it was, sizes stay as they are, and all frames outside
 * of this library are what debugger and recorder must agree on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { PLACES = 4096, PLACE_BYTES = 16 };

/* A place hands its arguments on to the function that the fourth is. */
__asm__(".text\n.balign 16\n.globl sample_places\n.type sample_places, @function\nsample_places:\n"
        ".rept 4096\n.balign 16\n.cfi_startproc\nsubq $8, %rsp\n.cfi_adjust_cfa_offset 8\n"
        "call *%rcx\naddq $8, %rsp\n.cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n.endr\n"
        ".size sample_places, . - sample_places\n");
typedef void *place(uintptr_t a, uintptr_t b, uintptr_t c, void *function);
extern char sample_places[];

static _Atomic uint64_t calls_left = 1, state = 88172645463325252;
static _Atomic uint32_t taken;
static uint32_t every, limit;
/* In one of the interpreter's calls: what it takes from malloc for that is no event of its own. */
static __thread int depth __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) void sampled(unsigned number, size_t bytes)
{
    __asm__ volatile("" ::"r"(number), "r"(bytes) : "memory");
}

static uint64_t next_distance(void)
{
    uint64_t now = atomic_load(&state), then;
    do
        then = now * 6364136223846793005u + 1442695040888963407u;
    while (!atomic_compare_exchange_weak(&state, &now, then));
    return 1 + (then >> 33) % (2 * every - 1);
}

/* What to call in the function's stead: a place of its own, if this call is a sample. */
static inline __attribute__((always_inline)) place *next_place(void *function, size_t bytes)
{
    if (every && !depth && atomic_fetch_sub(&calls_left, 1) == 1) {
        atomic_store(&calls_left, next_distance());
        uint32_t number = atomic_fetch_add(&taken, 1);
        if (number < limit) {
            int saved = errno;
            sampled(number, bytes);
            errno = saved;
            return (place *)(void *)(sample_places + PLACE_BYTES * number);
        }
    }
    return (place *)function;
}

/* ---- malloc's family */

#define NEXT(name)                                                                                 \
    ({                                                                                             \
        static void *_Atomic next;                                                                 \
        void *found = next;                                                                        \
        if (!found)                                                                                \
            next = found = dlsym(RTLD_NEXT, #name);                                                \
        found;                                                                                     \
    })

void *malloc(size_t n) { return next_place(NEXT(malloc), n)(n, 0, 0, NEXT(malloc)); }

void *calloc(size_t n, size_t each)
{
    return next_place(NEXT(calloc), n * each)(n, each, 0, NEXT(calloc));
}

void *realloc(void *p, size_t n)
{
    if (!p)
        return malloc(n); /* as the recorder's realloc does, which would come back here */
    return next_place(NEXT(realloc), n)((uintptr_t)p, n, 0, NEXT(realloc));
}

void *aligned_alloc(size_t to, size_t n)
{
    return next_place(NEXT(aligned_alloc), n)(to, n, 0, NEXT(aligned_alloc));
}

void *memalign(size_t to, size_t n)
{
    return next_place(NEXT(memalign), n)(to, n, 0, NEXT(memalign));
}

int posix_memalign(void **p, size_t to, size_t n)
{
    place *at = next_place(NEXT(posix_memalign), n);
    return (int)(intptr_t)at((uintptr_t)p, to, n, NEXT(posix_memalign));
}

/* ---- the interpreter's */

enum { DOMAINS = 3 };

struct allocator { /* PyMemAllocatorEx */
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};
static struct allocator below[DOMAINS];

/* A sample is taken before what is nested begins. */
#define WITHIN(function, bytes, ...)                                                               \
    ({                                                                                             \
        place *at = next_place(function, bytes);                                                   \
        depth++;                                                                                   \
        void *result = at(__VA_ARGS__, function);                                                  \
        depth--;                                                                                   \
        result;                                                                                    \
    })

static void *python_malloc(void *d, size_t n)
{
    struct allocator *a = d;
    return WITHIN(a->malloc, n, (uintptr_t)a->context, n, 0);
}

static void *python_calloc(void *d, size_t n, size_t each)
{
    struct allocator *a = d;
    return WITHIN(a->calloc, n * each, (uintptr_t)a->context, n, each);
}

static void *python_realloc(void *d, void *p, size_t n)
{
    struct allocator *a = d;
    return WITHIN(a->realloc, n, (uintptr_t)a->context, (uintptr_t)p, n);
}

static void python_free(void *d, void *p)
{
    struct allocator *a = d;
    a->free(a->context, p);
}

/* From here on. */
void sample_python(void)
{
    void (*get)(int, struct allocator *) = dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    void (*set)(int, const struct allocator *) = dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    for (int domain = 0; domain < DOMAINS; domain++) {
        struct allocator ours = {&below[domain], python_malloc, python_calloc, python_realloc,
                                 python_free};
        get(domain, &below[domain]);
        set(domain, &ours);
    }
}

/* Sampling begins: called when the program is ready to be looked at. */
void sample_begin(void)
{
    const char *each = getenv("SAMPLE_EVERY"), *most = getenv("SAMPLE_LIMIT");
    limit = most ? (uint32_t)atoi(most) : PLACES;
    if (limit > PLACES)
        limit = PLACES;
    every = each ? (uint32_t)atoi(each) : 1;
}
