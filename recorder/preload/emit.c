/* The slow half of writing (emit.h): getting a ring, waiting for room, taking turns.
 * What bounds it: a wait ends when the collector's heartbeat has stood still for WAIT_LIMIT_NS, or
 * at once when the collector is gone. Why not the sum of all waits: on a busy machine a collector
 * that gets on is often not seen to within a step, and by several threads at the same time. */
#define _GNU_SOURCE
#include "recorder/preload/emit.h"
#include "recorder/failpoint.h"
#include "recorder/preload/attach.h"
#include "recorder/preload/early.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT_LIMIT_NS UINT64_C(2000000000)
#define WAIT_STEP_NS  2000000
/* Whoever has asked wakes the next one; the step is for an asker that is no more. Thousands may
 * wait, and would leave it no time if they looked often. */
#define SEARCH_STEP_NS 100000000
#define STUCK_LIMIT_NS                                                                             \
    UINT64_C(5000000000) /* a tail that does not move, whatever the heartbeat says */
#define RETRY_CALLS 4096u

static _Atomic uint32_t searching; /* 1: a thread asks for more rings. A futex */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool entry_is_ours(const struct ring_entry *entry)
{
    return __atomic_load_n(&entry->serial, __ATOMIC_RELAXED) == process.serial;
}

/* Takes a free ring, or one that an ended thread of this process has left: its words are read
 * first, as they stand before ours. */
static bool claim_entry(struct ring_entry *entry)
{
    uint32_t seen = atomic_load_explicit(&entry->state, memory_order_relaxed);
    if (seen != RING_STATE_FREE && (seen != RING_STATE_CLOSED || !entry_is_ours(entry)))
        return false;
    if (!atomic_compare_exchange_strong(&entry->state, &seen, RING_STATE_CLAIMED))
        return false;
    if (seen == RING_STATE_FREE || entry_is_ours(entry))
        return true;
    /* it was set free, taken and left by another process between the look and the exchange */
    atomic_store(&entry->state, RING_STATE_CLOSED);
    return false;
}

static bool claim_in_chunk(struct thread *t, uint32_t chunk)
{
    for (uint32_t i = chunk * RING_CHUNK; i < (chunk + 1) * RING_CHUNK; i++) {
        struct ring_entry *entry = &process.control->entries[i];
        if (!claim_entry(entry))
            continue;
        /* others look at any time: each is whole, and only a serial and slot that agree count */
        __atomic_store_n(&entry->slot, process.slot_index, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->serial, process.serial, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->tid, t->tid, __ATOMIC_RELAXED);
        t->ring = &process.chunks[chunk][i % RING_CHUNK];
        t->ring_index = i;
        t->turn_mark = (uint16_t)(i + 1);
        t->head = atomic_load(&t->ring->head);
        t->limit = 0;
        t->room = t->head;
        atomic_store(&entry->state, RING_STATE_LIVE);
        shm_raise(&process.control->header.ring_high, i + 1);
        return true;
    }
    return false;
}

static bool chunk_has_free(uint32_t chunk)
{
    for (uint32_t i = chunk * RING_CHUNK; i < (chunk + 1) * RING_CHUNK; i++)
        if (atomic_load_explicit(&process.control->entries[i].state, memory_order_relaxed) ==
            RING_STATE_FREE)
            return true;
    return false;
}

static uint32_t chunk_count(void)
{
    uint32_t chunks = process.control->header.chunks;
    return chunks < CHUNK_LIMIT ? chunks : CHUNK_LIMIT;
}

static bool claim_mapped(struct thread *t)
{
    for (uint32_t chunk = 0; chunk < chunk_count(); chunk++)
        if (__atomic_load_n(&process.chunks[chunk], __ATOMIC_ACQUIRE) && claim_in_chunk(t, chunk))
            return true;
    return false;
}

