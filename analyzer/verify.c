/* `memreplay verify`: is the file whole; what is damaged, what could be saved.
 * Why by replaying: a checksum tells that bytes are as written, the replay that they make sense
 * together. Not here: recovery itself (format/trace_read.c, replay/reader.c). */
#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include "analyzer/trace_json.h"
#include <inttypes.h>
#include <string.h>

static void write_json(const struct report *report)
{
    const struct recording *rec = report->rec;
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    json_bool(&j, "whole", reader_complete(&rec->reader) && !rec->reader.damage_count);
    json_number(&j, "file_bytes", rec->file_bytes);
    json_number(&j, "cut_bytes", trace_reader_cut(rec->reader.trace));
    json_number(&j, "blocks", rec->reader.blocks);
    json_number(&j, "lost_blocks", rec->reader.lost_blocks);
    json_number(&j, "lost_allocations", lost_count(&rec->replay.lost));
    json_number(&j, "lost_frees", rec->replay.totals.lost_frees);
    json_array(&j, "damage");
    for (size_t i = 0; i < rec->reader.damage_count; i++) {
        const struct trace_damage *d = &rec->reader.damage[i];
        json_flat_object(&j, 0);
        json_number(&j, "offset", d->offset);
        json_number(&j, "length", d->length);
        json_number(&j, "blocks", d->blocks);
        json_string(&j, "what", d->what);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
}

static void print_damage(const struct report *report)
{
    const struct reader *reader = &report->rec->reader;
    FILE *out = report->terminal.out;
    if (!reader->damage_count)
        return;
    fputs("\nDamage, by offset in the file:\n", out);
    for (size_t i = 0; i < reader->damage_count; i++) {
        const struct trace_damage *d = &reader->damage[i];
        char what[400] = "";
        size_t used = 0;
        glyph_append(what, sizeof what, &used, d->what, strnlen(d->what, sizeof d->what),
                     report->frames.ascii);
        fprintf(out, "  %12" PRIu64 "  %s passed over: %s", d->offset,
                quantity_size(d->length).text, what);
        if (d->blocks)
            fprintf(out, " (%u block%s lost)", d->blocks, d->blocks == 1 ? "" : "s");
        fputc('\n', out);
    }
}

static const char *verdict(const struct recording *rec)
{
    if (rec->reader.damage_count)
        return "damaged";
    return reader_complete(&rec->reader) ? "whole" : "incomplete, otherwise sound";
}

int verify_report(struct report *report)
{
    const struct recording *rec = report->rec;
    const struct reader *reader = &rec->reader;
    FILE *out = report->terminal.out;
    char name[512] = "";
    size_t used = 0;
    if (report->options->json) {
        write_json(report);
        return 0;
    }
    glyph_append(name, sizeof name, &used, rec->name, strlen(rec->name), report->frames.ascii);
    fprintf(out, "%s: %s\n", name, verdict(rec));
    fprintf(out, "  %s, %s block%s, %s events read\n", quantity_size(rec->file_bytes).text,
            quantity_count(reader->blocks).text, reader->blocks == 1 ? "" : "s",
            quantity_count(rec->replay.totals.events).text);
    if (reader->lost_blocks)
        fprintf(out,
                "  %s block(s) lost, with %s events; %s frees of what they allocated were passed "
                "over\n",
                quantity_count(reader->lost_blocks).text,
                quantity_count(recording_lost_events(rec)).text,
                quantity_count(rec->replay.totals.lost_frees).text);
    if (trace_reader_cut(reader->trace))
        fprintf(out, "  %s of an unfinished block at the end\n",
                quantity_size(trace_reader_cut(reader->trace)).text);
    print_damage(report);
    return 0;
}
