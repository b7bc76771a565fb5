/* The tables of one recorded process (recorded.h). Why plain arrays: a process numbers its nodes
 * and codes from 1 on without gaps. */
#include "recorder/collector/recorded.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER_LIMIT (1u << 28) /* as the interner has it */
#define NUMBER_JUMP                                                                                \
    65536u /* ids come in order, but for those that were given up: a larger gap is a lie */

struct recorded *recorded_new(struct address_pool *pool)
{
    struct recorded *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->pidfd = p->pagemap = -1;
    ranges_init(&p->ranges);
    if (addresses_init(&p->addresses, pool) == 0)
        return p;
    recorded_free(p);
    return NULL;
}

static void close_all(struct recorded *p)
{
    int *fds[] = {&p->pidfd, &p->pagemap};
    for (unsigned i = 0; i < 2; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void drop_lines(struct shared_lines *lines)
{
    if (lines && --lines->users == 0)
        free(lines);
}

static struct shared_lines *read_lines(const struct line_table *table)
{
    uint32_t count = lines_decode(table, NULL, 0);
    struct shared_lines *lines = malloc(sizeof *lines + count * sizeof lines->runs[0]);
    if (!lines)
        return NULL;
    lines->users = 1;
    lines->first_line = table->first_line;
    lines->count = lines_decode(table, lines->runs, count);
    return lines;
}

static void drop_definitions(struct recorded *p)
{
    for (uint32_t i = 0; i < p->code_count; i++)
        drop_lines(p->codes[i].lines);
    free(p->codes);
    free(p->nodes);
    p->codes = NULL;
    p->nodes = NULL;
    p->code_count = p->code_capacity = p->node_count = p->node_capacity = 0;
}

void recorded_end(struct recorded *p, bool keep_definitions)
{
    close_all(p);
    addresses_release(&p->addresses);
    ranges_release(&p->ranges);
    ranges_init(&p->ranges);
    bigblocks_release(&p->big);
    p->ended = true;
    if (keep_definitions)
        return;
    drop_definitions(p);
    proc_image_release(&p->image);
}

void recorded_free(struct recorded *p)
{
    if (!p)
        return;
    recorded_end(p, false);
    free(p);
}

/* Makes room for number `id` in an array of `size`-byte items; new places are zero. */
static bool reach(void **items, uint32_t *count, uint32_t *capacity, uint32_t id, size_t size)
{
    if (id < *count)
        return true;
    if (id - *count > NUMBER_JUMP || id >= NUMBER_LIMIT)
        return false;
    if (id >= *capacity) {
        uint32_t places = *capacity ? *capacity : 256;
        while (places <= id)
            places *= 2;
        void *more = realloc(*items, (size_t)places * size);
        if (!more)
            return false;
        memset((char *)more + (size_t)*capacity * size, 0, (size_t)(places - *capacity) * size);
        *items = more;
        *capacity = places;
    }
    *count = id + 1;
    return true;
}

bool recorded_inherit(struct recorded *child, const struct recorded *parent)
{
    struct known_node *nodes = malloc((size_t)parent->node_count * sizeof *nodes + 1);
    struct known_code *codes = malloc((size_t)parent->code_count * sizeof *codes + 1);
    if (!nodes || !codes) {
        free(nodes);
        free(codes);
        return false;
    }
    if (parent->node_count)
        memcpy(nodes, parent->nodes, parent->node_count * sizeof *nodes);
    for (uint32_t i = 0; i < parent->code_count; i++) {
        codes[i] = parent->codes[i];
        if (codes[i].lines)
            codes[i].lines->users++;
    }
    child->nodes = nodes;
    child->node_count = child->node_capacity = parent->node_count;
    child->codes = codes;
    child->code_count = child->code_capacity = parent->code_count;
    return true;
}

bool recorded_define_code(struct recorded *p, uint32_t code, uint32_t function,
                          const struct line_table *table)
{
    if (!reach((void **)&p->codes, &p->code_count, &p->code_capacity, code, sizeof *p->codes))
        return false;
    struct shared_lines *lines = read_lines(table);
    if (!lines)
        return false;
    drop_lines(p->codes[code].lines);
    p->codes[code] = (struct known_code){function, lines};
    return true;
}

bool recorded_define_node(struct recorded *p, struct names *names, uint32_t node, uint32_t parent,
                          uint32_t code, int32_t lasti)
{
    if (!reach((void **)&p->nodes, &p->node_count, &p->node_capacity, node, sizeof *p->nodes))
        return false;
    const struct known_code *known =
        code < p->code_count && p->codes[code].lines ? &p->codes[code] : NULL;
    const struct shared_lines *lines = known ? known->lines : NULL;
    int32_t line = lines ? lines_find_run(lines->runs, lines->count, lines->first_line, lasti) : 0;
    uint32_t outermost = recorded_outermost(p, parent);
    p->nodes[node].stack = names_stack(names, recorded_stack(p, parent),
                                       known ? known->function : FUNCTION_UNKNOWN, (uint32_t)line);
    p->nodes[node].outermost = outermost ? outermost : code;
    return true;
}
