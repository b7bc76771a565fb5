/* stacks TRACE FILE FROM TO: each allocation whose innermost frame is in FILE, at an offset from
 * FROM on and below TO, with its stack as it was recorded, before any name is looked up. A line
 * each: bytes, and the frames, outermost first, parted by tabs: "offset path" of machine code,
 * ":line function" of Python. */
#include "replay/reader.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct function {
    uint8_t kind;
    char *name, *file;
};

struct node {
    uint32_t parent, function;
    uint64_t line;
};

static struct function *functions;
static struct node *nodes;
static uint32_t function_count, node_count;

static void *room(void *of, uint32_t *count, uint32_t id, size_t bytes)
{
    if (id < *count)
        return of;
    uint32_t more = 2 * id + 1000;
    of = realloc(of, more * bytes);
    memset((char *)of + *count * bytes, 0, (more - *count) * bytes);
    *count = more;
    return of;
}

static void define_function(const struct record *r)
{
    uint32_t id = r->function.id;
    functions = room(functions, &function_count, id, sizeof *functions);
    functions[id].kind = r->function.kind;
    functions[id].name = strndup(r->function.name.bytes, r->function.name.length);
    functions[id].file = strndup(r->function.file.bytes, r->function.file.length);
}

static void define_node(const struct event *e)
{
    nodes = room(nodes, &node_count, e->stack, sizeof *nodes);
    nodes[e->stack] = (struct node){e->parent, e->function, e->line};
    functions = room(functions, &function_count, e->function, sizeof *functions);
}

static void print_frames(uint32_t stack)
{
    if (stack < STACK_FIRST) {
        if (stack == STACK_UNKNOWN)
            printf("\tunknown");
        return;
    }
    const struct node *n = &nodes[stack];
    const struct function *f = &functions[n->function];
    print_frames(n->parent);
    if (f->kind == FUNCTION_MODULE)
        printf("\t%" PRIu64 " %s", n->line, f->file);
    else
        printf("\t:%" PRIu64 " %s", n->line, f->name);
}

struct wanted {
    const char *file;
    uint64_t from, to;
};

static bool is_wanted(uint32_t stack, const struct wanted *w)
{
    if (stack < STACK_FIRST)
        return false;
    const struct node *n = &nodes[stack];
    const struct function *f = &functions[n->function];
    return f->kind == FUNCTION_MODULE && n->line >= w->from && n->line < w->to &&
           !strcmp(f->file, w->file);
}

static void take(const struct event *e, const struct wanted *w)
{
    if (e->kind == EVENT_RECORD && e->record->type == RECORD_FUNCTION)
        define_function(e->record);
    else if (e->kind == EVENT_STACK)
        define_node(e);
    else if ((e->kind == EVENT_ALLOC || e->kind == EVENT_ALLOC_ADDRESS) && is_wanted(e->stack, w)) {
        printf("%" PRIu64, e->size_bytes);
        print_frames(e->stack);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    struct reader reader;
    struct batch batch;
    struct err err = {0};
    int fd = argc == 5 ? open(argv[1], O_RDONLY) : -1, more = 0;
    if (fd < 0 || reader_open(&reader, fd, argv[1], &err) || batch_init(&batch, BATCH_EVENTS))
        return 1;
    struct wanted wanted = {argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0)};
    while ((more = reader_read(&reader, &batch, &err)) > 0) {
        for (int i = 0; i < batch.count; i++)
            take(&batch.events[i], &wanted);
    }
    bool whole = !more && !reader.damage_count && reader_complete(&reader);
    batch_release(&batch);
    reader_close(&reader);
    return !whole;
}
