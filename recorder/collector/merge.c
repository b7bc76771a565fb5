/* Cutting and merging (merge.h). Why by linear search for the lowest turn: few rings have anything
 * to say in one cut, and a run of one thread is read in one go. */
#define _GNU_SOURCE
#include "recorder/collector/merge.h"
#include "recorder/failpoint.h"

#include <string.h>

/* Ends within ends that are brought in at once, and words of waiting in a round that anything is
 * done for: a program has neither so many; one that lies does not hold up the others. */
#define DEPTH_MAX 64u
#define WAITS_MAX 16384u

/* Rings that have been used, as far as there are any. */
static uint32_t rings_used(struct merge *m)
{
    uint32_t high = atomic_load(&m->shared->control->header.ring_high);
    if (high > m->ring_count)
        high = m->ring_count;
    if (high > m->ring_high)
        m->ring_high = high;
    return m->ring_high;
}

void merge_init(struct merge *m, struct shared *shared, struct processes *processes,
                struct output *output)
{
    memset(m, 0, sizeof *m);
    m->shared = shared;
    m->processes = processes;
    m->transcoder =
        (struct transcoder){.output = output, .thread = ID_NONE, .speaker = {.kind = EVENT_THREAD}};
    m->ring_count = shared->chunks * RING_CHUNK;
    for (uint32_t i = 0; i < m->ring_count; i++) {
        m->streams[i].ring = shared_ring(shared, i);
        m->streams[i].thread = ID_NONE;
    }
}

void merge_release(struct merge *m)
{
    for (uint32_t i = 0; i < RING_LIMIT; i++)
        stream_release(&m->streams[i]);
}

static struct process_slot *slot_of(const struct merge *m, const struct recorded *p)
{
    return &m->shared->control->slots[p->slot_index];
}

static void read_turn(struct merge *m, const struct recorded *p)
{
    uint64_t turn = atomic_load_explicit(&slot_of(m, p)->turn, memory_order_acquire);
    m->turn[p->slot_index] = turn >> 16;
    m->owner[p->slot_index] = turn & 0xFFFF;
    m->first[p->slot_index] = 0;
}

/* The living process that a ring says it belongs to; NULL: none. */
static struct recorded *claimant(const struct merge *m, uint32_t index)
{
    struct ring_entry *entry = &m->shared->control->entries[index];
    uint32_t state = atomic_load_explicit(&entry->state, memory_order_acquire);
    uint32_t slot = __atomic_load_n(&entry->slot, __ATOMIC_RELAXED);
    if (state == RING_STATE_FREE || slot >= SLOT_LIMIT)
        return NULL;
    struct recorded *p = m->processes->by_slot[slot];
    return p && p->serial == __atomic_load_n(&entry->serial, __ATOMIC_RELAXED) ? p : NULL;
}

/* A ring that belongs to a living process (only: to that one, NULL: to any) joins that process's
 * list, also while it passes from an ended thread to another one of the process. */
static void list_ring(struct merge *m, uint32_t index, const struct recorded *only)
{
    struct stream *s = &m->streams[index];
    struct recorded *p = s->process ? s->process : claimant(m, index);
    if (!p || (only && p != only))
        return;
    s->process = p;
    s->next = m->first[p->slot_index];
    m->first[p->slot_index] = index + 1;
}

/* Moves the stream's cut to the ring's head. A head that cannot be is the end of the process's
 * recording. */
static void read_head(struct stream *s)
{
    uint64_t head = atomic_load_explicit(&s->ring->head, memory_order_acquire);
    if (FAILPOINT(head_wrong, head - s->tail > RING_BYTES || head & 7, true))
        s->process->corrupt = true;
    else
        s->head = head;
}

static void read_heads(struct merge *m, const struct recorded *p)
{
    uint32_t owner = m->owner[p->slot_index];
    if (owner && owner <= m->ring_count && m->streams[owner - 1].process == p)
        read_head(&m->streams[owner - 1]);
    for (uint32_t i = m->first[p->slot_index]; i; i = m->streams[i - 1].next)
        if (i != owner)
            read_head(&m->streams[i - 1]);
}

static void cut(struct merge *m)
{
    for (struct recorded *p = m->processes->first; p; p = p->next) {
        read_turn(m, p);
        p->cut = true;
    }
    uint32_t high = rings_used(m); /* after the turns: whoever took one has raised it before */
    for (uint32_t i = 0; i < high; i++)
        list_ring(m, i, NULL);
    for (struct recorded *p = m->processes->first; p; p = p->next)
        read_heads(m, p);
}

