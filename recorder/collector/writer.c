/* The writing thread (writer.h). Why the size limit writes a block of its own: the file then says
 * itself that and where it stops. */
#define _GNU_SOURCE
#include "recorder/collector/writer.h"
#include "format/grow.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX_BYTES   (24u << 20)
#define INDEX_FIRST       64u
#define INDEX_MAX         (1u << 20)
#define SPACE_CHECK_BYTES (4u << 20)
#define END_BYTES         8192u /* room kept for what must follow the last block */
#define KEEP_FREE_BYTES   (UINT64_C(64) << 20)
#define ROOM_STEP_BYTES   (128u << 10)
#define DRAIN_LIMIT_S     10 /* a file system may not answer */
#define SPARES_MAX        2  /* rooms kept: fresh ones cost a page fault every 4 KiB */

struct job {
    struct job *next;
    struct block_info info;
    size_t room_bytes;
    uint8_t payload[];
};

struct writer {
    int fd;
    uint64_t trace_id;
    struct writer_limits limits;
    struct compressor *compressor;
    uint8_t *out;
    size_t out_bytes;
    struct trace_index_entry *index;
    uint32_t index_count, index_capacity, index_step, blocks;
    uint64_t checked_bytes; /* file size at the last look at the disk */
    _Atomic uint64_t bytes;
    _Atomic uint32_t failed;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed, empty;
    struct job *open;          /* whose room the caller fills */
    struct job *first, **last; /* under lock, as the four below */
    size_t queued_bytes;
    struct job *spares;
    unsigned spare_count;
    bool ending;
    uint64_t put_events;       /* that were queued without a gap */
    struct block_info refused; /* the first block for which the queue had no room, */
    bool refusing;             /* if there was one: none is taken after it */
    bool stopped;              /* it ends early, and the file says so */
    struct block_info stop;    /* the counts at which it ends then */
};

static void fail(struct writer *w, enum reason why)
{
    uint32_t none = REASON_NONE;
    atomic_compare_exchange_strong(&w->failed, &none, (uint32_t)why);
}

static bool write_all(struct writer *w, const uint8_t *bytes, size_t count)
{
    while (count) {
        size_t part = FAILPOINT(trace_short, count, (count + 1) / 2);
        ssize_t done = FAILPOINT(trace_write, write(w->fd, bytes, part), -1);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            fail(w, errno == ENOSPC || errno == EFBIG || errno == EDQUOT ? REASON_FILE_LIMIT
                                                                         : REASON_WRITE_ERROR);
            return false;
        }
        bytes += done;
        count -= (size_t)done;
        atomic_fetch_add(&w->bytes, (uint64_t)done);
    }
    return true;
}

/* Would `more` bytes break a limit? */
static bool over_limit(struct writer *w, size_t more)
{
    struct statvfs disk;
    uint64_t after = atomic_load(&w->bytes) + more;
    if (w->limits.max_bytes && after > w->limits.max_bytes)
        return true;
    if (w->checked_bytes && after - w->checked_bytes < SPACE_CHECK_BYTES)
        return false;
    w->checked_bytes = after;
    if (FAILPOINT(disk_tell, fstatvfs(w->fd, &disk), -1) != 0 || !disk.f_blocks) /* some file
                                                                                    systems do not
                                                                                    tell */
        return false;
    uint64_t percent = (uint64_t)disk.f_blocks * disk.f_frsize / 100;
    uint64_t keep = w->limits.keep_free_bytes   ? w->limits.keep_free_bytes
                    : percent < KEEP_FREE_BYTES ? percent
                                                : KEEP_FREE_BYTES;
    return FAILPOINT(disk_full, (uint64_t)disk.f_bavail * disk.f_frsize < keep + more, true);
}

static void note_block(struct writer *w, const struct block_info *info, uint64_t offset)
{
    if (w->blocks++ % w->index_step)
        return;
    if (w->index_count == INDEX_MAX) {
        for (uint32_t i = 0; i < INDEX_MAX / 2; i++)
            w->index[i] = w->index[2 * i];
        w->index_count /= 2;
        w->index_step *= 2;
    }
    if (w->index_count == w->index_capacity &&
        !FAILPOINT(index_memory, GROW(w->index, w->index_capacity, INDEX_FIRST), false))
        return;
    w->index[w->index_count++] =
        (struct trace_index_entry){offset, info->start_ns, info->first_event, info->first_alloc, 0};
}

