/* Collecting and sorting offsets (asked.h). Why one sort: frames of one offset come together, and
 * so do the offsets of a module. */
#include "replay/asked.h"

#include "format/error.h"
#include "format/grow.h"

/* A frame at a module's offset, while they are sorted. */
struct found {
    uint64_t offset;
    uint32_t function, frame;
};

static int by_place(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->function != b->function)
        return a->function < b->function ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static const struct function *module_of(const struct symbols *s, uint32_t frame)
{
    const struct function *f = symbols_function(s, s->frames[frame].function);
    return f && f->kind == FUNCTION_MODULE ? f : 0;
}

/* The wanted frames, unsorted. Returns how many. */
static uint32_t collect(const struct symbols *s, const uint8_t *wanted, struct found *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->frame_count; i++) {
        const struct function *f = wanted && !wanted[i] ? 0 : module_of(s, i);
        if (f)
            out[count++] = (struct found){s->frames[i].line, f->same, i};
    }
    return count;
}

static void take(struct asked *a, const struct found *found)
{
    struct asked_module *module = a->module_count ? &a->modules[a->module_count - 1] : 0;
    struct asked_offset *last = a->count ? &a->items[a->count - 1] : 0;
    bool other = !module || module->function != found->function;
    if (other)
        a->modules[a->module_count++] = (struct asked_module){found->function, a->count, 0};
    if (other || last->offset != found->offset) {
        a->items[a->count++] =
            (struct asked_offset){.offset = found->offset, .module = a->module_count - 1};
        a->modules[a->module_count - 1].count++;
    }
    a->of_frame[found->frame] = a->count;
}

int asked_init(struct asked *a, const struct symbols *s, const uint8_t *wanted)
{
    size_t room = s->frame_count + 1ul;
    struct found *found = malloc(room * sizeof *found);
    *a = (struct asked){.frame_count = s->frame_count};
    uint32_t count = found ? collect(s, wanted, found) : 0;
    a->of_frame = calloc(room, sizeof *a->of_frame);
    a->items = calloc(count + 1ul, sizeof *a->items);
    a->modules = calloc(count + 1ul, sizeof *a->modules);
    bool ok = found && a->of_frame && a->items && a->modules;
    if (ok && count)
        qsort(found, count, sizeof *found, by_place);
    for (uint32_t i = 0; ok && i < count; i++)
        take(a, &found[i]);
    free(found);
    return ok ? 0 : -ERR_NOMEM;
}

void asked_release(struct asked *a)
{
    free(a->items);
    free(a->modules);
    free(a->of_frame);
    free(a->frames);
    *a = (struct asked){0};
}

struct asked_offset *asked_find(const struct asked *a, uint32_t module, uint64_t offset)
{
    uint32_t low = a->modules[module].first, high = low + a->modules[module].count;
    uint32_t end = high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (a->items[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && a->items[low].offset == offset ? &a->items[low] : 0;
}

int asked_add_frame(struct asked *a, struct asked_offset *item, uint32_t frame)
{
    if (a->answer_frames == a->answer_capacity && !GROW(a->frames, a->answer_capacity, 256u))
        return -ERR_NOMEM;
    if (!item->count)
        item->first = a->answer_frames;
    a->frames[a->answer_frames++] = frame;
    item->count++;
    return 0;
}
