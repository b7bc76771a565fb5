/* What a reader must know beside a report: see report_notes in report.h. */
#include "analyzer/losses.h"
#include "analyzer/native_names.h"
#include "analyzer/quantity.h"
#include "analyzer/report.h"

#include <inttypes.h>

static void note_end(const struct recording *rec, const char *prefix, FILE *out)
{
    uint64_t cut = rec->file.cut_bytes;
    if (rec->file.complete || rec->replay.stopped)
        return;
    fprintf(
        out,
        "%s%s is incomplete: it ends without its trailer, so what happened after %s is not in it",
        prefix, rec->name, quantity_time(rec->replay.time_ns).text);
    if (cut)
        fprintf(out, " (%s of an unfinished block at the end)", quantity_size(cut).text);
    fputc('\n', out);
}

static void note_damage(const struct recording *rec, const char *prefix, FILE *out)
{
    if (!rec->file.damage_count)
        return;
    uint32_t blocks = rec->file.lost_blocks;
    fprintf(out, "%s%s is damaged", prefix, rec->name);
    if (blocks)
        fprintf(out, ", %s block%s lost", quantity_count(blocks).text, blocks == 1 ? "" : "s");
    fputs("; what could be read is shown. `memreplay verify` tells where\n", out);
}

static void note_losses(const struct recording *rec, const char *prefix, FILE *out)
{
    uint64_t lost = model_lost_events(&rec->replay.model);
    if (lost)
        fprintf(out, "%sthe recorder lost %s events; `memreplay summary` tells why\n", prefix,
                quantity_count(lost).text);
    if (rec->replay.totals.impossible)
        fprintf(out, "%s%s events claim impossible sizes and count as 0 bytes\n", prefix,
                quantity_count(rec->replay.totals.impossible).text);
}

static void note_stop(const struct recording *rec, const char *prefix, FILE *out)
{
    const struct model *m = &rec->replay.model;
    if (m->stop_reason)
        fprintf(out, "%srecording stopped at %s, before the program ended: %s\n", prefix,
                quantity_time(m->stop_ns).text, loss_words(m->stop_reason));
}

static void note_moment(const struct recording *rec, const char *prefix, FILE *out)
{
    uint64_t asked_us = rec->asked_ns / 1000, shown_us = rec->replay.moment.time_ns / 1000;
    if (rec->asked_ns)
        fprintf(out,
                "%s%s doesn't keep the state at %" PRIu64 ".%06" PRIu64
                " s; shown is that at %" PRIu64 ".%06" PRIu64 " s. The trace has every moment\n",
                prefix, rec->name, asked_us / 1000000, asked_us % 1000000, shown_us / 1000000,
                shown_us % 1000000);
}

void report_notes(const struct recording *rec, const char *prefix, FILE *out)
{
    note_moment(rec, prefix, out);
    note_end(rec, prefix, out);
    note_stop(rec, prefix, out);
    note_damage(rec, prefix, out);
    note_losses(rec, prefix, out);
    native_names_notes(rec, prefix, out);
}
