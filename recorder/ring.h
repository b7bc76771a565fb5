/* The memory that recorded processes and the collector share: one file, mapped in pieces.
 * Why shared rings: a hook's whole duty is a few stores; whatever takes time or can fail happens in
 * the collector.
 *
 *   ┌────────┬───────────────┬──────────────┬─────────────────────┬───────────────────── … ─┐
 *   │ header │ process slots │ ring entries │ chunk 0: 8 rings    │ chunk 1: 8 rings        │
 *   └────────┴───────────────┴──────────────┴─────────────────────┴───────────────────── … ─┘
 *    CONTROL_BYTES, mapped by all             a ring: one page of header, RING_BYTES of words
 *
 * A ring belongs to one thread at a time (its producer) and to the collector (its consumer). `head`
 * and `tail` count bytes and never wrap; the word at offset o stands at o % RING_BYTES. The
 * producer stores words, then head with release: nothing is ever torn.
 *
 * A full ring: the producer sets `waiting`, then waits on the tail as a futex while it is what it
 * was; the collector stores the tail, then looks at `waiting`, and wakes only where it is set. Both
 * store before they load, in one order for all (seq_cst; the kernel compares the futex's word
 * behind a barrier of its own): so the collector sees the wait, or the kernel the new tail, and no
 * wake-up is lost. A thread that never came back from its wait leaves `waiting` set, which costs a
 * call each time and nothing else.
 *
 * Order between threads: the *turn word* of a process, sequence << 16 | (ring + 1). Before an event
 * is written — before the real free, after the real allocation — a thread that is not the owner
 * makes itself the owner of the next turn by CAS and writes a TURN word. The collector reads the
 * turn word (T0), the owner's head, then the other heads, and merges by turn up to T0. An event
 * whose turn is older than one already merged is concurrent with it, since its hook had not
 * returned.
 *
 * Trust: the collector believes nothing in here. It copies a word once, checks it, and keeps its
 * own tails. Not here: how words become a trace (collector/transcode.c), finding the file
 * (rendezvous.h). */
#ifndef RECORDER_RING_H
#define RECORDER_RING_H

#include <stdatomic.h>
#include <stdint.h>

enum ring_kind {
    RING_NONE,
#define RING_EVENT(name, words, text) RING_##name,
#include "recorder/ring.def"
#undef RING_EVENT
    RING_KIND_COUNT
};

/* The words of an event; 0: a variable number, or none. kind: below RING_KIND_COUNT. */
static inline unsigned ring_words(unsigned kind)
{
    static const uint8_t words[RING_KIND_COUNT] = {
        0,
#define RING_EVENT(name, words, text) words,
#include "recorder/ring.def"
#undef RING_EVENT
    };
    return words[kind];
}

#define RING_BYTES      (1u << 20)
#define RING_WORDS      (RING_BYTES / 8)
#define RING_CHUNK      8u    /* rings mapped together */
#define RING_LIMIT      4096u /* rings in all; ring + 1 fits the turn word's 16 bits */
#define SLOT_LIMIT      4096u /* processes recorded at the same time */
#define RING_DATA_BYTES 1024u
#define RING_MAGIC      0x3172657273756DULL
#define RING_VERSION    (RING_KIND_COUNT << 8 | 2u) /* library and collector must be of one build */

/* In WAITED: a child that libc waited for by itself, as system() does. No pid is that large. */
#define RING_WAITED_UNNAMED 0x7fffffff

/* What stands in a NODE's code beside numbers of code objects, which are below CODE_PAIR. */
#define CODE_PAIR (1u << 30) /* parent: a Python stack; lasti: the native one beside it */
#define CODE_CONCAT                                                                                \
    (CODE_PAIR | 1u) /* parent: the thread's origin; lasti: the native stack in it */
#define CODE_EVAL   (CODE_PAIR | 2u) /* a native frame that Python frames stand in */
#define CODE_ENTRY  (CODE_PAIR | 3u) /* the frames from here on are those of one CODE_EVAL */
#define CODE_NATIVE (1u << 31)       /* | module, 0: none; lasti: offset into it, of the call */

#define MODULE_LIMIT (1u << 24) /* numbers of modules are below */

#define RING_LOW_MASK ((UINT64_C(1) << 48) - 1)
#define RING_WORD(kind, aux, low)                                                                  \
    ((uint64_t)(kind) << 56 | (uint64_t)(aux) << 48 | ((uint64_t)(low)&RING_LOW_MASK))

#define CACHE_LINE __attribute__((aligned(64)))

