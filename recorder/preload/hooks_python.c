/* Python's allocators (hooks_python.h).
 * A call is one event at the outermost allocator: what the wrapped allocator does beneath (malloc,
 * an arena's mmap) is seen as nested. An allocation beneath which no malloc happened came from a
 * pool. Invariants: results, order of effects and errno are the wrapped allocator's own;
 * PyMem_Realloc(p, 0) returns a live block. */
#define _GNU_SOURCE
#include "recorder/preload/hooks_python.h"
#include "recorder/preload/hooks.h"
#include "recorder/preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* PyMemAllocatorEx: public and unchanged since 3.5. */
struct py_allocator {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t count, size_t size);
    void *(*realloc)(void *ctx, void *block, size_t size);
    void (*free)(void *ctx, void *block);
};

enum { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJ, DOMAIN_COUNT };

/* The wrapped allocator of a domain; our hooks get its address as their context. A domain is
 * wrapped twice at most (late wrap). */
static struct wrapped {
    struct py_allocator real;
    uint8_t allocator, pooled;
} wrapped[DOMAIN_COUNT][2];

/* Begins a call of a wrapped allocator. False when it lies beneath another one, or when nothing is
 * recorded. */
static ALWAYS_INLINE bool outermost(struct thread *t, const void *own_block)
{
    if (UNLIKELY(t->busy))
        return false;
    t->own_block = own_block;
    t->busy = BUSY_ALLOCATOR; /* before the gate is asked, as in hook_enter */
    t->nested = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (LIKELY(process_recording()))
        return true;
    t->busy = BUSY_NO;
    return false;
}

static ALWAYS_INLINE void outcome(struct thread *t, const struct wrapped *w, const void *block,
                                  uint64_t bytes)
{
    unsigned allocator = t->nested ? w->allocator : w->pooled;
    t->busy = BUSY_HOOK;
    atomic_signal_fence(memory_order_seq_cst);
    if (LIKELY(block != NULL))
        hook_alloc(t, block, bytes, allocator);
    else
        hook_failed(t, bytes, allocator, ENOMEM);
    hook_leave(t);
}

static void *py_malloc(void *ctx, size_t size)
{
    const struct wrapped *w = ctx;
    struct thread *t = &thread_self;
    if (!outermost(t, NULL))
        return w->real.malloc(w->real.ctx, size);
    void *block = w->real.malloc(w->real.ctx, size);
    outcome(t, w, block, size);
    return block;
}

static void *py_calloc(void *ctx, size_t count, size_t size)
{
    const struct wrapped *w = ctx;
    struct thread *t = &thread_self;
    if (!outermost(t, NULL))
        return w->real.calloc(w->real.ctx, count, size);
    void *block = w->real.calloc(w->real.ctx, count, size);
    outcome(t, w, block, (uint64_t)count * size);
    return block;
}

static void *py_realloc(void *ctx, void *old, size_t size)
{
    const struct wrapped *w = ctx;
    struct thread *t = &thread_self;
    if (t->busy)
        return w->real.realloc(w->real.ctx, old, size);
    bool freed = old && hook_free(t, old);
    if (!outermost(t, old))
        return w->real.realloc(w->real.ctx, old, size);
    void *block = w->real.realloc(w->real.ctx, old, size);
    t->busy = BUSY_HOOK;
    if (UNLIKELY(!block && freed))
        emit1(t, RING_WORD(RING_UNDO_FREE, 0, (uintptr_t)old));
    outcome(t, w, block, size);
    return block;
}

static void py_free(void *ctx, void *block)
{
    const struct wrapped *w = ctx;
    struct thread *t = &thread_self;
    if (!block || t->busy || !hook_free(t, block)) {
        w->real.free(w->real.ctx, block);
        return;
    }
    t->own_block = block;
    t->busy = BUSY_ALLOCATOR;
    w->real.free(w->real.ctx, block);
    t->busy = BUSY_NO;
}

static void wrap(int domain, const struct py_allocator *now,
                 void (*set)(int, struct py_allocator *))
{
    static const uint8_t kinds[DOMAIN_COUNT][2] = {{ALLOCATOR_PY_RAW, ALLOCATOR_PY_RAW},
                                                   {ALLOCATOR_PY_MEM, ALLOCATOR_PY_MEM_POOLED},
                                                   {ALLOCATOR_PY_OBJ, ALLOCATOR_PY_OBJ_POOLED}};
    struct wrapped *w = &wrapped[domain][wrapped[domain][0].real.malloc != NULL];
    *w = (struct wrapped){*now, kinds[domain][0], kinds[domain][1]};
    struct py_allocator ours = {w, py_malloc, py_calloc, py_realloc, py_free};
    set(domain, &ours);
}

unsigned python_wrap_allocators(void)
{
    void (*get)(int, struct py_allocator *);
    void (*set)(int, struct py_allocator *);
    void *get_symbol = dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    void *set_symbol = dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    unsigned count = 0;
    real_forget_error();
    if (!get_symbol || !set_symbol)
        return 0;
    memcpy(&get, &get_symbol, sizeof get);
    memcpy(&set, &set_symbol, sizeof set);
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        struct py_allocator now;
        get(domain, &now);
        if (now.malloc == py_malloc || wrapped[domain][1].real.malloc)
            continue;
        wrap(domain, &now, set);
        count++;
    }
    return count;
}
