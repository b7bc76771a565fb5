/* memrec_mark(name): a program names a moment of its own recording, in one line:
 *
 *   Python   getattr(ctypes.CDLL(None), "memrec_mark", lambda name: 0)(b"loaded")
 *   C        extern int memrec_mark(const char *) __attribute__((weak));
 *            if (memrec_mark) memrec_mark("loaded");
 *
 * Why a word in the ring like any other: it then stands in the process's order, between the events
 * before it and those after it, and costs about as much as a free. Invariants: allocates nothing,
 * waits no longer than an event may, keeps errno; any thread, and signal handlers too: only where
 * one interrupts our own code is the mark not set, and the result says so. Not here: marks from a
 * shell (collector/mark.h). */
#define _GNU_SOURCE
#include "recorder/preload/hooks.h"

#include <string.h>

#define MARK_WORDS (1 + (MARK_NAME_BYTES + 7) / 8)

/* The bytes of a name that go into the trace: all, or as many whole characters as there may be. */
static size_t name_length(const char *name)
{
    size_t length = strnlen(name, MARK_NAME_BYTES + 1);
    if (length <= MARK_NAME_BYTES)
        return length;
    for (length = MARK_NAME_BYTES; length && ((uint8_t)name[length] & 0xC0) == 0x80;)
        length--;
    return length;
}

static bool write_mark(struct thread *t, const char *name, size_t length)
{
    uint64_t words[MARK_WORDS] = {RING_WORD(RING_MARK, 0, length)};
    unsigned count = 1 + (unsigned)((length + 7) / 8);
    memcpy(words + 1, name, length);
    return emit_words(t, words, count);
}

/* Returns 1 when the mark was set, 0 where it was not: nothing is recorded, or there is no name. */
EXPORT int memrec_mark(const char *name);

int memrec_mark(const char *name)
{
    struct thread *t = &thread_self;
    uint8_t before = t->busy;
    size_t length = name ? name_length(name) : 0;
    if (!length || before == BUSY_HOOK || !process_recording())
        return 0;
    int saved = errno;
    t->busy = BUSY_HOOK;
    atomic_signal_fence(memory_order_seq_cst);
    bool written = write_mark(t, name, length);
    hook_leave(t);
    t->busy = before;
    errno = saved;
    return written;
}
