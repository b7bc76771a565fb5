/* Batches and the records that they own (batch.h). Why each record is allocated by itself: they are
 * few beside the events. */
#include "replay/batch.h"

#include "format/error.h"
#include "format/record.h"
#include <stdlib.h>

struct kept_record {
    struct kept_record *next;
    struct record record;
    max_align_t room[];
};

int batch_init(struct batch *b, int capacity)
{
    *b = (struct batch){.capacity = capacity};
    b->events = malloc((size_t)capacity * sizeof *b->events);
    return b->events ? 0 : -ERR_NOMEM;
}

void batch_clear(struct batch *b)
{
    while (b->records) {
        struct kept_record *next = b->records->next;
        free(b->records);
        b->records = next;
    }
    b->record_bytes = 0;
    b->count = 0;
}

void batch_release(struct batch *b)
{
    batch_clear(b);
    free(b->events);
    *b = (struct batch){0};
}

int batch_keep_record(struct batch *b)
{
    struct event *ev = &b->events[b->count - 1];
    size_t bytes = sizeof(struct kept_record) + record_copy_bytes(ev->record);
    struct kept_record *kept = malloc(bytes);
    if (!kept)
        return -ERR_NOMEM;
    kept->next = b->records;
    record_copy(&kept->record, ev->record, kept->room);
    b->records = kept;
    b->record_bytes += bytes;
    ev->record = &kept->record;
    return 0;
}
