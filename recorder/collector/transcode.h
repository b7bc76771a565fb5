/* From a ring's words to the trace's events.
 * Invariants: a word is read once; nothing in it is believed: kinds, lengths, ids and counts are
 * checked, and a ring that lies ends its process's recording and nothing else. Not here: in which
 * order rings are read (merge.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_TRANSCODE_H
#define RECORDER_COLLECTOR_TRANSCODE_H

#include "recorder/collector/output.h"
#include "recorder/collector/recorded.h"
#include "recorder/ring.h"

#define CODE_TABLE_LIMIT (1u << 24)
#define CODE_TEXT_LIMIT  4096u

#define MODULE_ID_LIMIT 32u

/* A code object on its way through DATA events; or a module, whose path and build id stand in place
 * of name and file. */
struct partial_code {
    uint32_t code, first_line;
    uint8_t table_kind;
    uint32_t name_bytes, file_bytes, table_bytes; /* announced */
    uint32_t got_bytes;
    bool is_module;
    uint64_t address, length;    /* of a module */
    uint32_t skip_bytes;         /* DATA to pass over: it was beyond the allowance */
    uint8_t *bytes;              /* NULL: none is under way */
    struct allowance *allowance; /* that its bytes are charged to; NULL: none */
};

/* One ring as it is read. */
struct stream {
    struct ring *ring;
    struct recorded *process; /* whose thread writes it; NULL: nobody's */
    uint64_t tail, head;      /* consumed up to tail; may be read up to head (the cut) */
    uint64_t published;       /* the tail that the producer knows */
    uint64_t turn;            /* of the event at tail, unless a TURN word stands there */
    uint64_t next_turn;       /* as stream_next_turn told it last */
    uint32_t thread;          /* in the trace; ID_NONE before its THREAD */
    uint32_t tid;
    uint64_t first_name[2];   /* of the thread whose THREAD is next; 0: unknown */
    uint64_t name[2];         /* the thread's latest, zeros behind it */
    uint32_t next;            /* ring index + 1 in its process's list; 0 ends it */
    struct stream *next_busy; /* of its process, with words in the cut */
    struct partial_code code;
    uint32_t waited; /* pid whose end the process has waited for, at this point; 0: none. The merge
                        clears it. */
    uint32_t naming; /* tid of another thread of the process, which this one has given the name
                        named[] at this point; 0: none. The merge clears it. */
    uint64_t named[2];
    uint64_t freed_address; /* the latest free, which a failed realloc takes back */
    uint32_t freed_value;   /* of addresses.h; 0: none */
    struct bigblock freed_big;
};

/* What blocks.c knows of the open block's stacks: the slot (format/predict.h) of the stack that a
 * node of the process stands for, so that neither need be looked up again. */
#define KNOWN_NODES 1024u
struct known_node {
    uint32_t node, slot;
};
struct known_nodes {
    struct known_node by_node[KNOWN_NODES]; /* at node % KNOWN_NODES; NODES_LIMIT: nothing */
    bool valid;                             /* false: it must be cleared before it is used */
    uint32_t sequence, process;             /* the block's and the process's that it is for */
};

struct transcoder {
    struct output *output;
    uint32_t thread;      /* current in the trace */
    struct event speaker; /* an EVENT_THREAD, kept since filling one in costs more than a switch */
    uint64_t events;      /* handled, for pacing */
    uint64_t ticked;      /* of these, at the last look at the open block */
    bool scattered;       /* addresses came from more leaves than a core's cache holds, lately */
    struct known_nodes known;
};

#define TURN_NONE UINT64_MAX /* beyond all turns */

/* The word at an offset of its ring, read once. */
static inline uint64_t stream_word(const struct stream *s, uint64_t at)
{
    return __atomic_load_n(&s->ring->words[(at >> 3) & (RING_WORDS - 1)], __ATOMIC_RELAXED);
}

/* The turn under which the stream's next event stands; TURN_NONE: the cut is used up. */
uint64_t stream_next_turn(const struct stream *s);

/* Reads events from the stream until its cut, until a TURN word after the first event, or just past
 * a WAITED word, or a NAME of another thread. Publishes the tail when it has moved far enough to be
 * worth waking a producer for. Returns false when the ring lies. */
bool transcode_run(struct transcoder *tc, struct stream *s);

/* Tells the producer how far its ring was read, and wakes it if it waits. Nothing to tell: nothing
 * is done. */
void stream_publish(struct stream *s);

/* The stream's thread, if there is one, has ended. */
void transcode_thread_end(struct transcoder *tc, struct stream *s);

/* The stream's thread, if there is one, is called so from now on. */
void transcode_name(struct transcoder *tc, struct stream *s, const uint64_t name[2]);

/* Forgets a half-read code. */
void stream_release(struct stream *s);

#endif
