/* The table of stack nodes, see intern.h.
 *
 *   index (by hash)              chunks (by id)
 *   ┌────────────┐               ┌────────────────────────┐
 *   │ tag:4 id:28 │─────id──────▶│ parent, code_id, lasti, │
 *   │      0      │  free         │ next                    │
 *   └────────────┘               └────────────────────────┘
 *
 * A slot is written once, after everything that it leads to; so a reader needs no lock, and one
 * that finds nothing asks again under the lock. The tag is four bits of the hash, so that 15 of 16
 * wrong candidates are passed over without touching their node.
 * Why `next`: a program that goes through many stacks goes through them in the same order again,
 * and in the order of their ids; where the index costs two cache misses a node, the node that
 * followed last time costs none. It is a guess that is compared like any other candidate. An id is
 * given out (intern_next moves) before its slot is written: whoever is cut off in between (a raw
 * clone while another thread interns) loses an id until the index grows, and never sees one id with
 * two meanings. The index grows in the order of ids: nodes are read as they stand in memory. */
#define _GNU_SOURCE
#include "recorder/preload/intern.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "recorder/preload/define.h"
#include "recorder/preload/lock.h"
#include "recorder/preload/pages.h"

/* ---- the lock */

static struct lock lock;

bool intern_lock(void) { return FAILPOINT(intern_held, false, true) ? false : lock_take(&lock); }

void intern_unlock(void) { lock_leave(&lock); }

void intern_lock_reset(void) { lock_reset(&lock); }

/* ---- nodes by id */

struct node {
    uint32_t parent;
    uint32_t code_id;
    int32_t lasti_bytes;
    _Atomic uint32_t next; /* that a thread asked for after this one, 0: none yet */
};

enum { CHUNK_NODES = 1 << 15, CHUNK_COUNT = NODE_LIMIT / CHUNK_NODES };

/* A pointer is set once, before the first id of its chunk is given out. */
static struct node *chunks[CHUNK_COUNT];
static _Atomic uint32_t intern_next = NODE_FIRST;

static struct node *node_at(uint32_t id) { return &chunks[id / CHUNK_NODES][id % CHUNK_NODES]; }

static bool node_is(const struct node *node, uint32_t parent, uint32_t code_id, int32_t lasti)
{
    return node->parent == parent && node->lasti_bytes == lasti && node->code_id == code_id;
}

static bool chunk_ensure(uint32_t id)
{
    struct node **chunk = &chunks[id / CHUNK_NODES];
    if (!*chunk)
        *chunk = FAILPOINT(intern_chunk, pages_map(CHUNK_NODES * sizeof **chunk), NULL);
    return *chunk != NULL;
}

/* ---- nodes by hash */

struct index {
    uint32_t mask; /* slots - 1, slots a power of two */
    uint32_t slots[];
};

enum { INDEX_SLOTS_MIN = 1 << 12, TAG_SHIFT = 28, ID_MASK = (1 << TAG_SHIFT) - 1 };

static _Atomic(struct index *) index_now;

static uint64_t node_hash(uint32_t parent, uint32_t code_id, int32_t lasti)
{
    uint64_t h = ((uint64_t)code_id << 32 | (uint32_t)lasti) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 32 ^ parent) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static uint32_t hash_tag(uint64_t hash) { return (uint32_t)(hash >> 60) << TAG_SHIFT; }

/* The id of a node in one index, or 0. *free_slot: where it would stand. */
static uint32_t index_find(struct index *index, uint64_t hash, uint32_t parent, uint32_t code_id,
                           int32_t lasti, uint32_t *free_slot)
{
    uint32_t tag = hash_tag(hash);
    for (uint32_t i = (uint32_t)hash & index->mask;; i = (i + 1) & index->mask) {
        uint32_t slot = __atomic_load_n(&index->slots[i], __ATOMIC_ACQUIRE);
        if (!slot) {
            *free_slot = i;
            return 0;
        }
        if ((slot ^ tag) >> TAG_SHIFT == 0 &&
            node_is(node_at(slot & ID_MASK), parent, code_id, lasti))
            return slot & ID_MASK;
    }
}