/* What the collector tells everybody. Written by it alone, but for `kick`. */
struct shm_header {
    uint64_t magic;
    uint32_t version;
    uint32_t flags;         /* enum shm_flag */
    uint32_t collector_pid; /* in the collector's own pid namespace */
    uint32_t chunks;        /* that the file has: CHUNK_LIMIT, or fewer where memory is limited */
    CACHE_LINE _Atomic uint32_t recording;   /* 0: whoever notices stops for good */
    CACHE_LINE _Atomic uint32_t heartbeat;   /* moves while the collector gets on */
    CACHE_LINE _Atomic uint32_t sleeping;    /* 1: the collector waits on `kick` */
    _Atomic uint32_t kick;                   /* futex */
    CACHE_LINE _Atomic uint32_t next_serial; /* the serial that the next process takes */
    _Atomic uint32_t slot_high; /* slots and entries below these have been used; they only grow */
    _Atomic uint32_t ring_high;
};
enum shm_flag {
    SHM_OBJECTS = 1,
    SHM_STACKS = 2,
    SHM_ROOT_ONLY = 4,     /* forked children are not recorded */
    SHM_NATIVE = 8,        /* native frames, too */
    SHM_NATIVE_OTHERS = 16 /* where there is no Python */
};

enum slot_state {
    SLOT_FREE,    /* nobody's */
    SLOT_CLAIMED, /* being filled in by its process (fork) or by the collector (a new image) */
    SLOT_LIVE,    /* its process records; the collector alone sets it free again */
    SLOT_ENDED    /* its process is gone, but a child that it forked may still refer to it */
};

/* Why a process stopped recording by itself, for `gave_up` (enum reason of format/event.h, 0: it
 * did not). */
struct process_slot {
    _Atomic uint32_t state;
    uint32_t pid;    /* as the process sees itself (fork) or as the kernel told the collector (new
                        image) */
    uint32_t serial; /* unique in the trace; 0 never */
    uint32_t parent_serial;      /* of the process that forked it; 0: a new image */
    _Atomic uint32_t forks_open; /* forks under way whose child has not claimed its slot yet */
    _Atomic uint32_t stop;       /* set by the collector: it no longer reads this process's rings */
    _Atomic uint32_t gave_up;
    _Atomic uint32_t python;    /* enum slot_python: the outcome of the check on the first frames */
    _Atomic uint32_t joined;    /* 1: the process has mapped all that it needs */
    _Atomic uint64_t no_ring;   /* events of threads that found no ring */
    _Atomic uint64_t reentered; /* allocator calls inside our own hooks, not recorded */
    _Atomic uint64_t lost_nodes; /* allocations with stack "unknown" */
    _Atomic uint64_t deep_stacks;
    _Atomic uint64_t native_cut;      /* stacks whose outer native frames are missing */
    _Atomic uint64_t native_lost;     /* stacks without their native frames */
    CACHE_LINE _Atomic uint64_t turn; /* a line of its own: every event reads it */
    CACHE_LINE uint8_t pad[64];
};
enum slot_python { SLOT_PYTHON_NONE, SLOT_PYTHON_WAITING, SLOT_PYTHON_OK, SLOT_PYTHON_FAILED };

enum ring_state {
    RING_STATE_FREE,
    RING_STATE_CLAIMED,
    RING_STATE_LIVE,
    RING_STATE_CLOSED /* its thread ended; the collector drains it and sets it free, unless another
                         thread of the process takes it first */
};

/* One a ring, in the control area, so that free ones are found without mapping them. */
struct ring_entry {
    _Atomic uint32_t state;
    uint32_t slot;   /* index of its process */
    uint32_t serial; /* of its process */
    uint32_t tid;
    uint8_t pad[48];
};

struct ring {
    CACHE_LINE _Atomic uint64_t head;  /* bytes written, by the producer */
    CACHE_LINE _Atomic uint64_t tail;  /* bytes consumed, by the collector; futex on its low half */
    CACHE_LINE _Atomic uint64_t waits; /* times the producer found it full */
    _Atomic uint64_t wait_ns;
    _Atomic uint32_t waiting; /* 1: the producer waits on `tail`, or is about to */
    uint8_t pad[4096 - 3 * 64];
    uint64_t words[RING_WORDS];
};

struct shm_control {
    union {
        struct shm_header header;
        uint8_t header_page[4096];
    };
    struct process_slot slots[SLOT_LIMIT];
    struct ring_entry entries[RING_LIMIT];
};

#define CONTROL_BYTES sizeof(struct shm_control)
#define CHUNK_BYTES   (RING_CHUNK * sizeof(struct ring))
#define CHUNK_LIMIT   (RING_LIMIT / RING_CHUNK)

/* Raises a high-water mark to at least `value`. Any thread, any process. */
static inline void shm_raise(_Atomic uint32_t *mark, uint32_t value)
{
    uint32_t seen = atomic_load_explicit(mark, memory_order_relaxed);
    while (seen < value && !atomic_compare_exchange_weak(mark, &seen, value))
        ;
}

static inline uint64_t chunk_offset(uint32_t chunk)
{
    return CONTROL_BYTES + (uint64_t)chunk * CHUNK_BYTES;
}

_Static_assert(sizeof(struct process_slot) == 256, "slots are 256 bytes");
_Static_assert(sizeof(struct ring_entry) == 64, "one line an entry");
_Static_assert(sizeof(struct ring) == 4096 + RING_BYTES, "one page and the words");
_Static_assert(CONTROL_BYTES % 4096 == 0, "chunks start on a page");

#endif