static bool claim_attached(struct thread *t)
{
    for (uint32_t chunk = 0; chunk < chunk_count(); chunk++)
        if (!__atomic_load_n(&process.chunks[chunk], __ATOMIC_ACQUIRE) && chunk_has_free(chunk)) {
            if (!attach_chunk(chunk))
                return false;
            if (claim_in_chunk(t, chunk))
                return true;
        }
    return false;
}

static bool is_gone(uint32_t tid)
{
    return syscall(SYS_tgkill, process.pid, tid, 0) != 0 && errno == ESRCH;
}

/* Closes the rings of threads that ended without our destructor: they made their first allocation
 * after its last round. One thread at a time, so that nobody takes such a ring meanwhile; one that
 * was closed by its thread and taken by another, between the look and the answer, has another tid.
 */
static void close_left(void)
{
    uint32_t high = atomic_load(&process.control->header.ring_high);
    for (uint32_t i = 0; i < high && i < RING_LIMIT; i++) {
        struct ring_entry *entry = &process.control->entries[i];
        uint32_t tid = __atomic_load_n(&entry->tid, __ATOMIC_RELAXED);
        if (atomic_load(&entry->state) == RING_STATE_LIVE && entry_is_ours(entry) && is_gone(tid) &&
            atomic_load(&entry->state) == RING_STATE_LIVE &&
            __atomic_load_n(&entry->tid, __ATOMIC_RELAXED) == tid)
            atomic_store(&entry->state, RING_STATE_CLOSED);
    }
}

/* One thread at a time asks the collector: thousands that start together would each ask for the
 * same chunk, and wait for each other at its socket. */
static bool search_begin(void)
{
    uint64_t end_ns = now_ns() + WAIT_LIMIT_NS;
    struct timespec step = {.tv_nsec = SEARCH_STEP_NS};
    while (atomic_exchange(&searching, 1) != 0) {
        if (now_ns() >= end_ns || !process.open)
            return false;
        raw_futex(&searching, FUTEX_WAIT, 1, &step);
    }
    return true;
}

static void search_end(void)
{
    atomic_store(&searching, 0);
    raw_futex(&searching, FUTEX_WAKE, 1, NULL);
}

static bool claim_any(struct thread *t)
{
    if (claim_mapped(t))
        return true;
    if (!search_begin())
        return false;
    bool claimed = claim_mapped(t) || claim_attached(t);
    if (!claimed && process.open) {
        close_left();
        claimed = claim_mapped(t);
    }
    search_end();
    return claimed;
}

void emit_after_fork(void)
{
    atomic_store(&searching, 0);
    thread_self.ring = NULL;
    thread_self.head = thread_self.limit = thread_self.room = 0;
    thread_self.tid = 0;
}

static bool claim_ring(struct thread *t)
{
    if (t->retry && --t->retry) {
        atomic_fetch_add_explicit(&process.slot->no_ring, 1, memory_order_relaxed);
        return false;
    }
    t->tid = (uint32_t)syscall(SYS_gettid);
    if (!FAILPOINT(ring_claim, claim_any(t), false)) {
        t->retry = RETRY_CALLS;
        atomic_fetch_add(&process.slot->no_ring, 1);
        return false;
    }
    if (!t->ended)
        pthread_setspecific(process.key, t);
    return true;
}

static void kick(void)
{
    struct shm_header *header = &process.control->header;
    if (!atomic_load(&header->sleeping))
        return;
    atomic_fetch_add(&header->kick, 1);
    raw_futex(&header->kick, FUTEX_WAKE, 1, NULL);
}

/* Where the collector could be seen when we joined (not from another pid namespace). */
static bool collector_gone(void) { return process.collector_seen && !process_sees_collector(); }

static uint32_t heartbeat(void)
{
    return atomic_load_explicit(&process.control->header.heartbeat, memory_order_relaxed);
}

/* What a thread saw of the collector while it waited for room. */
struct watch {
    uint64_t beat_ns, tail_ns; /* when heartbeat and tail were last seen to have moved */
    uint64_t tail;
    uint32_t beat;
};

