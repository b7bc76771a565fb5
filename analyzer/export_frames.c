/* Frames and stacks for the formats (export.h). Why frames are numbered by what they read: the same
 * line of the same function has other ids in another process. */
#include "analyzer/export.h"

#include "analyzer/glyph.h"
#include "analyzer/merged.h"
#include "format/error.h"
#include <stdlib.h>
#include <string.h>

#define MISSING_FRAMES 3 /* FRAME_NO_STACK and those behind it */

int export_init(struct exporter *e, enum measure measure)
{
    const struct symbols *s = &e->report.rec->replay.model.symbols;
    e->measure = measure;
    e->out = e->report.terminal.out;
    callers_init(&e->callers, s);
    e->numbers_plus_1 = calloc((size_t)s->frame_count + MISSING_FRAMES, sizeof *e->numbers_plus_1);
    return numbering_init(&e->keys) || !e->numbers_plus_1 ? -ERR_NOMEM : 0;
}

void export_release(struct exporter *e)
{
    for (uint32_t i = 0; i < e->capacity; i++)
        free(e->texts[i]);
    callers_release(&e->callers);
    numbering_release(&e->keys);
    free(e->numbers_plus_1);
    free(e->frames);
    free(e->texts);
}

int export_stack(struct exporter *e, uint32_t stack)
{
    struct callers *c = &e->callers;
    int rc = callers_of(c, stack);
    if (rc)
        return rc;
    if (c->left_out)
        return callers_add(c, FRAME_LEFT_OUT);
    if (c->unknown)
        return callers_add(c, FRAME_UNKNOWN);
    return c->depth ? 0 : callers_add(c, FRAME_NO_STACK);
}

static const char *words_for_missing(uint32_t frame)
{
    switch (frame) {
    case FRAME_NO_STACK: return "(no Python stack)";
    case FRAME_LEFT_OUT: return "(outer frames left out)";
    default: return "(stack unknown)";
    }
}

/* What tells functions apart, and with the line in the upper half frames: below 2^32 the first of
 * the equal functions, above it what has no such number. */
static void set_keys(struct shown *shown, const struct function *f, uint32_t frame)
{
    bool by_frame = !f || f->kind == FUNCTION_MODULE || shown->line >> 31;
    shown->function_key = by_frame ? (uint64_t)1 << 32 | frame : f->same;
    shown->key = by_frame ? (uint64_t)1 << 63 | frame : shown->line << 32 | f->same;
}

/* `libz.so.1!inflate`, for formats where a name stands alone; an address says its module already.
 */
static void name_with_module(struct shown *shown, const struct function *f)
{
    char name[sizeof shown->function];
    struct text base = frame_base(f->module);
    size_t used = 0;
    memcpy(name, shown->function, sizeof name);
    shown->function[0] = 0;
    glyph_append(shown->function, sizeof shown->function / 2, &used, base.bytes, base.length,
                 false);
    snprintf(shown->function + used, sizeof shown->function - used, "!%.*s",
             (int)(sizeof shown->function - used - 2), name);
}

void export_frame(struct exporter *e, uint32_t frame)
{
    struct shown *shown = &e->shown;
    static const struct frame_style whole = {false, 0};
    const struct symbols *s = e->callers.symbols;
    const struct function *f = 0;
    size_t used = 0;
    shown->line = shown->first_line = 0;
    shown->file[0] = 0;
    if (frame >= FRAME_NO_STACK) {
        strcpy(shown->function, words_for_missing(frame));
    } else {
        f = symbols_function(s, s->frames[frame].function);
        frame_function(shown->function, sizeof shown->function, s, s->frames[frame].function,
                       s->frames[frame].line, &whole);
    }
    if (f)
        glyph_append(shown->file, sizeof shown->file, &used, f->file->bytes, f->file->length,
                     false);
    if (e->modules && f && f->module->length && !f->is_address)
        name_with_module(shown, f);
    if (f && f->kind != FUNCTION_MODULE) {
        shown->line = s->frames[frame].line;
        shown->first_line = f->first_line;
    }
    set_keys(shown, f, frame);
}

/* Room for one more number. */
static int grow(struct exporter *e)
{
    uint32_t capacity = e->capacity ? e->capacity * 2 : 1024;
    if (e->keys.count < e->capacity)
        return 0;
    uint32_t *frames = realloc(e->frames, capacity * sizeof *frames);
    e->frames = frames ? frames : e->frames;
    char **texts = frames ? realloc(e->texts, capacity * sizeof *texts) : 0;
    if (!texts)
        return -ERR_NOMEM;
    memset(texts + e->capacity, 0, (capacity - e->capacity) * sizeof *texts);
    e->texts = texts;
    e->capacity = capacity;
    return 0;
}

uint32_t export_number(struct exporter *e, uint32_t frame, bool *met)
{
    bool missing = frame >= FRAME_NO_STACK;
    uint32_t at = missing ? e->callers.symbols->frame_count + (frame - FRAME_NO_STACK) : frame;
    *met = e->numbers_plus_1[at];
    if (*met)
        return e->numbers_plus_1[at] - 1;
    if (grow(e))
        return UINT32_MAX;
    export_frame(e, frame);
    uint32_t number = numbering_of(&e->keys, e->shown.key, met);
    if (number == UINT32_MAX)
        return number;
    if (!*met)
        e->frames[number] = frame;
    e->numbers_plus_1[at] = number + 1;
    return number;
}

const char *export_text(struct exporter *e, uint32_t frame,
                        void (*write)(struct exporter *, uint32_t, FILE *))
{
    bool met;
    size_t length;
    uint32_t number = export_number(e, frame, &met);
    if (number == UINT32_MAX || met)
        return met ? e->texts[number] : 0;
    FILE *text = open_memstream(&e->texts[number], &length);
    if (!text)
        return 0;
    write(e, frame, text);
    fclose(text);
    return e->texts[number];
}

static int by_stack(const void *a, const void *b)
{
    uint32_t left = ((const struct stack_sum *)a)->stack,
             right = ((const struct stack_sum *)b)->stack;
    return (left > right) - (left < right);
}

/* Of stacks that read the same, the first. */
static uint32_t first_stack(const struct merged *m, uint32_t stack)
{
    return merged_stack(m, m->first[merged_number(m, stack)]);
}

struct stack_sum *export_stacks(const struct exporter *e, size_t *count)
{
    const struct sites *sites = &e->report.rec->replay.sites;
    struct stack_sum *sums = malloc(sites->count * sizeof *sums);
    struct selection s;
    struct merged m;
    size_t found = 0;
    *count = 0;
    if (merged_init(&m, e->callers.symbols, false) || !sums) {
        merged_release(&m);
        free(sums);
        return 0;
    }
    for (selection_start(&s, &e->report, e->measure); selection_next(&s);)
        if (s.values.bytes)
            sums[found++] =
                (struct stack_sum){first_stack(&m, site_stack(sites, s.site)), s.values.bytes};
    merged_release(&m);
    qsort(sums, found, sizeof *sums, by_stack);
    for (size_t i = 0; i < found; i++) {
        if (*count && sums[*count - 1].stack == sums[i].stack)
            sums[*count - 1].bytes += sums[i].bytes;
        else
            sums[(*count)++] = sums[i];
    }
    return sums;
}
