/* A collector without programs: the shared file, the trace and the merge as in collect.c, with
 * processes that only sleep and rings that the test fills by hand; and the finished trace as a
 * short story to compare.
 *
 *   +N alloc of N bytes   -N free of the block of N bytes   u a free taken back   xN failed alloc
 *   @+N alloc by address  @-A free by address   mN mapped   MN unmapped   Pk process k   Pk<j child
 * of j   Ek its end "NAME" a mark !R:N lost, reason R, N times   k:NAME thread k has a new name
 *
 * Sizes are how tests tell blocks apart. Not here: what anything should be. */
#ifndef TESTS_COLLECTOR_STAGE_H
#define TESTS_COLLECTOR_STAGE_H

#include "recorder/collector/merge.h"
#include "replay/reader.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define STAGE_POOL_BYTES (8u << 20)
#define STAGE_BLOCKS     (1u << 21) /* indices whose sizes a story remembers */
#define STAGE_STACKS     32u        /* allocations whose stacks it does */

struct stage {
    struct shared shared;
    struct output output;
    struct serve *serve;
    struct processes processes;
    struct merge *merge;
    int file, control[2];
    bool tells_threads; /* its story has the names that threads begin with, as k=NAME */
    pid_t sleepers[16];
    unsigned sleeper_count;
};

static inline struct stage *stage_open(void)
{
    struct stage *st = calloc(1, sizeof *st);
    struct err err = {0};
    struct trace_header header = {.version = TRACE_VERSION, .trace_id = 7, .page_bytes = 4096};
    struct writer_limits limits = {0};
    assert_int_equal(shared_make(&st->shared, 0, &err), 0);
    st->file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    assert_int_equal(output_start(&st->output, dup(st->file), &header, &limits, &err), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, st->control), 0);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(serve_start(&st->serve, &st->shared, listener, st->control[0], NULL, &err), 0);
    processes_init(&st->processes, &st->shared, &st->output, st->serve, STAGE_POOL_BYTES);
    st->merge = malloc(sizeof *st->merge);
    merge_init(st->merge, &st->shared, &st->processes, &st->output);
    return st;
}

/* A process that sleeps until it is killed, or the test ends. */
static inline pid_t stage_sleeper(struct stage *st)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        for (;;)
            pause();
    }
    st->sleepers[st->sleeper_count++] = pid;
    return pid;
}

static inline void stage_kill(struct stage *st, pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (unsigned i = 0; i < st->sleeper_count; i++)
        if (st->sleepers[i] == pid)
            st->sleepers[i] = st->sleepers[--st->sleeper_count];
}

/* A recorded process in a slot, as serve.c would put it there. Returns its serial. */
static inline uint32_t stage_process(struct stage *st, uint32_t index, pid_t pid)
{
    struct process_slot *slot = &st->shared.control->slots[index];
    slot->pid = (uint32_t)pid;
    slot->serial = atomic_fetch_add(&st->shared.control->header.next_serial, 1);
    atomic_store(&slot->joined, 1);
    struct introduction intro = {.pid = slot->pid, .serial = slot->serial};
    serve_introduce(st->serve, index, &intro, (struct proc_image){0});
    atomic_store(&slot->state, SLOT_LIVE);
    shm_raise(&st->shared.control->header.slot_high, index + 1);
    return slot->serial;
}

/* A forked child in a slot, as it claims one itself. */
static inline void stage_child(struct stage *st, uint32_t index, pid_t pid, uint32_t parent_serial)
{
    struct process_slot *slot = &st->shared.control->slots[index];
    slot->pid = (uint32_t)pid;
    slot->serial = atomic_fetch_add(&st->shared.control->header.next_serial, 1);
    slot->parent_serial = parent_serial;
    atomic_store(&slot->joined, 1);
    atomic_store(&slot->state, SLOT_LIVE);
    shm_raise(&st->shared.control->header.slot_high, index + 1);
}

static inline void stage_ring(struct stage *st, uint32_t ring, uint32_t slot)
{
    struct ring_entry *entry = &st->shared.control->entries[ring];
    entry->slot = slot;
    entry->serial = st->shared.control->slots[slot].serial;
    entry->tid = 100 + ring;
    atomic_store(&entry->state, RING_STATE_LIVE);
    shm_raise(&st->shared.control->header.ring_high, ring + 1);
}

/* Words at the head, without moving it. */
static inline void stage_write(struct stage *st, uint32_t index, uint64_t *at, unsigned count,
                               const uint64_t *words)
{
    struct ring *ring = shared_ring(&st->shared, index);
    for (unsigned i = 0; i < count; i++, *at += 8)
        ring->words[(*at >> 3) & (RING_WORDS - 1)] = words[i];
}

/* One event, published. */
static inline void stage_put(struct stage *st, uint32_t index, unsigned count,
                             const uint64_t *words)
{
    struct ring *ring = shared_ring(&st->shared, index);
    uint64_t head = atomic_load(&ring->head);
    stage_write(st, index, &head, count, words);
    atomic_store(&ring->head, head);
}

#define PUT(st, ring, ...)                                                                         \
    stage_put(st, ring, sizeof((uint64_t[]){__VA_ARGS__}) / 8, (uint64_t[]){__VA_ARGS__})

static inline void stage_turn(struct stage *st, uint32_t ring, uint64_t turn)
{
    PUT(st, ring, RING_WORD(RING_TURN, 0, turn));
}

static inline void stage_thread(struct stage *st, uint32_t ring)
{
    PUT(st, ring, RING_WORD(RING_THREAD, 0, 100 + ring), 0, 0);
}

