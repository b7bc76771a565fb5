/* Ring words into events (transcode.h). One function a kind; run_event dispatches. */
#define _GNU_SOURCE
#include "recorder/collector/transcode.h"

#include "recorder/collector/blocks.h"
#include "recorder/collector/definitions.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PUBLISH_BYTES (RING_BYTES / 16)
#define NAME_BYTES    15u  /* of a thread's name, as the kernel has it */
#define TICK_EVENTS   4096 /* about as many between two looks at the open block */

static bool at_turn(const struct stream *s) { return stream_word(s, s->tail) >> 56 == RING_TURN; }

uint64_t stream_next_turn(const struct stream *s)
{
    if (s->tail == s->head)
        return TURN_NONE;
    uint64_t word = stream_word(s, s->tail);
    return word >> 56 == RING_TURN ? word & RING_LOW_MASK : s->turn;
}

void stream_publish(struct stream *s)
{
    if (s->published == s->tail)
        return;
    s->published = s->tail;
    atomic_store(&s->ring->tail, s->tail);
    if (atomic_load(&s->ring->waiting)) /* ring.h: no wake-up is lost */
        syscall(SYS_futex, (uint32_t *)&s->ring->tail, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void speak_as(struct transcoder *tc, const struct stream *s)
{
    if (tc->thread == s->thread)
        return;
    tc->thread = s->thread;
    tc->speaker.thread = s->thread;
    output_event(tc->output, &tc->speaker, NULL);
}

static void forget_block(struct transcoder *tc, struct recorded *p, uint64_t address,
                         uint32_t value, struct bigblock *big)
{
    if (value & ADDRESS_FLAG)
        bigblocks_remove(&p->big, address, big);
    output_free(tc->output, (value & ~ADDRESS_FLAG) - 1);
}

static bool on_alloc(struct transcoder *tc, struct stream *s, unsigned allocator, uint64_t address,
                     uint64_t size, uint32_t node)
{
    struct recorded *p = s->process;
    uint64_t index = encoder_next_alloc(tc->output->encoder);
    uint32_t stack = recorded_stack(p, tc->output->names, node), before = 0,
             big = size >= BIG_BLOCK_BYTES ? ADDRESS_FLAG : 0;
    if (allocator >= ALLOCATOR_COUNT)
        return false;
    p->since_failure += p->failed && recorded_outermost(p, node) == p->failed_under;
    bool placed = index < ADDRESS_INDEX_LIMIT - 1 &&
                  addresses_put(&p->addresses, address, (uint32_t)(index + 1) | big, &before);
    if (before) {
        p->live_addresses++;
        forget_block(tc, p, address, before, NULL);
    }
    if (placed) {
        output_alloc(tc->output, allocator, stack, size);
        if (big)
            recorded_add_big(
                p, &(struct bigblock){.address = address, .size_bytes = size, .index = index});
        return true;
    }
    struct event ev = {.kind = EVENT_ALLOC_ADDRESS,
                       .allocator = (uint8_t)allocator,
                       .stack = stack,
                       .size_bytes = size,
                       .address = address};
    p->coded_by_address++;
    output_event(tc->output, &ev, NULL);
    return true;
}

static bool on_free(struct transcoder *tc, struct stream *s, uint64_t address, bool nested)
{
    struct recorded *p = s->process;
    uint32_t value = addresses_take(&p->addresses, address);
    if (!nested) { /* what lies beneath a free is never taken back */
        s->freed_address = address;
        s->freed_value = value;
        s->freed_big.address = 0;
    }
    if (value) {
        forget_block(tc, p, address, value, nested ? NULL : &s->freed_big);
    } else if (p->coded_by_address && !nested) { /* blocks that frees lie beneath are from the
                                                    start, when there was room */
        struct event ev = {.kind = EVENT_FREE_ADDRESS, .address = address};
        output_event(tc->output, &ev, NULL);
    } else {
        p->unknown_frees += !nested;
    }
    return true;
}

static bool on_undo_free(struct transcoder *tc, struct stream *s, uint64_t address)
{
    uint32_t before;
    if (s->freed_address != address)
        return true; /* a signal handler freed in between: the block is lost to us */
    if (s->freed_value) {
        addresses_put(&s->process->addresses, address, s->freed_value, &before);
        if (s->freed_value & ADDRESS_FLAG)
            recorded_add_big(s->process, &s->freed_big);
    }
    if (s->freed_value || s->process->coded_by_address) {
        struct event ev = {.kind = EVENT_UNFREE};
        output_event(tc->output, &ev, NULL);
    }
    s->freed_value = 0;
    return true;
}

static void note_failure(struct recorded *p, uint32_t node)
{
    p->failed = true;
    p->failed_under = recorded_outermost(p, node);
    p->since_failure = 0;
}

static bool on_failed(struct transcoder *tc, struct stream *s, const uint64_t *w)
{
    struct record record = {.type = RECORD_FAILED};
    unsigned allocator = (w[0] >> 48) & 0xFF;
    if (allocator >= ALLOCATOR_COUNT)
        return false;
    record.failed.allocator = (uint8_t)allocator;
    record.failed.size_bytes = w[1];
    record.failed.stack = recorded_stack(s->process, tc->output->names, (uint32_t)w[2]);
    if ((w[0] & RING_LOW_MASK) == ENOMEM)
        note_failure(s->process, (uint32_t)w[2]);
    output_record(tc->output, &record, NULL);
    return true;
}

static void no_change(void *context, const struct range *before, const struct range *after)
{
    (void)context;
    (void)before;
    (void)after;
}

static bool on_map(struct transcoder *tc, struct stream *s, unsigned kind, const uint64_t *w)
{
    uint64_t address = w[0] & RING_LOW_MASK, length = w[1];
    struct record record = {.type = RECORD_MAP,
                            .map = {address, length, (uint8_t)kind, (uint8_t)w[3],
                                    recorded_stack(s->process, tc->output->names, (uint32_t)w[2])}};
    if (kind >= MAP_KIND_COUNT || record.map.allocator >= ALLOCATOR_COUNT)
        return false;
    hidden_mark(&s->process->hidden, tc->output->names, s->process->pid, w[3] >> 8,
                tc->output->now_ns, &record);
    if (!s->process->unwatched)
        ranges_map(&s->process->ranges, address, length, (enum map_kind)kind, 0, no_change, NULL);
    recorded_account(s->process);
    output_record(tc->output, &record, NULL);
    return true;
}

static bool on_unmap(struct transcoder *tc, struct stream *s, uint64_t address, uint64_t length)
{
    struct record record = {.type = RECORD_UNMAP, .unmap = {address, length}};
    ranges_unmap(&s->process->ranges, address, length, no_change, NULL);
    recorded_account(s->process);
    output_record(tc->output, &record, NULL);
    return true;
}

static bool on_remap(struct transcoder *tc, struct stream *s, const uint64_t *w)
{
    struct record record = {.type = RECORD_REMAP};
    record.remap.old_address = w[0] & RING_LOW_MASK;
    record.remap.old_length = w[1];
    record.remap.new_address = w[2];
    record.remap.new_length = w[3];
    record.remap.stack = recorded_stack(s->process, tc->output->names, (uint32_t)w[4]);
    record.remap.flags = w[0] >> 48 & 1;
    ranges_remap(&s->process->ranges, record.remap.old_address, w[1], w[2], w[3], 0,
                 record.remap.flags, no_change, NULL);
    recorded_account(s->process);
    output_record(tc->output, &record, NULL);
    return true;
}

static bool on_protect(struct transcoder *tc, struct stream *s, bool writable, uint64_t address,
                       uint64_t length)
{
    struct record record = {.type = RECORD_PROTECT, .protect = {address, length, writable}};
    ranges_protect(&s->process->ranges, address, length, writable, no_change, NULL);
    recorded_account(s->process);
    output_record(tc->output, &record, NULL);
    return true;
}

/* Nobody but the program knows better: what it says of a block that it frees replaces the last
 * sample. */
static bool on_resident(struct transcoder *tc, struct stream *s, uint64_t address,
                        uint64_t resident)
{
    struct bigblock *block = bigblocks_find(&s->process->big, address);
    if (!block || resident > block->size_bytes ||
        (block->sampled && block->resident_bytes == resident))
        return true;
    block->sampled = true;
    block->resident_bytes = resident;
    struct record record = {.type = RECORD_RESIDENT_BLOCK,
                            .resident_block = {block->index, resident}};
    output_record(tc->output, &record, NULL);
    return true;
}

static bool on_resident_range(struct transcoder *tc, struct stream *s, uint64_t address,
                              uint64_t length, uint64_t resident)
{
    struct record record = {.type = RECORD_RESIDENT_RANGE,
                            .resident_range = {s->process->id, address, length, resident}};
    const struct range *piece = ranges_find(&s->process->ranges, address);
    if (!piece || piece->address != address || piece->length != length || resident > length ||
        piece->resident_bytes == resident)
        return true;
    ranges_resident(&s->process->ranges, address, length, resident, no_change, NULL);
    output_record(tc->output, &record, NULL);
    return true;
}

static bool on_discard(struct transcoder *tc, struct stream *s, uint64_t address, uint64_t length)
{
    struct record record = {.type = RECORD_DISCARD, .discard = {address, length}};
    ranges_discard(&s->process->ranges, address, length, no_change, NULL);
    output_record(tc->output, &record, NULL);
    return true;
}

static bool on_mark(struct transcoder *tc, const struct stream *s, uint64_t at, uint32_t count)
{
    char name[MARK_NAME_BYTES + 8];
    struct record record = {.type = RECORD_MARK, .mark.name = {name, count}};
    for (uint32_t i = 0; i < count; i += 8) {
        uint64_t word = stream_word(s, at + i);
        memcpy(name + i, &word, sizeof word);
    }
    output_record(tc->output, &record, NULL);
    return true;
}

void transcode_thread_end(struct transcoder *tc, struct stream *s)
{
    struct record record = {.type = RECORD_THREAD_END, .thread_end = {s->thread}};
    if (s->thread != ID_NONE)
        output_record(tc->output, &record, NULL);
    s->thread = ID_NONE;
}

static struct text text_of(const uint64_t name[2])
{
    return (struct text){(const char *)name, (uint32_t)strnlen((const char *)name, NAME_BYTES)};
}

void transcode_name(struct transcoder *tc, struct stream *s, const uint64_t name[2])
{
    if (s->thread == ID_NONE || !memcmp(s->name, name, sizeof s->name))
        return;
    memcpy(s->name, name, sizeof s->name);
    struct record record = {.type = RECORD_NAME, .name = {s->thread, text_of(s->name)}};
    output_record(tc->output, &record, NULL);
}

static bool on_name(struct transcoder *tc, struct stream *s, uint32_t tid, const uint64_t name[2])
{
    if (tid == s->tid) {
        transcode_name(tc, s, name);
    } else {
        s->naming = tid;
        memcpy(s->named, name, sizeof s->named);
    }
    return true;
}

/* As the kernel has it now; zeros where it doesn't tell. */
static void read_name(uint32_t pid, uint32_t tid, uint64_t name[2])
{
    char text[NAME_BYTES + 1]; /* and a line's end */
    size_t length = proc_thread_name(pid, tid, text, sizeof text);
    memset(name, 0, 16);
    memcpy(name, text, length < NAME_BYTES ? length : NAME_BYTES);
}

/* What the kernel says of the name is as new as what the thread told, or newer. */
static bool on_thread(struct transcoder *tc, struct stream *s, uint32_t tid, uint32_t origin)
{
    uint64_t now[2];
    bool told = s->first_name[0] != 0;
    struct record record = {.type = RECORD_THREAD};
    read_name(s->process->pid, tid, now);
    s->tid = tid;
    memcpy(s->name, told ? s->first_name : now, sizeof s->name);
    memset(s->first_name, 0, sizeof s->first_name);
    record.thread.process = s->process->id;
    record.thread.tid = tid;
    record.thread.origin_stack = recorded_stack(s->process, tc->output->names, origin);
    record.thread.name = text_of(s->name);
    transcode_thread_end(tc, s);
    output_record(tc->output, &record, &s->thread);
    if (told && now[0])
        transcode_name(tc, s, now);
    return true;
}

/* Handles the event whose words are w (DATA: the first one). at: where it stands. Returns false
 * when it makes no sense. */
static bool run_event(struct transcoder *tc, struct stream *s, const uint64_t *w, uint64_t at)
{
    unsigned kind = (unsigned)(w[0] >> 56), aux = (w[0] >> 48) & 0xFF;
    uint64_t low = w[0] & RING_LOW_MASK;
    if (kind == RING_THREAD)
        return on_thread(tc, s, (uint32_t)low, (uint32_t)w[1]);
    if (kind == RING_NAME && aux) {
        memcpy(s->first_name, w + 1, sizeof s->first_name);
        return true;
    }
    if (s->thread == ID_NONE && !tc->output->stopped)
        return false;
    speak_as(tc, s);
    switch (kind) {
    case RING_ALLOC: return on_alloc(tc, s, aux, low, (uint32_t)w[1], (uint32_t)(w[1] >> 32));
    case RING_ALLOC_BIG: return on_alloc(tc, s, aux, low, w[1], (uint32_t)w[2]);
    case RING_FREE:
    case RING_FREE_NESTED: return on_free(tc, s, low, kind == RING_FREE_NESTED);
    case RING_UNDO_FREE: return on_undo_free(tc, s, low);
    case RING_FAILED: return on_failed(tc, s, w);
    case RING_MAP: return on_map(tc, s, aux, w);
    case RING_UNMAP: return on_unmap(tc, s, low, w[1]);
    case RING_REMAP: return on_remap(tc, s, w);
    case RING_PROTECT: return on_protect(tc, s, aux, low, w[1]);
    case RING_RESIDENT: return on_resident(tc, s, low, w[1]);
    case RING_RESIDENT_RANGE: return on_resident_range(tc, s, low, w[1], w[2]);
    case RING_DISCARD: return on_discard(tc, s, low, w[1]);
    case RING_NODE:
        tc->known.valid &= (uint32_t)low >= s->process->nodes.count && /* defined once more */
                           (uint32_t)low >= s->process->chains.count;
        return recorded_define_node(s->process, tc->output->names, (uint32_t)low, (uint32_t)w[1],
                                    (uint32_t)(w[1] >> 32), (int32_t)w[2]);
    case RING_CODE: return definitions_code(tc, s, w);
    case RING_MODULE: return definitions_module(tc, s, w);
    case RING_MODULE_GONE: return definitions_module_gone(tc, s, (uint32_t)low);
    case RING_DATA: return definitions_data(tc, s, at + 8, (uint32_t)low);
    case RING_MARK: return on_mark(tc, s, at + 8, (uint32_t)low);
    case RING_NAME: return on_name(tc, s, (uint32_t)low, w + 1);
    case RING_WAITED: s->waited = (uint32_t)low; return true;
    case RING_EXEC:
    case RING_EXEC_FAILED: s->process->exec_pending = kind == RING_EXEC; return true;
    default: return false;
    }
}

/* Words of the event that begins with `word`; 0 when it is none. */
static unsigned event_words(uint64_t word)
{
    unsigned kind = (unsigned)(word >> 56);
    uint64_t low = word & RING_LOW_MASK;
    if (kind == RING_NONE || kind >= RING_KIND_COUNT)
        return 0;
    if (kind == RING_MARK)
        return low == 0 || low > MARK_NAME_BYTES ? 0 : 1 + (unsigned)((low + 7) / 8);
    if (kind != RING_DATA)
        return ring_words(kind);
    return low == 0 || low > RING_DATA_BYTES ? 0 : 1 + (unsigned)((low + 7) / 8);
}

/* Handles the one event at the tail. Returns false when it makes no sense, or is none: *sound then
 * tells. A TURN word after the first event is none. */
static bool run_one(struct transcoder *tc, struct stream *s, bool *begun, bool *sound)
{
    uint64_t w[5] = {stream_word(s, s->tail)};
    unsigned words = event_words(w[0]);
    *sound = words && s->tail + 8 * words <= s->head;
    if (!*sound)
        return false;
    if (w[0] >> 56 == RING_TURN) {
        if (*begun)
            return false;
        s->turn = w[0] & RING_LOW_MASK;
    } else {
        for (unsigned i = 1; i < words && i < 5; i++)
            w[i] = stream_word(s, s->tail + 8 * i);
        *begun = true;
        *sound = run_event(tc, s, w, s->tail);
    }
    s->tail += 8 * words;
    tc->events++;
    return *sound;
}

/* Usual events, as many as come at once. Only while nothing is counted that they would have to be
 * counted in. */
static void run_usual(struct transcoder *tc, struct stream *s, uint64_t end, bool *begun)
{
    unsigned kind = (unsigned)(stream_word(s, s->tail) >> 56);
    if ((kind != RING_ALLOC && kind != RING_FREE) || s->thread == ID_NONE || s->process->failed)
        return;
    speak_as(tc, s);
    if (tc->output->stopped)
        return;
    uint64_t events = blocks_run(tc, s, end);
    tc->events += events;
    *begun |= events != 0;
}

/* The TURN word that a run begins with, mostly. */
static void take_turn(struct transcoder *tc, struct stream *s)
{
    if (s->tail == s->head || !at_turn(s))
        return;
    s->turn = stream_word(s, s->tail) & RING_LOW_MASK;
    s->tail += 8;
    tc->events++;
}

static void tick(struct transcoder *tc)
{
    if (tc->events - tc->ticked < TICK_EVENTS)
        return;
    tc->ticked = tc->events;
    output_tick(tc->output);
}

/* Does the merge have to do something before the next event? */
static bool is_merges(const struct stream *s) { return s->waited || s->naming; }

bool transcode_run(struct transcoder *tc, struct stream *s)
{
    bool begun = false, sound = true, more = true;
    take_turn(tc, s);
    while (more && s->tail < s->head && !is_merges(s)) {
        uint64_t from = s->tail,
                 end = s->head - from < PUBLISH_BYTES ? s->head : from + PUBLISH_BYTES;
        while (more && s->tail < end && !is_merges(s)) {
            run_usual(tc, s, end, &begun);
            if (s->tail < end)
                more = !(begun && at_turn(s)) && run_one(tc, s, &begun, &sound);
        }
        if (s->tail - s->published >= PUBLISH_BYTES)
            stream_publish(s);
        tick(tc);
    }
    return sound && !s->process->corrupt;
}
