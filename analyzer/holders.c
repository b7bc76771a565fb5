/* Summing up by the program's own functions (holders.h). */
#include "analyzer/holders.h"

#include <stdlib.h>

static void add_up(struct holders *h, const struct comparison *c, const uint32_t *holder_of)
{
    for (uint32_t node = PATH_ROOT; node < c->paths->node_count; node++) {
        struct holder *holder = &h->items[holder_of[node]];
        holder->bytes[0] += c->nodes[node].bytes[0];
        holder->bytes[1] += c->nodes[node].bytes[1];
    }
}

/* Keeps the list in falling order of its differences. */
static void insert(struct holder *list, uint32_t *count, const struct holder *holder)
{
    uint64_t size = magnitude(difference(holder->bytes[0], holder->bytes[1]));
    uint32_t at = *count;
    while (at > 0 && magnitude(difference(list[at - 1].bytes[0], list[at - 1].bytes[1])) < size)
        at--;
    if (at == HOLDERS_TOLD)
        return;
    *count += *count < HOLDERS_TOLD;
    for (uint32_t i = *count - 1; i > at; i--)
        list[i] = list[i - 1];
    list[at] = *holder;
}

static void sort_out(struct holders *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        const struct holder *holder = &h->items[i];
        int64_t delta = difference(holder->bytes[0], holder->bytes[1]);
        if (delta < 0) {
            h->lost_bytes += magnitude(delta);
            insert(h->lost, &h->lost_count, holder);
        } else if (delta > 0) {
            h->gained_bytes += magnitude(delta);
            insert(h->gained, &h->gained_count, holder);
        }
    }
}

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* What may have gone from one holder to itself under another name. */
static uint64_t renamed_bytes(const struct holders *h, const struct proposals *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->count; i++)
        sum += smaller(h->items[p->items[i].before].bytes[0], h->items[p->items[i].after].bytes[1]);
    return sum;
}

/* A tenth of the side or more, and beyond the noise? */
static bool matters(const struct comparison *c, unsigned side, uint64_t bytes)
{
    return bytes > c->noise_bytes && bytes >= c->sides[side].middle->held.values.bytes / 10;
}

int holders_init(struct holders *h, const struct comparison *c, const struct proposals *p)
{
    *h = (struct holders){.count = c->paths->function_count};
    uint32_t *holder_of = paths_holders(c->paths);
    h->items = calloc(h->count, sizeof *h->items);
    if (!holder_of || !h->items) {
        free(holder_of);
        return -ERR_NOMEM;
    }
    for (uint32_t i = 0; i < h->count; i++)
        h->items[i].function = i;
    add_up(h, c, holder_of);
    free(holder_of);
    sort_out(h);
    uint64_t renamed = renamed_bytes(h, p);
    h->moved = matters(c, 0, h->lost_bytes - renamed) && matters(c, 1, h->gained_bytes - renamed);
    return 0;
}

void holders_release(struct holders *h)
{
    free(h->items);
    *h = (struct holders){0};
}