static inline void stage_alloc(struct stage *st, uint32_t ring, uint64_t address, uint32_t bytes)
{
    PUT(st, ring, RING_WORD(RING_ALLOC, ALLOCATOR_MALLOC, address), bytes);
}

static inline void stage_free(struct stage *st, uint32_t ring, uint64_t address)
{
    PUT(st, ring, RING_WORD(RING_FREE, 0, address));
}

/* The process's turn word. */
static inline void stage_owner(struct stage *st, uint32_t slot, uint64_t turn, uint32_t ring)
{
    atomic_store(&st->shared.control->slots[slot].turn, turn << 16 | (ring + 1));
}

struct story {
    char *text; /* of the caller */
    size_t length;
    uint64_t *sizes;               /* by allocation index */
    uint32_t stacks[STAGE_STACKS]; /* of the first allocations */
    uint64_t allocs, frees, lost, unknown, marks;
    bool tells_threads;
};

__attribute__((format(printf, 2, 3))) static inline void story_add(struct story *s,
                                                                   const char *format, ...)
{
    char piece[300];
    va_list arguments;
    va_start(arguments, format);
    size_t length = (size_t)vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (s->length > 4000) /* long ones are counted only */
        return;
    s->text = realloc(s->text, s->length + length + 2);
    memcpy(s->text + s->length, piece, length);
    s->length += length;
    s->text[s->length++] = ' ';
    s->text[s->length] = 0;
}

static inline void story_record(struct story *s, const struct record *r)
{
    switch (r->type) {
    case RECORD_PROCESS:
        story_add(s, r->process.parent == ID_NONE ? "P%u" : "P%u<%u", r->process.id,
                  r->process.parent);
        break;
    case RECORD_PROCESS_END: story_add(s, "E%u", r->process_end.process); break;
    case RECORD_FAILED: story_add(s, "x%llu", (unsigned long long)r->failed.size_bytes); break;
    case RECORD_MAP: story_add(s, "m%llu", (unsigned long long)r->map.length); break;
    case RECORD_UNMAP: story_add(s, "M%llu", (unsigned long long)r->unmap.length); break;
    case RECORD_MARK:
        story_add(s, "\"%.*s\"", (int)r->mark.name.length, r->mark.name.bytes);
        s->marks++;
        break;
    case RECORD_THREAD:
        if (s->tells_threads)
            story_add(s, "%u=%.*s", r->thread.id, (int)r->thread.name.length, r->thread.name.bytes);
        break;
    case RECORD_NAME:
        story_add(s, "%u:%.*s", r->name.thread, (int)r->name.name.length, r->name.name.bytes);
        break;
    case RECORD_LOST:
        story_add(s, "!%u:%llu", r->lost.reason, (unsigned long long)r->lost.count);
        s->lost++;
        break;
    default: break;
    }
}

static inline void story_event(struct story *s, const struct event *ev)
{
    unsigned long long size = ev->size_bytes, index = ev->index;
    switch ((enum event_kind)ev->kind) {
    case EVENT_ALLOC:
        s->allocs++;
        assert_true(index < STAGE_BLOCKS);
        s->sizes[index] = size;
        if (index < STAGE_STACKS)
            s->stacks[index] = ev->stack;
        story_add(s, "+%llu", size);
        break;
    case EVENT_FREE:
        s->frees++;
        assert_true(index < STAGE_BLOCKS);
        story_add(s, "-%llu", (unsigned long long)s->sizes[index]);
        break;
    case EVENT_ALLOC_ADDRESS: story_add(s, "@+%llu", size); break;
    case EVENT_FREE_ADDRESS: story_add(s, "@-%llx", index); break;
    case EVENT_UNFREE: story_add(s, "u"); break;
    case EVENT_RECORD: story_record(s, ev->record); break;
    default: break;
    }
}

/* Closes the trace and reads it back; everything of the stage is released. The caller frees
 * story.text. */
static inline struct story stage_close(struct stage *st)
{
    struct story s = {.text = calloc(1, 1),
                      .sizes = calloc(STAGE_BLOCKS, sizeof(uint64_t)),
                      .tells_threads = st->tells_threads};
    struct reader reader;
    struct batch batch;
    struct err err = {0};
    output_finish(&st->output);
    while (st->sleeper_count)
        stage_kill(st, st->sleepers[0]);
    assert_int_equal(lseek(st->file, 0, SEEK_SET), 0);
    assert_int_equal(reader_open(&reader, st->file, "story", &err), 0);
    assert_int_equal(batch_init(&batch, BATCH_EVENTS), 0);
    while (reader_read(&reader, &batch, &err) == 1)
        for (int i = 0; i < batch.count; i++)
            story_event(&s, &batch.events[i]);
    assert_true(reader_complete(&reader));
    assert_int_equal(reader.damage_count, 0);
    batch_release(&batch);
    reader_close(&reader);
    serve_stop(st->serve);
    merge_release(st->merge);
    processes_release(&st->processes);
    shared_release(&st->shared);
    close(st->file);
    close(st->control[0]);
    close(st->control[1]);
    free(st->merge);
    free(st);
    free(s.sizes);
    if (s.length)
        s.text[s.length - 1] = 0;
    return s;
}

/* The stage's story must be this. */
static inline void stage_tells(struct stage *st, const char *expected)
{
    struct story s = stage_close(st);
    assert_string_equal(s.text, expected);
    free(s.text);
}

#endif