static struct index *index_new(uint32_t slots)
{
    size_t bytes = sizeof(struct index) + (size_t)slots * sizeof(uint32_t);
    struct index *index = FAILPOINT(intern_index, pages_map(bytes), NULL);
    if (index) {
        pages_are_random(index, bytes);
        index->mask = slots - 1;
    }
    return index;
}

/* Before the index is three quarters full, put all that is known into one of twice the size. */
static struct index *index_with_room(void)
{
    struct index *old = atomic_load(&index_now);
    uint32_t known = atomic_load(&intern_next);
    uint32_t slots = old ? old->mask + 1 : 0;
    if (known < slots - slots / 4)
        return old;
    struct index *index = index_new(slots ? 2 * slots : INDEX_SLOTS_MIN);
    if (!index)
        return NULL;
    for (uint32_t id = NODE_FIRST; id < known; id++) {
        const struct node *node = node_at(id);
        uint64_t hash = node_hash(node->parent, node->code_id, node->lasti_bytes);
        uint32_t at = (uint32_t)hash & index->mask;
        while (index->slots[at])
            at = (at + 1) & index->mask;
        index->slots[at] = hash_tag(hash) | id;
    }
    atomic_store_explicit(&index_now, index, memory_order_release);
    return index;
}

/* ---- the whole */

/* With the lock held: find or add. */
static uint32_t intern_locked(uint32_t parent, uint32_t code_id, int32_t lasti, uint64_t hash)
{
    struct index *index = index_with_room();
    uint32_t free_slot, id;
    if (!index)
        return NODE_LOST;
    id = index_find(index, hash, parent, code_id, lasti, &free_slot);
    if (id)
        return id;
    id = atomic_load(&intern_next);
    if (id >= NODE_LIMIT || !chunk_ensure(id))
        return NODE_LOST;
    *node_at(id) = (struct node){parent, code_id, lasti, 0};
    if (!define_node(id, parent, code_id, lasti))
        return NODE_LOST;
    atomic_store(&intern_next, id + 1);
    __atomic_store_n(&index->slots[free_slot], hash_tag(hash) | id, __ATOMIC_RELEASE);
    return id;
}

/* The node that followed `recent` last time, if it is this one; 0: it isn't. */
static uint32_t find_next(uint32_t recent, uint32_t parent, uint32_t code_id, int32_t lasti)
{
    if (!recent)
        return 0;
    uint32_t id = atomic_load_explicit(&node_at(recent)->next, memory_order_acquire);
    return id && node_is(node_at(id), parent, code_id, lasti) ? id : 0;
}

static uint32_t intern_add(uint32_t parent, uint32_t code_id, int32_t lasti, uint64_t hash)
{
    int saved_errno = errno;
    uint32_t id = NODE_LOST;
    uint32_t next = atomic_load_explicit(&intern_next, memory_order_relaxed);
    if (FAILPOINT(intern_full, next, NODE_LIMIT) < NODE_LIMIT && intern_lock()) {
        id = intern_locked(parent, code_id, lasti, hash);
        intern_unlock();
    }
    errno = saved_errno;
    return id;
}

uint32_t intern_node(uint32_t parent, uint32_t code_id, int32_t lasti_bytes, uint32_t *recent)
{
    uint32_t id = find_next(*recent, parent, code_id, lasti_bytes), before = *recent, free_slot;
    if (id)
        return *recent = id;
    uint64_t hash = node_hash(parent, code_id, lasti_bytes);
    struct index *index = atomic_load_explicit(&index_now, memory_order_acquire);
    id = index ? index_find(index, hash, parent, code_id, lasti_bytes, &free_slot) : 0;
    if (!id)
        id = intern_add(parent, code_id, lasti_bytes, hash);
    if (id == NODE_LOST)
        return id;
    if (before)
        atomic_store_explicit(&node_at(before)->next, id, memory_order_release);
    return *recent = id;
}

void intern_expect(uint32_t parent, uint32_t code_id, int32_t lasti_bytes)
{
    const struct index *index = atomic_load_explicit(&index_now, memory_order_acquire);
    if (index)
        __builtin_prefetch(
            &index->slots[(uint32_t)node_hash(parent, code_id, lasti_bytes) & index->mask]);
}

uint32_t intern_count(void) { return atomic_load(&intern_next) - NODE_FIRST; }
