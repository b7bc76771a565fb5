/* The real functions beneath our hooks.
 * Why dlsym(RTLD_NEXT) and not __libc_malloc: another preloaded allocator may stand between us and
 * libc, and its blocks must go back to it. Invariant: real is filled before any hook returns; the
 * first call comes from the dynamic loader, in one thread. Not here: recording. */
#ifndef RECORDER_PRELOAD_REAL_H
#define RECORDER_PRELOAD_REAL_H

#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

struct real {
#define REAL(type, name, parameters)     type(*name) parameters;
#define OPTIONAL(type, name, parameters) type(*name) parameters;
#include "recorder/preload/real.def"
#undef REAL
#undef OPTIONAL
};

/* Filled by real_resolve; an OPTIONAL one is NULL where libc has none. */
extern struct real real __attribute__((visibility("hidden")));

/* Finds every real function. Idempotent; called by the library's constructor and by whichever hook
 * runs before it. What dlsym itself allocates meanwhile comes from a small static area. Preserves
 * errno, leaves dlerror clear. */
void real_resolve(void);

/* Clears what a look-up that found nothing left for dlerror(), its text freed here: later that
 * would look like a free of an unknown block. Why not by dlerror(), which translates the text
 * first: for that it takes libc's lock on locales, which the caller of malloc may hold already. */
void real_forget_error(void);

/* Does this address of code lie in a library whose allocator is hooked: that of real.malloc, where
 * it is another one than libc, or one of others.h? What such an allocator maps holds blocks that
 * are told one by one, so it is no event, as what libc maps for its own. */
bool real_is_allocators(const void *code);

#define REAL_BOOTSTRAP_BYTES 8192
extern char real_bootstrap[REAL_BOOTSTRAP_BYTES] __attribute__((visibility("hidden")));

/* Is this block from that static area (it is never freed)? */
static inline bool real_is_bootstrap(const void *block)
{
    return (uintptr_t)block - (uintptr_t)real_bootstrap < REAL_BOOTSTRAP_BYTES;
}

#endif