/* The process's streams that have words in the cut, in the order of its list. */
static struct stream *list_busy(struct merge *m, const struct recorded *p)
{
    struct stream *first = NULL, **last = &first;
    for (uint32_t i = m->first[p->slot_index]; i; i = m->streams[i - 1].next) {
        struct stream *s = &m->streams[i - 1];
        s->next_turn = stream_next_turn(s);
        if (s->next_turn == TURN_NONE)
            continue;
        *last = s;
        last = &s->next_busy;
    }
    *last = NULL;
    return first;
}

/* The stream whose next event has the lowest turn, and where it is linked; NULL when the cut is
 * used up. */
static struct stream *lowest(struct stream **busy, uint64_t limit, struct stream ***link)
{
    struct stream *best = NULL;
    uint64_t best_turn = limit < TURN_NONE ? limit + 1 : limit;
    for (struct stream **at = busy; *at; at = &(*at)->next_busy)
        if ((*at)->next_turn < best_turn) {
            best = *at;
            best_turn = best->next_turn;
            *link = at;
        }
    return best;
}

/* The stream at *link has been read on: its next turn, or out of the list. */
static void note_read(struct stream **link)
{
    struct stream *s = *link;
    s->next_turn = stream_next_turn(s);
    if (s->next_turn == TURN_NONE)
        *link = s->next_busy;
}

static void beat(struct merge *m)
{
    atomic_fetch_add_explicit(&m->shared->control->header.heartbeat, 1, memory_order_relaxed);
}

static void inherit(struct merge *m, struct recorded *p)
{
    const struct recorded *parent = processes_by_serial(m->processes, p->parent_serial);
    if (parent)
        processes_inherit(p, parent);
    p->waits_for_parent = false;
}

/* Throws away what a lying process wrote, and tells it to stop. */
static void discard(struct merge *m, const struct recorded *p)
{
    for (uint32_t i = m->first[p->slot_index]; i; i = m->streams[i - 1].next) {
        struct stream *s = &m->streams[i - 1];
        s->tail = s->head = atomic_load(&s->ring->head);
        stream_release(s);
    }
    atomic_store(&slot_of(m, p)->stop, 1);
}

static void end_thread(struct merge *m, struct stream *s)
{
    transcode_thread_end(&m->transcoder, s);
    s->process = NULL;
    s->turn = s->freed_address = s->freed_value = 0;
    s->first_name[0] = 0;
    stream_release(s);
}

static void free_ring(struct merge *m, uint32_t index)
{
    struct stream *s = &m->streams[index];
    end_thread(m, s);
    /* Whatever its last owner left there, the next one starts sound. */
    s->tail = s->head = s->published = 0;
    atomic_store(&s->ring->head, 0);
    atomic_store(&s->ring->tail, 0);
    atomic_store(&s->ring->waiting, 0);
    struct ring_entry *entry = &m->shared->control->entries[index];
    /* nobody's while its next owner fills it in */
    __atomic_store_n(&entry->serial, 0, __ATOMIC_RELAXED);
    atomic_store(&entry->state, RING_STATE_FREE);
}

/* Sets a ring of an ended thread free if it was drained to the last word; held meanwhile, so that
 * no thread of the process takes it. */
static void free_if_drained(struct merge *m, uint32_t index)
{
    struct stream *s = &m->streams[index];
    struct ring_entry *entry = &m->shared->control->entries[index];
    uint32_t closed = RING_STATE_CLOSED;
    if (!atomic_compare_exchange_strong(&entry->state, &closed, RING_STATE_CLAIMED))
        return;
    if (atomic_load(&s->ring->head) == s->tail)
        free_ring(m, index);
    else
        atomic_store(&entry->state, RING_STATE_CLOSED);
}

static void free_closed(struct merge *m, const struct recorded *p)
{
    uint32_t next;
    for (uint32_t i = m->first[p->slot_index]; i; i = next) {
        next = m->streams[i - 1].next;
        free_if_drained(m, i - 1);
    }
}

static uint64_t drain_process(struct merge *m, struct recorded *p);

