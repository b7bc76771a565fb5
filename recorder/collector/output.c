/* Events into blocks into the file (output.h). Why a block is also sealed by age: what a killed
 * collector leaves behind is at most a second old. */
#define _GNU_SOURCE
#include "recorder/collector/output.h"
#include "recorder/collector/clock.h"
#include "recorder/failpoint.h"

#include <stdlib.h>

#define SEAL_NS         UINT64_C(1000000000)
#define NAMES_NODES_MAX (1u << 19) /* 8 MiB */

static uint32_t define(void *context, const struct event *ev)
{
    uint32_t id = 0;
    return output_event(context, ev, &id) ? id : 0;
}

int output_start(struct output *o, int fd, const struct trace_header *header,
                 const struct writer_limits *limits, struct err *err)
{
    *o = (struct output){.started_mono_ns = header->started_mono_ns};
    int status = writer_start(&o->writer, fd, header, limits, err);
    if (status)
        return status;
    o->encoder = FAILPOINT(encoder_memory, encoder_new(), NULL);
    o->names = names_new(define, o, NAMES_NODES_MAX);
    return o->encoder && o->names ? 0
                                  : err_set(err, ERR_NOMEM, "no memory for the trace's encoder");
}

void output_stop(struct output *o, enum reason why)
{
    if (o->stopped == REASON_NONE)
        o->stopped = why;
}

static bool seal(struct output *o)
{
    struct block_info info;
    size_t bound = encoder_bound(o->encoder);
    uint8_t *payload = writer_room(o->writer, bound);
    if (!payload || encoder_seal(o->encoder, payload, bound, &info) != 0 ||
        writer_put(o->writer, &info) != 0)
        output_stop(o, REASON_QUEUE_FULL);
    if (writer_failed(o->writer))
        output_stop(o, writer_failed(o->writer));
    o->sealed_ns = o->now_ns;
    return o->stopped == REASON_NONE;
}

/* What to do with an append's status: true to try again. */
static bool retry(struct output *o, int status)
{
    if (status == -ERR_FULL)
        return seal(o);
    if (status == -ERR_NOMEM)
        output_stop(o, REASON_QUEUE_FULL);
    return false;
}

bool output_event(struct output *o, const struct event *ev, uint32_t *id)
{
    int status;
    if (o->stopped)
        return false;
    do {
        status = FAILPOINT(encode_memory, encoder_append(o->encoder, ev, id), -ERR_NOMEM);
    } while (status && retry(o, status));
    return status == 0;
}

bool output_record(struct output *o, const struct record *record, uint32_t *id)
{
    struct event ev = {.kind = EVENT_RECORD, .record = record};
    return output_event(o, &ev, id);
}

bool output_alloc(struct output *o, unsigned allocator, uint32_t stack, uint64_t size_bytes)
{
    int status;
    if (o->stopped)
        return false;
    do {
        status = encoder_alloc(o->encoder, allocator, stack, size_bytes);
    } while (status && retry(o, status));
    return status == 0;
}

bool output_free(struct output *o, uint64_t index)
{
    int status;
    if (o->stopped)
        return false;
    do {
        status = encoder_free_index(o->encoder, index);
    } while (status && retry(o, status));
    return status == 0;
}

void output_stamp(struct output *o)
{
    uint64_t now_ns =
        clock_ns(CLOCK_MONOTONIC) - FAILPOINT(clock_back, 0, 1) * UINT64_C(1000000000);
    o->now_ns = now_ns > o->started_mono_ns ? now_ns - o->started_mono_ns : 0;
    o->now_ns -= o->now_ns % TIME_COARSE_NS; /* finer than a drain can tell, and short in the trace
                                              */
    struct event ev = {.kind = EVENT_TIME, .time_ns = o->now_ns};
    output_event(o, &ev, NULL);
}

void output_tick(struct output *o)
{
    bool due = o->now_ns - o->sealed_ns >= SEAL_NS && !encoder_empty(o->encoder);
    if (!o->stopped && (encoder_full(o->encoder) || due))
        seal(o);
}

void output_flush(struct output *o)
{
    if (!o->stopped && !encoder_empty(o->encoder))
        seal(o);
    writer_drain(o->writer);
}

uint64_t output_finish(struct output *o)
{
    bool stopped = o->stopped != REASON_NONE;
    if (stopped && !writer_failed(o->writer)) { /* stopped by us: the file can still say why */
        struct record record = {.type = RECORD_STOP, .stop = {.reason = (uint8_t)o->stopped}};
        struct event ev = {.kind = EVENT_RECORD, .record = &record};
        encoder_append(o->encoder, &ev, NULL);
    }
    if (!writer_failed(o->writer) && !encoder_empty(o->encoder))
        seal(o);
    uint64_t events = encoder_events(o->encoder);
    writer_finish(o->writer, events, encoder_next_alloc(o->encoder), o->now_ns, stopped);
    encoder_free(o->encoder);
    names_free(o->names);
    return events;
}
