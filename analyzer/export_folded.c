/* Folded stacks, as flamegraph.pl and its kin read them: `a (job.py:1);b (job.py:7) 4096`, a line a
 * stack, the bytes behind the last blank. Why `\x3b` for a semicolon in a name: it would cut the
 * name in two, and no other separator is free. Line feeds were escaped with all control
 * characters. */
#include "analyzer/export.h"

#include "format/error.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_text(FILE *out, const char *text)
{
    for (size_t part; *text; text += part + 1) {
        part = strcspn(text, ";");
        fwrite(text, 1, part, out);
        if (!text[part])
            return;
        fputs("\\x3b", out);
    }
}

/* Is all that is known of its place the module, which its name says? */
static bool bare(const struct symbols *s, uint32_t frame)
{
    const struct function *f = symbols_function(s, s->frames[frame].function);
    return f && f->module->length && f->file == f->module;
}

static void write_frame(struct exporter *e, uint32_t frame, FILE *out)
{
    char place[sizeof e->shown.file + 32] = "";
    put_text(out, e->shown.function);
    if (frame < FRAME_NO_STACK && !bare(e->callers.symbols, frame)) {
        const struct frame *f = &e->callers.symbols->frames[frame];
        frame_place(place, sizeof place, e->callers.symbols, f->function, f->line,
                    &e->report.frames);
    }
    if (!place[0])
        return;
    fputs(" (", out);
    put_text(out, place);
    fputc(')', out);
}

/* Writes the frames that export_stack gave, the outermost first. */
static int put_frames(struct exporter *e)
{
    for (size_t depth = e->callers.depth; depth--;) {
        const char *text = export_text(e, e->callers.frames[depth], write_frame);
        if (!text)
            return -ERR_NOMEM;
        fputs(text, e->out);
        fputc(depth ? ';' : ' ', e->out);
    }
    return 0;
}

int export_folded(struct exporter *e)
{
    size_t count;
    struct stack_sum *sums = export_stacks(e, &count);
    e->modules = true;
    int rc = sums ? 0 : -ERR_NOMEM;
    for (size_t i = 0; i < count && !rc; i++) {
        rc = export_stack(e, sums[i].stack);
        rc = rc ? rc : put_frames(e);
        fprintf(e->out, "%" PRIu64 "\n", sums[i].bytes);
    }
    free(sums);
    return rc;
}