static bool reserve_out(struct writer *w, size_t bytes)
{
    if (bytes <= w->out_bytes)
        return true;
    uint8_t *more = FAILPOINT(out_memory, realloc(w->out, bytes), NULL);
    if (!more)
        return false;
    w->out = more;
    w->out_bytes = bytes;
    return true;
}

/* In place of the first block that is over the limit: one that says so, and from which all counts
 * end. */
static void write_stop(struct writer *w, const struct block_info *instead, enum reason why)
{
    struct record record = {.type = RECORD_STOP, .stop = {.reason = (uint8_t)why}};
    struct event ev = {.kind = EVENT_RECORD, .record = &record};
    uint8_t payload[END_BYTES / 2];
    struct block_info info, sealed;
    struct encoder *e = FAILPOINT(stop_memory, encoder_new(), NULL);
    if (e && encoder_append(e, &ev, NULL) == 0 &&
        encoder_seal(e, payload, sizeof payload, &sealed) == 0) {
        info = *instead;
        info.payload_bytes = sealed.payload_bytes;
        info.payload_crc32 = sealed.payload_crc32;
        info.op_count = sealed.op_count;
        info.event_count = info.alloc_count = 0;
        int64_t bytes =
            trace_block_write(w->compressor, w->trace_id, &info, payload, w->out, w->out_bytes);
        uint64_t offset = atomic_load(&w->bytes);
        if (bytes > 0 && write_all(w, w->out, (size_t)bytes)) {
            note_block(w, &info, offset);
            w->stopped = true;
            w->stop = info;
        }
    }
    encoder_free(e);
}

static void write_job(struct writer *w, const struct job *job)
{
    if (atomic_load(&w->failed))
        return;
    size_t bound = trace_block_bound(job->info.payload_bytes);
    int64_t bytes =
        reserve_out(w, bound)
            ? trace_block_write(w->compressor, w->trace_id, &job->info, job->payload, w->out, bound)
            : -1;
    if (bytes < 0) {
        fail(w, REASON_QUEUE_FULL);
        return;
    }
    if (over_limit(w, (size_t)bytes + END_BYTES + trace_index_bound(w->index_count + 1))) {
        write_stop(w, &job->info, REASON_FILE_LIMIT);
        fail(w, REASON_FILE_LIMIT);
        return;
    }
    uint64_t offset = atomic_load(&w->bytes);
    if (write_all(w, w->out, (size_t)bytes))
        note_block(w, &job->info, offset);
}

/* What to do with a job that is done; under lock. */
static void put_away(struct writer *w, struct job *job)
{
    if (w->spare_count == SPARES_MAX) {
        free(job);
        return;
    }
    job->next = w->spares;
    w->spares = job;
    w->spare_count++;
}

static void *work(void *context)
{
    struct writer *w = context;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->first && !w->ending)
            pthread_cond_wait(&w->changed, &w->lock);
        struct job *job = w->first;
        if (!job)
            break;
        pthread_mutex_unlock(&w->lock);
        write_job(w, job);
        pthread_mutex_lock(&w->lock);
        w->first = job->next;
        if (!w->first) {
            w->last = &w->first;
            pthread_cond_signal(&w->empty);
        }
        w->queued_bytes -= job->info.payload_bytes;
        put_away(w, job);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool write_header(struct writer *w, const struct trace_header *header)
{
    size_t bound = trace_header_bound(header);
    int bytes = reserve_out(w, bound) ? trace_header_write(header, w->out, bound) : -1;
    return bytes > 0 && FAILPOINT(header_write, write_all(w, w->out, (size_t)bytes), false);
}

static void writer_free(struct writer *w)
{
    for (struct job *next; w->spares; w->spares = next) {
        next = w->spares->next;
        free(w->spares);
    }
    free(w->open);
    close(w->fd);
    compressor_free(w->compressor);
    free(w->out);
    free(w->index);
    free(w);
}

/* Waited for with a limit, by a clock that nobody sets. */
static void init_empty(pthread_cond_t *empty)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(empty, &how);
    pthread_condattr_destroy(&how);
}

