/* The malloc family.
 * Why every member has its own event kind: reports tell which allocator was called. Sizes are what
 * was requested; a product that overflows is told as the largest number. Not here: Python's
 * allocators (hooks_python.c), mappings (hooks_map.c). */
#define _GNU_SOURCE
#include "recorder/preload/hooks.h"
#include "recorder/preload/real.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

EXPORT void *malloc(size_t size)
{
    struct thread *t = &thread_self;
    if (t->busy) {
        hook_beneath(t);
        return real.malloc(size);
    }
    void *block = real.malloc(size);
    hook_outcome(t, block, size, ALLOCATOR_MALLOC);
    return block;
}

EXPORT void *calloc(size_t count, size_t size)
{
    struct thread *t = &thread_self;
    if (t->busy) {
        hook_beneath(t);
        return real.calloc(count, size);
    }
    void *block = real.calloc(count, size);
    hook_outcome(t, block, hook_product(count, size), ALLOCATOR_CALLOC);
    return block;
}

EXPORT void free(void *block)
{
    if (!block || real_is_bootstrap(block))
        return;
    hook_free(&thread_self, block);
    real.free(block);
}

EXPORT void *realloc(void *old, size_t size)
{
    struct thread *t = &thread_self;
    if (!old)
        return malloc(size);
    bool freed = hook_free(t, old);
    void *block = real.realloc(old, size);
    if (block || size)
        hook_realloc_outcome(t, freed, old, block, size, ALLOCATOR_REALLOC);
    return block; /* NULL for size 0: the block was freed */
}

EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        hook_outcome(&thread_self, NULL, hook_product(count, size), ALLOCATOR_REALLOC);
        return NULL;
    }
    return realloc(old, bytes);
}

#define ALIGNED_HOOK(name, allocator, parameters, arguments)                                       \
    EXPORT void *name parameters                                                                   \
    {                                                                                              \
        struct thread *t = &thread_self;                                                           \
        if (!real.name)                                                                            \
            real_resolve();                                                                        \
        uint8_t before = hook_begin(t, NULL);                                                      \
        void *block = real.name arguments;                                                         \
        t->busy = before;                                                                          \
        hook_outcome(t, block, size, allocator);                                                   \
        return block;                                                                              \
    }

ALIGNED_HOOK(aligned_alloc, ALLOCATOR_ALIGNED_ALLOC, (size_t alignment, size_t size),
             (alignment, size))
ALIGNED_HOOK(memalign, ALLOCATOR_MEMALIGN, (size_t alignment, size_t size), (alignment, size))
ALIGNED_HOOK(valloc, ALLOCATOR_VALLOC, (size_t size), (size))
ALIGNED_HOOK(pvalloc, ALLOCATOR_PVALLOC, (size_t size), (size))

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    struct thread *t = &thread_self;
    if (!real.posix_memalign)
        real_resolve();
    uint8_t before = hook_begin(t, NULL);
    int status = real.posix_memalign(out, alignment, size);
    t->busy = before;
    if (!hook_enter(t))
        return status;
    if (status == 0)
        hook_alloc(t, *out, size, ALLOCATOR_POSIX_MEMALIGN);
    else
        hook_failed(t, size, ALLOCATOR_POSIX_MEMALIGN, status);
    hook_leave(t);
    return status;
}

EXPORT void free_sized(void *block, size_t size)
{
    (void)size;
    free(block);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    free(block);
}
