/* The window's memory: one buffer, moved down when its tail is short, doubled when it is full. */
#include "format/source.h"
#include "format/error.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)

void source_init(struct source *s, int fd) { *s = (struct source){.fd = fd}; }

void source_release(struct source *s)
{
    free(s->buffer);
    s->buffer = NULL;
}

/* Room for READ_BYTES behind what is available. */
static int make_room(struct source *s)
{
    if (s->capacity - s->end >= READ_BYTES)
        return 0;
    size_t available = source_available(s);
    if (s->start >= READ_BYTES && s->start >= available) {
        memcpy(s->buffer, source_at(s), available);
    } else {
        size_t capacity = 2 * (available + READ_BYTES);
        uint8_t *buffer = malloc(capacity);
        if (!buffer)
            return -ERR_NOMEM;
        if (available)
            memcpy(buffer, source_at(s), available);
        free(s->buffer);
        s->buffer = buffer;
        s->capacity = capacity;
    }
    s->start = 0;
    s->end = available;
    return 0;
}

int source_more(struct source *s)
{
    if (s->ended)
        return 0;
    int result = make_room(s);
    if (result)
        return result;
    ssize_t got;
    do
        got = read(s->fd, s->buffer + s->end, READ_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        s->error = errno;
        return -ERR_IO;
    }
    s->ended = got == 0;
    s->end += (size_t)got;
    return got > 0;
}

int source_need(struct source *s, size_t bytes)
{
    while (source_available(s) < bytes) {
        int result = source_more(s);
        if (result <= 0)
            return result;
    }
    return 1;
}

void source_consume(struct source *s, size_t bytes)
{
    s->start += bytes;
    s->offset += bytes;
    if (s->start == s->end)
        s->start = s->end = 0;
}
