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
    json_bool(&j, "whole", rec->file.complete && !rec->file.damage_count);
    json_number(&j, "file_bytes", rec->file_bytes);
    json_number(&j, "cut_bytes", rec->file.cut_bytes);
    json_number(&j, "blocks", rec->file.blocks);
    json_number(&j, "lost_blocks", rec->file.lost_blocks);
    json_number(&j, "lost_allocations", rec->file.lost_allocations);
    json_number(&j, "lost_frees", rec->replay.totals.lost_frees);
    json_array(&j, "damage");
    for (size_t i = 0; i < rec->file.damage_count; i++) {
        const struct trace_damage *d = &rec->file.damage[i];
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
    const struct file_facts *file = &report->rec->file;
    FILE *out = report->terminal.out;
    if (!file->damage_count)
        return;
    fputs("\nDamage, by offset in the file:\n", out);
    for (size_t i = 0; i < file->damage_count; i++) {
        const struct trace_damage *d = &file->damage[i];
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
    if (rec->file.damage_count)
        return "damaged";
    return rec->file.complete ? "whole" : "incomplete, otherwise sound";
}

int verify_report(struct report *report)
{
    const struct recording *rec = report->rec;
    const struct file_facts *file = &rec->file;
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
            quantity_count(file->blocks).text, file->blocks == 1 ? "" : "s",
            quantity_count(rec->replay.totals.events).text);
    if (file->lost_blocks)
        fprintf(out,
                "  %s block(s) lost, with %s events; %s frees of what they allocated were passed "
                "over\n",
                quantity_count(file->lost_blocks).text,
                quantity_count(recording_lost_events(rec)).text,
                quantity_count(rec->replay.totals.lost_frees).text);
    if (file->cut_bytes)
        fprintf(out, "  %s of an unfinished block at the end\n",
                quantity_size(file->cut_bytes).text);
    print_damage(report);
    return 0;
}