static uint64_t drain_dying(struct merge *m, struct recorded *p)
{
    bool execed = p->exec_pending;
    m->depth++;
    p->dying = false; /* whoever waits for it meets it here once */
    p->round = m->round;
    read_turn(m, p);
    uint32_t high = rings_used(m);
    for (uint32_t i = 0; i < high; i++)
        list_ring(m, i, p);
    read_heads(m, p);
    m->turn[p->slot_index] = UINT64_MAX; /* nobody writes any more */
    uint64_t bytes = drain_process(m, p);
    uint32_t next;
    for (uint32_t i = m->first[p->slot_index]; i; i = next) {
        next = m->streams[i - 1].next;
        free_ring(m, i - 1);
    }
    processes_end(m->processes, p, execed || p->exec_pending ? PROCESS_EXECED : PROCESS_EXITED);
    m->depth--;
    return bytes;
}

/* The process has waited for somebody: that one's last words and end come now. Somebody we don't
 * know (a shell) may have waited for others in turn: then all the dying, but for those whose
 * definitions are not complete yet. */
static uint64_t end_waited(struct merge *m, const struct recorded *waiter, struct stream *s)
{
    uint32_t pid = s->waited;
    uint64_t bytes = 0;
    s->waited = 0;
    if (m->depth == DEPTH_MAX || m->waits++ >= WAITS_MAX)
        return 0;
    processes_discover(m->processes);
    struct recorded *child = processes_living(m->processes, pid);
    if (child && !child->dying)
        processes_check(m->processes);
    if (child && child->dying && !child->draining && child != waiter)
        return drain_dying(m, child);
    for (struct recorded *p = child ? NULL : m->processes->first, *next; p; p = next) {
        next = p->next;
        if (p->dying && p->cut && !p->draining && !p->waits_for_parent && p != waiter) {
            bytes += drain_dying(m, p);
            next = m->processes->first;
        }
    }
    return bytes;
}

/* A thread has named another one. Whose ring is not in this cut has its name read, or told, when
 * it opens. */
static void name_other(struct merge *m, const struct recorded *p, struct stream *s)
{
    uint32_t tid = s->naming;
    s->naming = 0;
    for (uint32_t i = m->first[p->slot_index]; i; i = m->streams[i - 1].next)
        if (m->streams[i - 1].tid == tid && m->streams[i - 1].process == p)
            transcode_name(&m->transcoder, &m->streams[i - 1], s->named);
}

static uint64_t drain_process(struct merge *m, struct recorded *p)
{
    uint64_t limit = m->turn[p->slot_index], bytes = 0;
    struct stream *s, *busy, **link;
    if (p->waits_for_parent)
        inherit(m, p);
    p->draining = true;
    busy = list_busy(m, p);
    while (!p->corrupt && (s = lowest(&busy, limit, &link)) != NULL) {
        uint64_t before = s->tail, ticked = m->transcoder.ticked;
        if (s->process != p) { /* somebody says that it is another's */
            *link = s->next_busy;
            continue;
        }
        if (!transcode_run(&m->transcoder, s))
            p->corrupt = true;
        FAILPOINT_HERE(in_drain);
        bytes += s->tail - before;
        if (s->naming)
            name_other(m, p, s);
        if (s->waited)
            bytes += end_waited(m, p, s);
        note_read(link);
        if (m->transcoder.ticked != ticked)
            beat(m);
    }
    p->draining = false;
    beat(m);
    for (uint32_t i = m->first[p->slot_index]; i; i = m->streams[i - 1].next)
        stream_publish(&m->streams[i - 1]);
    if (p->corrupt)
        discard(m, p);
    return bytes;
}

uint64_t merge_drain(struct merge *m)
{
    uint64_t bytes = 0;
    processes_discover(m->processes);
    cut(m);
    processes_check(m->processes);
    output_stamp(m->transcoder.output);
    m->waits = 0;
    m->round++; /* who is noticed from here on is drained in the next one */
    for (struct recorded *p = m->processes->first; p;) {
        if (p->round == m->round || !p->cut) {
            p = p->next;
            continue;
        }
        p->round = m->round;
        uint64_t changes = m->processes->changes;
        struct recorded *next = p->next;
        if (p->dying) {
            bytes += drain_dying(m, p);
        } else {
            bytes += drain_process(m, p);
            free_closed(m, p);
        }
        p = m->processes->changes == changes ? next : m->processes->first;
    }
    output_tick(m->transcoder.output);
    return bytes;
}
