/* Writing words into the calling thread's ring, in the process's order (ring.h).
 * Why inline: this is the whole cost of an event. Invariants: words are stored before the head that
 * covers them; a thread writes only under its own turn; a ring that stays full ends recording,
 * never the program's progress. The thread's `limit` says in one comparison that it has a ring,
 * room in it, and both words of an event before the end of the ring's memory. */
#ifndef RECORDER_PRELOAD_EMIT_H
#define RECORDER_PRELOAD_EMIT_H

#include "recorder/preload/process.h"

#define EMIT_ROOM_BYTES 64u /* every event but DATA and MARK fits, its TURN word included */

/* In a forked child: its one thread has no ring yet, and nobody looks for one. */
HIDDEN void emit_after_fork(void);
/* Writes one event of `count` words (at most RING_DATA_BYTES / 8 + 2), whatever it takes: a ring, a
 * turn, room. Waits for the collector if it must, at most 2 s without seeing it get on.
 * Returns false: not recorded. A thread that has ended keeps no ring. Keeps errno. */
HIDDEN bool emit_words(struct thread *t, const uint64_t *words, unsigned count);
/* emit_words of one word, for where that cannot be done at once. */
HIDDEN __attribute__((cold)) bool emit1_slowly(struct thread *t, uint64_t a);
/* The same of two. */
HIDDEN __attribute__((cold)) bool emit2_slowly(struct thread *t, uint64_t a, uint64_t b);
/* Closes the thread's ring at its end; the collector drains it and gives it to others. */
HIDDEN void emit_close(struct thread *t);
/* Writes a run of bytes as DATA events. Returns false: not all were written. */
HIDDEN bool emit_data(struct thread *t, const void *bytes, uint64_t count);

/* Can two words be stored at once? It is the thread's turn, and there is room for them before the
 * end of the ring's memory. */
static ALWAYS_INLINE bool emit_at_once(const struct thread *t, uint64_t head)
{
    uint64_t turn = atomic_load_explicit(&process.slot->turn, memory_order_acquire);
    return LIKELY(head < t->limit) && LIKELY((uint16_t)turn == t->turn_mark);
}

static ALWAYS_INLINE bool emit_publish(struct thread *t, struct ring *ring, uint64_t head)
{
    t->head = head;
    atomic_store_explicit(&ring->head, head, memory_order_release);
    return true;
}

static ALWAYS_INLINE bool emit1(struct thread *t, uint64_t a)
{
    uint64_t head = t->head;
    if (!emit_at_once(t, head))
        return emit1_slowly(t, a);
    struct ring *ring = t->ring;
    ring->words[head / 8 % RING_WORDS] = a;
    return emit_publish(t, ring, head + 8);
}

static ALWAYS_INLINE bool emit2(struct thread *t, uint64_t a, uint64_t b)
{
    uint64_t head = t->head;
    if (!emit_at_once(t, head))
        return emit2_slowly(t, a, b);
    struct ring *ring = t->ring;
    uint64_t *place = &ring->words[head / 8 % RING_WORDS];
    place[0] = a;
    place[1] = b;
    return emit_publish(t, ring, head + 16);
}

static inline bool emit3(struct thread *t, uint64_t a, uint64_t b, uint64_t c)
{
    return emit_words(t, (uint64_t[]){a, b, c}, 3);
}

#endif