/* One step of waiting for the tail to move. */
static void wait_step(struct thread *t, uint64_t tail)
{
    uint64_t start = now_ns();
    struct timespec step = {.tv_nsec = WAIT_STEP_NS};
    kick();
    atomic_store(&t->ring->waiting, 1); /* before the kernel compares the tail: ring.h */
    FAILPOINT(ring_wait,
              raw_futex((_Atomic uint32_t *)&t->ring->tail, FUTEX_WAIT, (uint32_t)tail, &step), -1);
    atomic_store_explicit(&t->ring->waiting, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->ring->wait_ns, now_ns() - start, memory_order_relaxed);
}

/* Looks after a step. Returns false when it is time to give up. */
static bool gets_on(struct watch *w, const struct thread *t)
{
    uint64_t now = now_ns(), tail = atomic_load(&t->ring->tail);
    uint32_t beat = heartbeat();
    bool moved = tail != w->tail;
    if (moved)
        w->tail_ns = now;
    if (moved || beat != w->beat)
        w->beat_ns = now;
    w->tail = tail;
    w->beat = beat;
    if (now - w->beat_ns >= WAIT_LIMIT_NS || now - w->tail_ns >= STUCK_LIMIT_NS)
        return false;
    return w->beat_ns == now || !collector_gone();
}

/* Is the ring still this thread's, and does anybody still read it? */
static bool place_is_ours(const struct thread *t)
{
    const struct ring_entry *entry = &process.control->entries[t->ring_index];
    const struct process_slot *slot = process.slot;
    return process.open &&
           atomic_load_explicit(&process.control->header.recording, memory_order_relaxed) &&
           !atomic_load_explicit(&slot->stop, memory_order_relaxed) &&
           atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_LIVE &&
           slot->serial == process.serial &&
           atomic_load_explicit(&entry->state, memory_order_relaxed) == RING_STATE_LIVE &&
           entry->serial == process.serial;
}

/* Where the place is no longer ours: did the collector say so? Otherwise somebody has written over
 * it. */
static bool was_told(void)
{
    return !process.open || !atomic_load(&process.control->header.recording) ||
           atomic_load(&process.slot->stop) || process.slot->serial != process.serial ||
           atomic_load(&process.slot->state) != SLOT_LIVE;
}

/* Sets `room` when there are `need` bytes past head. It moves half a ring at a time, so that the
 * collector is woken at half a ring. */
static bool take_room(struct thread *t, uint64_t tail, uint64_t need)
{
    if (t->head + need > tail + RING_BYTES)
        return false;
    uint64_t half = t->head + need + RING_BYTES / 2;
    t->room = half < tail + RING_BYTES ? half : tail + RING_BYTES;
    if (t->head - tail > RING_BYTES / 2)
        kick();
    return true;
}

static bool wait_for_room(struct thread *t, uint64_t need)
{
    struct watch watch = {0};
    process_tell_losses();
    for (;;) {
        uint64_t tail = atomic_load_explicit(&t->ring->tail, memory_order_acquire);
        if (!FAILPOINT(place_lost, place_is_ours(t), false)) {
            process_give_up(was_told() ? REASON_NONE : REASON_CORRUPT_RING);
            return false;
        }
        if (FAILPOINT(ring_full, take_room(t, tail, need), false))
            return true;
        if (!watch.beat_ns) {
            atomic_fetch_add_explicit(&t->ring->waits, 1, memory_order_relaxed);
            watch = (struct watch){now_ns(), now_ns(), tail, heartbeat()};
        }
        wait_step(t, tail);
        if (!gets_on(&watch, t)) {
            process_give_up(REASON_RING_FULL);
            return false;
        }
    }
}

static void store_word(struct thread *t, uint64_t at, uint64_t word)
{
    t->ring->words[(at >> 3) & (RING_WORDS - 1)] = word;
}

