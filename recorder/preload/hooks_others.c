/* Hooks of others.def. The pattern is that of malloc's (hooks.h); what these functions call lies
 * beneath their event, and what their library maps is no event (real_is_allocators). */
#define _GNU_SOURCE
#include "recorder/preload/hooks.h"
#include "recorder/preload/others.h"
#include "recorder/preload/real.h"
#include "recorder/preload/shown.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAMILY(kind, sentinel)
#define ALLOCATES(kind, name, parameters, arguments, bytes) void *(*name)parameters;
#define ALLOCATES_INTO(kind, name)                          int (*name)(void **, size_t, size_t);
#define RESIZES(kind, name, parameters, arguments, bytes)   void *(*name)parameters;
#define FREES(kind, name, parameters, arguments)            void(*name) parameters;
static struct others {
#include "recorder/preload/others.def"
} others;
#undef FAMILY
#undef ALLOCATES
#undef ALLOCATES_INTO
#undef RESIZES
#undef FREES

/* The same members as an array, in the same order. */
#define FAMILY(kind, sentinel)
#define ALLOCATES(kind, name, parameters, arguments, bytes) #name,
#define ALLOCATES_INTO(kind, name)                          #name,
#define RESIZES(kind, name, parameters, arguments, bytes)   #name,
#define FREES(kind, name, parameters, arguments)            #name,
static const char *const names[] = {
#include "recorder/preload/others.def"
};
#undef FAMILY
#undef ALLOCATES
#undef ALLOCATES_INTO
#undef RESIZES
#undef FREES
#define COUNT (sizeof names / sizeof names[0])
_Static_assert(sizeof(struct others) == COUNT * sizeof(void *), "a pointer a name");

/* Functions of one family stand together: those that begin as its sentinel does, without "malloc".
 */
static void resolve_family(const char *sentinel)
{
    size_t prefix = strlen(sentinel) - strlen("malloc");
    for (unsigned i = 0; i < COUNT; i++) {
        if (strncmp(names[i], sentinel, prefix) != 0)
            continue;
        void *function = dlsym(RTLD_NEXT, names[i]);
        memcpy((char *)&others + i * sizeof function, &function, sizeof function);
    }
}

void others_resolve(void (*may_be_mapper)(const void *code))
{
    static const char *const sentinels[] = {
#define FAMILY(kind, sentinel) #sentinel,
#define ALLOCATES(kind, name, parameters, arguments, bytes)
#define ALLOCATES_INTO(kind, name)
#define RESIZES(kind, name, parameters, arguments, bytes)
#define FREES(kind, name, parameters, arguments)
#include "recorder/preload/others.def"
#undef FAMILY
#undef ALLOCATES
#undef ALLOCATES_INTO
#undef RESIZES
#undef FREES
    };
    for (unsigned i = 0; i < sizeof sentinels / sizeof sentinels[0]; i++) {
        const void *found = dlsym(RTLD_NEXT, sentinels[i]);
        if (!found)
            continue;
        resolve_family(sentinels[i]);
        may_be_mapper(found);
    }
}

void others_hide(void)
{
    bool kept[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        void *function;
        memcpy(&function, (char *)&others + i * sizeof function, sizeof function);
        kept[i] = function != NULL;
    }
    shown_hide(names, COUNT, kept);
}

#define FAMILY(kind, sentinel)

#define ALLOCATES(kind, name, parameters, arguments, bytes)                                        \
    EXPORT void *name parameters                                                                   \
    {                                                                                              \
        struct thread *t = &thread_self;                                                           \
        if (!others.name)                                                                          \
            real_resolve();                                                                        \
        if (!others.name)                                                                          \
            return malloc(bytes);                                                                  \
        uint8_t before = hook_begin(t, NULL);                                                      \
        void *made = others.name arguments;                                                        \
        t->busy = before;                                                                          \
        hook_outcome(t, made, bytes, ALLOCATOR_##kind);                                            \
        return made;                                                                               \
    }

#define ALLOCATES_INTO(kind, name)                                                                 \
    EXPORT int name(void **out, size_t to, size_t size)                                            \
    {                                                                                              \
        struct thread *t = &thread_self;                                                           \
        if (!others.name)                                                                          \
            real_resolve();                                                                        \
        if (!others.name)                                                                          \
            return posix_memalign(out, to, size);                                                  \
        uint8_t before = hook_begin(t, NULL);                                                      \
        int status = others.name(out, to, size);                                                   \
        t->busy = before;                                                                          \
        hook_outcome(t, status == 0 ? *out : NULL, size, ALLOCATOR_##kind);                        \
        return status;                                                                             \
    }

#define RESIZES(kind, name, parameters, arguments, bytes)                                          \
    EXPORT void *name parameters                                                                   \
    {                                                                                              \
        struct thread *t = &thread_self;                                                           \
        if (!others.name)                                                                          \
            real_resolve();                                                                        \
        if (!others.name)                                                                          \
            return realloc(old, bytes);                                                            \
        bool freed = old && hook_free(t, old);                                                     \
        uint8_t before = hook_begin(t, old);                                                       \
        void *made = others.name arguments;                                                        \
        t->busy = before;                                                                          \
        if (made || bytes)                                                                         \
            hook_realloc_outcome(t, freed, old, made, bytes, ALLOCATOR_##kind);                    \
        return made;                                                                               \
    }

#define FREES(kind, name, parameters, arguments)                                                   \
    EXPORT void name parameters                                                                    \
    {                                                                                              \
        struct thread *t = &thread_self;                                                           \
        if (!others.name)                                                                          \
            real_resolve();                                                                        \
        if (!others.name) {                                                                        \
            free(block);                                                                           \
            return;                                                                                \
        }                                                                                          \
        if (block)                                                                                 \
            hook_free(t, block);                                                                   \
        uint8_t before = hook_begin(t, block);                                                     \
        others.name arguments;                                                                     \
        t->busy = before;                                                                          \
    }

#include "recorder/preload/others.def"
