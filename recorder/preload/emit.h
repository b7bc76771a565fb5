/* Writing words into the calling thread's ring, in the process's order (ring.h).
 * Why inline: this is the whole cost of an event. Invariants: words are stored before the head that
 * covers them; a thread writes only under its own turn; a ring that stays full ends recording,
 * never the program's progress. errno: kept by emit_ready and whatever it calls slowly; the stores
 * don't touch it. */
#ifndef RECORDER_PRELOAD_EMIT_H
#define RECORDER_PRELOAD_EMIT_H

#include "recorder/preload/process.h"

#define EMIT_ROOM_BYTES 64u /* every event but DATA fits, its TURN word included */

/* Makes sure that the thread has a ring and `need_bytes` (≤ RING_DATA_BYTES + 16) of room in it.
 * Waits for the collector if it must, at most 2 s in all without seeing it get on. Returns false:
 * not recorded (counted). */
HIDDEN bool emit_ready_slowly(struct thread *t, uint64_t need_bytes);
/* Makes the thread the owner of the next turn and writes its TURN word. */
HIDDEN void emit_turn(struct thread *t, uint64_t seen);
/* In a forked child: its one thread has no ring yet, and nobody looks for one. */
HIDDEN void emit_after_fork(void);
/* Closes the thread's ring at its end; the collector drains it and gives it to others. */
HIDDEN void emit_close(struct thread *t);

static inline bool emit_ready(struct thread *t)
{
    return LIKELY(t->head + EMIT_ROOM_BYTES <= t->limit) || emit_ready_slowly(t, EMIT_ROOM_BYTES);
}

static inline void emit_store(struct thread *t, uint64_t at, uint64_t word)
{
    t->ring->words[(at >> 3) & (RING_WORDS - 1)] = word;
}

/* Writes one event of `count` words (constant at each call). Returns false: not recorded. */
static inline bool emit(struct thread *t, const uint64_t *words, unsigned count)
{
    if (UNLIKELY(!emit_ready(t)))
        return false;
    uint64_t turn = atomic_load_explicit(&process.slot->turn, memory_order_acquire);
    if (UNLIKELY((uint16_t)turn != t->ring_index + 1))
        emit_turn(t, turn);
    for (unsigned i = 0; i < count; i++)
        emit_store(t, t->head + 8 * i, words[i]);
    t->head += 8 * count;
    atomic_store_explicit(&t->ring->head, t->head, memory_order_release);
    return true;
}

/* Writes a run of bytes as DATA events. Returns false: not all were written. */
HIDDEN bool emit_data(struct thread *t, const void *bytes, uint64_t count);

static inline bool emit1(struct thread *t, uint64_t a) { return emit(t, &a, 1); }
static inline bool emit2(struct thread *t, uint64_t a, uint64_t b)
{
    return emit(t, (uint64_t[]){a, b}, 2);
}
static inline bool emit3(struct thread *t, uint64_t a, uint64_t b, uint64_t c)
{
    return emit(t, (uint64_t[]){a, b, c}, 3);
}

#endif