/* Makes the thread the owner of the next turn and writes its TURN word. */
static void take_turn(struct thread *t, uint64_t seen)
{
    uint64_t mine;
    do {
        mine = ((seen >> 16) + 1) << 16 | t->turn_mark;
    } while (!atomic_compare_exchange_weak_explicit(&process.slot->turn, &seen, mine,
                                                    memory_order_acq_rel, memory_order_acquire));
    store_word(t, t->head, RING_WORD(RING_TURN, 0, mine >> 16));
    t->head += 8;
}

/* The words of an event that has room, one by one: they may go round the end of the memory. */
static void store(struct thread *t, const uint64_t *words, unsigned count)
{
    uint64_t turn = atomic_load_explicit(&process.slot->turn, memory_order_acquire);
    if ((uint16_t)turn != t->turn_mark)
        take_turn(t, turn);
    for (unsigned i = 0; i < count; i++)
        store_word(t, t->head + 8 * i, words[i]);
    t->head += 8 * count;
    atomic_store_explicit(&t->ring->head, t->head, memory_order_release);
}

/* A ring for a thread that has none. Its first words are a turn, even where the turn word still
 * names this ring for its last thread, and whose it is. */
static bool begin_ring(struct thread *t)
{
    if (!claim_ring(t) || !wait_for_room(t, 2 * EMIT_ROOM_BYTES))
        return false;
    uint64_t name[] = {RING_WORD(RING_NAME, 1, t->tid), t->name[0], t->name[1]};
    uint64_t words[] = {RING_WORD(RING_THREAD, 0, t->tid), t->walker.origin, 0};
    take_turn(t, atomic_load(&process.slot->turn));
    if (t->name[0])
        store(t, name, 3);
    store(t, words, 3);
    return true;
}

/* Up to where two words can be stored without a look: while there is room for any event, and both
 * stand before the end of the memory. */
static void set_limit(struct thread *t)
{
    uint64_t end = (t->head | (RING_BYTES - 1)) + 1 - 8, room = t->room - EMIT_ROOM_BYTES + 8;
    t->limit = end < room ? end : room;
}

/* A ring, and room for `need` bytes in it. */
static bool make_ready(struct thread *t, uint64_t need)
{
    int saved = errno;
    if (!process.control)
        return false;
    bool ready =
        (t->ring || begin_ring(t)) && (t->head + need <= t->room || wait_for_room(t, need));
    errno = saved;
    return ready;
}

bool emit_words(struct thread *t, const uint64_t *words, unsigned count)
{
    uint64_t need = 8 * count + 8 > EMIT_ROOM_BYTES ? 8 * count + 8 : EMIT_ROOM_BYTES;
    bool ready = LIKELY(t->ring && t->head + need <= t->room) || make_ready(t, need);
    if (ready) {
        store(t, words, count);
        set_limit(t);
    } else if (early) {
        early_keep(words, count);
    }
    if (UNLIKELY(t->ended))
        emit_close(t);
    return ready;
}

bool emit1_slowly(struct thread *t, uint64_t a) { return emit_words(t, &a, 1); }

bool emit2_slowly(struct thread *t, uint64_t a, uint64_t b)
{
    return emit_words(t, (uint64_t[]){a, b}, 2);
}

bool emit_data(struct thread *t, const void *bytes, uint64_t count)
{
    const char *from = bytes;
    while (count) {
        uint64_t piece = count < RING_DATA_BYTES ? count : RING_DATA_BYTES;
        uint64_t words[1 + RING_DATA_BYTES / 8] = {RING_WORD(RING_DATA, 0, piece)};
        memcpy(words + 1, from, piece);
        if (!emit_words(t, words, 1 + (unsigned)((piece + 7) / 8)))
            return false;
        from += piece;
        count -= piece;
    }
    return true;
}

void emit_close(struct thread *t)
{
    if (!t->ring)
        return;
    struct ring_entry *entry = &process.control->entries[t->ring_index];
    t->ring = NULL;
    t->head = t->limit = t->room = 0;
    t->turn_mark = 0;
    atomic_store(&entry->state, RING_STATE_CLOSED);
}
