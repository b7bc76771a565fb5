/* Names that threads get while they run: pthread_setname_np, and prctl(PR_SET_NAME).
 * Why a word with the name's bytes: when the collector reads it, milliseconds later, the thread may
 * be gone, or be called otherwise. A thread's first name comes with its ring (emit.c): here it is
 * kept for that, and new threads (hooks_process.c) and forked children inherit it as the kernel
 * does. Invariants: opens no ring and claims no slot, since who allocates nothing is not in the
 * trace; result and errno are the real function's. Names that are set past libc (by syscall(), by
 * writing to /proc) are not seen; the collector finds them if they are there when it reads of a
 * thread first. */
#define _GNU_SOURCE
#include "recorder/preload/hooks_names.h"
#include "recorder/preload/hooks.h"
#include "recorder/preload/real.h"

#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A vfork child runs on its parent's memory: what it is called is nothing of ours. One that was
 * forked and has recorded nothing yet (gate closed) may keep its name for later. */
static bool memory_is_ours(bool recording)
{
    return recording ? (uint32_t)syscall(SYS_getpid) == process.pid : process.open;
}

/* The number of another thread: its clock's (the kernel's MAKE_THREAD_CPUCLOCK), which libc makes
 * of it without a system call. */
static bool tid_of(pthread_t thread, uint32_t *tid)
{
    clockid_t clock;
    if (pthread_getcpuclockid(thread, &clock) != 0 || (clock & 7) != 6)
        return false;
    *tid = ~((uint32_t)clock >> 3 | 0xE0000000u);
    return true;
}

static void write_name(struct thread *t, pthread_t thread, uint64_t words[3])
{
    uint32_t tid = t->tid;
    if (thread != pthread_self() && !tid_of(thread, &tid))
        return;
    words[0] = RING_WORD(RING_NAME, 0, tid);
    emit_words(t, words, 3);
}

void name_told(pthread_t thread, const char *name)
{
    struct thread *t = &thread_self;
    uint64_t words[3] = {0};
    uint8_t before = t->busy;
    int saved = errno;
    memcpy(words + 1, name, strnlen(name, sizeof t->name - 1)); /* what the kernel reads of it */
    t->busy = BUSY_HOOK;
    atomic_signal_fence(memory_order_seq_cst);
    bool recording = atomic_load_explicit(process_gate, memory_order_relaxed);
    bool ours = memory_is_ours(recording);
    if (ours && thread == pthread_self())
        memcpy(t->name, words + 1, sizeof t->name);
    if (ours && recording && t->ring && before != BUSY_HOOK)
        write_name(t, thread, words);
    hook_leave(t);
    t->busy = before;
    errno = saved;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    if (!real.pthread_setname_np)
        real_resolve();
    if (!real.pthread_setname_np)
        return ENOSYS;
    int status = real.pthread_setname_np(thread, name);
    if (status == 0 && process.open)
        name_told(thread, name);
    return status;
}

/* All four, whatever the option has: as libc's own does. */
EXPORT int prctl(int option, ...)
{
    va_list rest;
    va_start(rest, option);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long),
                  c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    int status = real.prctl(option, a, b, c, d);
    if (option == PR_SET_NAME && status == 0 && process.open)
        name_told(pthread_self(), (const char *)a);
    return status;
}