int writer_start(struct writer **out, int fd, const struct trace_header *header,
                 const struct writer_limits *limits, struct err *err)
{
    struct writer *w = FAILPOINT(writer_memory, calloc(1, sizeof *w), NULL);
    if (!w) {
        close(fd);
        return err_set(err, ERR_NOMEM, "no memory for the trace's writer");
    }
    w->fd = fd;
    w->trace_id = header->trace_id;
    w->limits = *limits;
    w->index_step = 1;
    w->last = &w->first;
    w->compressor = FAILPOINT(compressor_memory, compressor_new(), NULL);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    init_empty(&w->empty);
    int status = 0;
    if (!w->compressor)
        status = err_set(err, ERR_NOMEM, "no memory for the compressor");
    else if (!write_header(w, header))
        status =
            err_set(err, ERR_IO, "the trace's header could not be written: %s", strerror(errno));
    else if (FAILPOINT(writer_thread, pthread_create(&w->thread, NULL, work, w), EAGAIN) != 0)
        status = err_set(err, ERR_SYSTEM, "the writing thread could not be started");
    if (status)
        writer_free(w);
    else
        *out = w;
    return status;
}

static struct job *take_spare(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    struct job *job = w->spares;
    if (job) {
        w->spares = job->next;
        w->spare_count--;
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

uint8_t *writer_room(struct writer *w, size_t bytes)
{
    if (!w->open)
        w->open = take_spare(w);
    if (w->open && w->open->room_bytes < bytes) {
        free(w->open);
        w->open = NULL;
    }
    if (!w->open) {
        size_t room = (bytes + ROOM_STEP_BYTES - 1) / ROOM_STEP_BYTES * ROOM_STEP_BYTES;
        w->open = FAILPOINT(room_memory, malloc(sizeof *w->open + room), NULL);
        if (!w->open)
            return NULL;
        w->open->room_bytes = room;
    }
    return w->open->payload;
}

int writer_put(struct writer *w, const struct block_info *info)
{
    struct job *job = w->open;
    if (!job || info->payload_bytes > job->room_bytes)
        return -ERR_USAGE;
    if (w->refusing)
        return -ERR_LIMIT;
    job->next = NULL;
    job->info = *info;
    pthread_mutex_lock(&w->lock);
    bool room = FAILPOINT(
        queue_full, !w->first || w->queued_bytes + info->payload_bytes <= QUEUE_MAX_BYTES, false);
    if (room) {
        *w->last = job;
        w->last = &job->next;
        w->queued_bytes += info->payload_bytes;
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    if (room) {
        w->open = NULL;
        w->put_events = info->first_event + info->event_count;
    } else {
        w->refusing = true;
        w->refused = *info;
    }
    return room ? 0 : -ERR_LIMIT;
}

void writer_drain(struct writer *w)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += DRAIN_LIMIT_S;
    pthread_mutex_lock(&w->lock);
    while (w->first && pthread_cond_timedwait(&w->empty, &w->lock, &end) == 0)
        ;
    pthread_mutex_unlock(&w->lock);
}

enum reason writer_failed(const struct writer *w) { return atomic_load(&w->failed); }
uint64_t writer_bytes(const struct writer *w) { return atomic_load(&w->bytes); }

static bool write_index(struct writer *w, uint64_t *offset)
{
    size_t bound = trace_index_bound(w->index_count);
    int64_t bytes =
        reserve_out(w, bound) ? trace_index_write(w->index, w->index_count, w->out, bound) : -1;
    *offset = bytes > 0 ? atomic_load(&w->bytes) : 0;
    return bytes > 0 && FAILPOINT(index_write, write_all(w, w->out, (size_t)bytes), false);
}

int writer_finish(struct writer *w, uint64_t events, uint64_t allocs, uint64_t end_ns, bool stopped)
{
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    if (!atomic_load(&w->failed) && w->refusing)
        write_stop(w, &w->refused, REASON_QUEUE_FULL);
    if (w->put_events != events && !w->stopped) /* the last block found no memory */
        fail(w, REASON_QUEUE_FULL);
    uint8_t bytes[TRACE_TRAILER_BYTES];
    struct trace_trailer trailer = {.flags = stopped || w->stopped,
                                    .events = events,
                                    .allocs = allocs,
                                    .end_ns = end_ns,
                                    .blocks = w->blocks};
    if (w->stopped) {
        trailer.events = w->stop.first_event;
        trailer.allocs = w->stop.first_alloc;
        trailer.end_ns = w->stop.start_ns;
    }
    bool whole = (!atomic_load(&w->failed) || w->stopped) && write_index(w, &trailer.index_offset);
    int length = whole ? trace_trailer_write(&trailer, bytes, sizeof bytes) : -1;
    whole = length > 0 && write_all(w, bytes, (size_t)length);
    writer_free(w);
    return whole ? 0 : -ERR_IO;
}
