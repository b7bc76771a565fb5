/* Heads of text reports: the command and its figures (heading.h). Why one place: the figures
 * stand above the bytes of the trees below them. */
#include "analyzer/heading.h"

#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include <stdarg.h>

void heading_command_text(const struct report *report, char *out, size_t capacity)
{
    const struct trace_header *h = report->rec->file.header;
    size_t used = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < h->argument_count; i++) {
        if (i)
            glyph_append(out, capacity, &used, " ", 1, true);
        glyph_append(out, capacity, &used, h->arguments[i].bytes, h->arguments[i].length,
                     report->frames.ascii);
    }
}

void heading_command(const struct report *report)
{
    const struct process *root = model_root(&report->rec->replay.model);
    char text[2048], about[256] = "", version[64] = "";
    struct row row;
    size_t used = 0;
    heading_command_text(report, text, sizeof text);
    if (root && root->python->length)
        glyph_append(version, sizeof version, &used, root->python->bytes, root->python->length,
                     true);
    if (root)
        snprintf(about, sizeof about, "  %s%s%spid %u", version[0] ? "Python " : "", version,
                 version[0] ? ", " : "", root->pid);
    row_begin(&row, &report->terminal);
    row_put(&row, STYLE_BOLD, text[0] ? text : "(command unknown)",
            row_left(&row) - glyph_text_columns(about));
    row_put(&row, STYLE_DIM, about, row_left(&row));
    row_end(&row);
}

static void sentence(const struct report *report, enum style style, const char *figure,
                     const char *format, va_list arguments)
{
    char text[512];
    struct row row;
    vsnprintf(text, sizeof text, format, arguments);
    row_begin(&row, &report->terminal);
    row_right(&row, style, figure, 9);
    row_to(&row, 11);
    row_words(&row, STYLE_PLAIN, text);
}

void heading_bytes(const struct report *report, enum style style, uint64_t bytes,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sentence(report, style, quantity_size(bytes).text, format, arguments);
    va_end(arguments);
}

void heading_line(const struct report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sentence(report, STYLE_PLAIN, "", format, arguments);
    va_end(arguments);
}
