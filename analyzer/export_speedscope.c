/* speedscope's own JSON: one sampled profile, a sample for each stack with its bytes as weight, and
 * the frames by number behind it. Why the frames last: they are numbered as stacks name them, and
 * the stacks need not be in memory. Samples go by rising stack id, which keeps callers' neighbours
 * together. */
#include "analyzer/export.h"

#include "analyzer/heading.h"
#include "analyzer/span.h"
#include "format/error.h"
#include <stdlib.h>

static int write_samples(struct exporter *e, struct json *j, const struct stack_sum *sums,
                         size_t count)
{
    bool met;
    int rc = 0;
    json_array(j, "samples");
    for (size_t i = 0; i < count && !rc; i++) {
        rc = export_stack(e, sums[i].stack);
        json_array(j, 0);
        for (size_t depth = e->callers.depth; depth-- && !rc;) {
            uint32_t number = export_number(e, e->callers.frames[depth], &met);
            rc = number == UINT32_MAX ? -ERR_NOMEM : 0;
            json_number(j, 0, number);
        }
        json_end_array(j);
    }
    json_end_array(j);
    json_array(j, "weights");
    for (size_t i = 0; i < count; i++)
        json_number(j, 0, sums[i].bytes);
    json_end_array(j);
    return rc;
}

static int write_profile(struct exporter *e, struct json *j, const struct stack_sum *sums,
                         size_t count)
{
    uint64_t total = 0;
    char name[600];
    struct span window = span_window(&e->report);
    for (size_t i = 0; i < count; i++)
        total += sums[i].bytes;
    snprintf(name, sizeof name, "bytes %s%s%s", export_subject(e), window.text[0] ? ", " : "",
             window.text);
    json_array(j, "profiles");
    json_flat_object(j, 0);
    json_string(j, "type", "sampled");
    json_string(j, "name", name);
    json_string(j, "unit", "bytes");
    json_number(j, "startValue", 0);
    json_number(j, "endValue", total);
    int rc = write_samples(e, j, sums, count);
    json_end_object(j);
    json_end_array(j);
    return rc;
}

static void write_frames(struct exporter *e, struct json *j)
{
    const struct shown *shown = &e->shown;
    json_object(j, "shared");
    json_array(j, "frames");
    for (uint32_t i = 0; i < e->keys.count; i++) {
        export_frame(e, e->frames[i]);
        json_flat_object(j, 0);
        json_string(j, "name", shown->function);
        if (shown->file[0])
            json_string(j, "file", shown->file);
        if (shown->line)
            json_number(j, "line", shown->line);
        json_end_object(j);
    }
    json_end_array(j);
    json_end_object(j);
}

int export_speedscope(struct exporter *e)
{
    struct json j;
    size_t count;
    char command[2048];
    struct stack_sum *sums = export_stacks(e, &count);
    e->modules = true;
    int rc = sums ? 0 : -ERR_NOMEM;
    heading_command_text(&e->report, command, sizeof command);
    json_init(&j, e->out);
    json_object(&j, 0);
    json_string(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
    json_string(&j, "exporter", "memreplay");
    json_string(&j, "name", command);
    json_number(&j, "activeProfileIndex", 0);
    if (!rc)
        rc = write_profile(e, &j, sums, count);
    if (!rc)
        write_frames(e, &j);
    json_end_object(&j);
    free(sums);
    return rc;
}
