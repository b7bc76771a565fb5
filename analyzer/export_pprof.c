/* pprof's profile.proto, gzipped (github.com/google/pprof, proto/profile.proto). A sample for each
 * stack, allocator and thread, with four values as Go's heap profiles have them: allocated objects
 * and bytes, and those in use (or whatever was asked for: leaks, a moment). Why everything in one
 * go: the order of fields is free, so strings, functions and locations are written when a sample
 * first names them. Why system_name stays empty: where it equals the name, pprof takes `<module>`
 * for a template's arguments and strips it. */
#include "analyzer/export.h"

#include "analyzer/glyph.h"
#include "analyzer/gzip.h"
#include "analyzer/heading.h"
#include "analyzer/module_list.h"
#include "analyzer/protobuf.h"
#include "analyzer/quantity.h"
#include "analyzer/span.h"
#include "format/error.h"
#include <stdlib.h>
#include <string.h>

enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE,
    PROFILE_MAPPING,
    PROFILE_LOCATION,
    PROFILE_FUNCTION,
    PROFILE_STRING,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS,
    PROFILE_PERIOD_TYPE,
    PROFILE_PERIOD,
    PROFILE_COMMENT,
    PROFILE_DEFAULT_SAMPLE_TYPE
};
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_TEXT, LABEL_NUMBER };
enum {
    MAPPING_ID = 1,
    MAPPING_START,
    MAPPING_LIMIT,
    MAPPING_OFFSET,
    MAPPING_FILE,
    MAPPING_BUILD_ID,
    MAPPING_HAS_FUNCTIONS,
    MAPPING_HAS_INLINE = 10
};
enum { MAPPING_PROGRAM = 1, MAPPING_MODULES };
enum {
    LOCATION_ID = 1,
    LOCATION_MAPPING,
    LOCATION_ADDRESS,
    LOCATION_LINE,
    LINE_FUNCTION = 1,
    LINE_NUMBER
};
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_FILE = 4, FUNCTION_START_LINE };

/* Keys of texts that have no address of their own. */
#define FUNCTION_NAMES (UINT64_C(1) << 62)
#define COMMENTS       (UINT64_C(1) << 61)
#define MODULES        (UINT64_C(1) << 60)
#define EMPTY          0

struct pprof {
    struct exporter *e;
    struct gzip gzip;
    struct numbering strings, functions;
    struct module_list modules;
    bool *told;                                    /* by number of a module: it has its mapping */
    struct protobuf field, message, inner, packed; /* a field of the profile, and what is inside */
    enum measure held;                             /* what the values in use are */
    uint64_t comments;
    bool failed;
};

static void flush(struct pprof *p)
{
    p->failed |= p->field.failed;
    gzip_write(&p->gzip, p->field.bytes, p->field.used);
    protobuf_clear(&p->field);
}

static void put_message(struct pprof *p, enum profile_field field)
{
    p->failed |= p->message.failed;
    protobuf_bytes(&p->field, field, p->message.bytes, p->message.used);
    flush(p);
    protobuf_clear(&p->message);
}

/* The number of a text, which key tells from others. */
static uint32_t string(struct pprof *p, uint64_t key, const char *text)
{
    bool met;
    uint32_t number = numbering_of(&p->strings, key, &met);
    p->failed |= number == UINT32_MAX;
    if (!met) {
        protobuf_bytes(&p->field, PROFILE_STRING, text, strlen(text));
        flush(p);
    }
    return number;
}

/* Of a text that lives as long as the profile is written. */
static uint32_t lasting(struct pprof *p, const char *text)
{
    return *text ? string(p, (uintptr_t)text, text) : 0;
}

/* Files are told apart by their interned name. */
static uint32_t file_string(struct pprof *p, uint32_t frame)
{
    const struct symbols *s = p->e->callers.symbols;
    const struct function *f =
        frame < FRAME_NO_STACK ? symbols_function(s, s->frames[frame].function) : 0;
    return f && f->file->length ? string(p, (uintptr_t)f->file, p->e->shown.file) : 0;
}

/* The id of the function of the frame in p->e->shown. */
static uint32_t function(struct pprof *p, uint32_t frame)
{
    bool met;
    uint32_t number = numbering_of(&p->functions, p->e->shown.function_key, &met);
    p->failed |= number == UINT32_MAX;
    if (met)
        return number + 1;
    uint32_t name = string(p, FUNCTION_NAMES | p->e->shown.function_key, p->e->shown.function);
    uint32_t file = file_string(p, frame);
    protobuf_number(&p->message, FUNCTION_ID, number + 1);
    protobuf_number(&p->message, FUNCTION_NAME, name);
    protobuf_number(&p->message, FUNCTION_FILE, file);
    protobuf_number(&p->message, FUNCTION_START_LINE, p->e->shown.first_line);
    put_message(p, PROFILE_FUNCTION);
    return number + 1;
}

/* Fields that say what is known of a mapping's code. */
static void put_known(struct pprof *p, unsigned last)
{
    for (unsigned field = MAPPING_HAS_FUNCTIONS; field <= last; field++)
        protobuf_number(&p->message, field, 1);
}

/* A module: where it lay first, its build id. pprof itself looks for names where some are missing.
 */
static void put_module(struct pprof *p, uint32_t number)
{
    const struct listed_module *module = &p->modules.items[number];
    char path[4096] = "", build_id[256] = "";
    size_t used = 0;
    glyph_append(path, sizeof path, &used, module->path->bytes, module->path->length, false);
    used = 0;
    glyph_append(build_id, sizeof build_id, &used, module->build_id->bytes,
                 module->build_id->length, false);
    uint32_t file = string(p, (uintptr_t)module->path | MODULES, path);
    uint32_t id = *build_id ? string(p, (uintptr_t)module->build_id | MODULES, build_id) : 0;
    protobuf_number(&p->message, MAPPING_ID, MAPPING_MODULES + number);
    if (module->at) {
        protobuf_number(&p->message, MAPPING_START, module->at->address);
        protobuf_number(&p->message, MAPPING_LIMIT, module->at->address + module->at->length);
        protobuf_number(&p->message, MAPPING_OFFSET, module->at->file_offset);
    }
    protobuf_number(&p->message, MAPPING_FILE, file);
    protobuf_number(&p->message, MAPPING_BUILD_ID, id);
    if (!module->nameless)
        put_known(p, MAPPING_HAS_INLINE);
    put_message(p, PROFILE_MAPPING);
}

struct code_place {
    uint32_t mapping;
    uint64_t address; /* 0: not told */
};

/* Where a frame's code lies. */
static struct code_place code_place(struct pprof *p, uint32_t frame)
{
    const struct symbols *s = p->e->callers.symbols;
    const struct function *f =
        frame < FRAME_NO_STACK ? symbols_function(s, s->frames[frame].function) : 0;
    uint32_t number = module_list_find(&p->modules, f);
    if (number == UINT32_MAX)
        return (struct code_place){MAPPING_PROGRAM, 0};
    if (!p->told[number])
        put_module(p, number);
    p->told[number] = true;
    const struct module *at = p->modules.items[number].at;
    return (struct code_place){MAPPING_MODULES + number,
                               f->is_address && at ? at->address + f->offset : 0};
}

/* The id of a location, which is a frame. */
static uint32_t location(struct pprof *p, uint32_t frame)
{
    bool met;
    uint32_t number = export_number(p->e, frame, &met);
    p->failed |= number == UINT32_MAX;
    if (met)
        return number + 1;
    struct code_place place = code_place(p, frame);
    uint32_t id = function(p, frame);
    protobuf_clear(&p->inner);
    protobuf_number(&p->inner, LINE_FUNCTION, id);
    protobuf_number(&p->inner, LINE_NUMBER, p->e->shown.line);
    protobuf_number(&p->message, LOCATION_ID, number + 1);
    protobuf_number(&p->message, LOCATION_MAPPING, place.mapping);
    protobuf_number(&p->message, LOCATION_ADDRESS, place.address);
    protobuf_bytes(&p->message, LOCATION_LINE, p->inner.bytes, p->inner.used);
    put_message(p, PROFILE_LOCATION);
    return number + 1;
}

static void put_label(struct pprof *p, const char *key, uint32_t text, uint64_t number)
{
    protobuf_clear(&p->inner);
    protobuf_number(&p->inner, LABEL_KEY, lasting(p, key));
    protobuf_number(&p->inner, LABEL_TEXT, text);
    protobuf_number(&p->inner, LABEL_NUMBER, number);
    protobuf_bytes(&p->message, SAMPLE_LABEL, p->inner.bytes, p->inner.used);
}

static uint32_t thread_string(struct pprof *p, const struct name *name)
{
    char text[256];
    size_t used = 0;
    text[0] = 0;
    glyph_append(text, sizeof text, &used, name->bytes, name->length, false);
    return name->length ? string(p, (uintptr_t)name, text) : 0;
}

static void put_labels(struct pprof *p, const struct lane *lane)
{
    struct model *m = &p->e->report.rec->replay.model;
    const struct process *process = model_process_at(m, lane->process);
    const struct thread *thread = model_thread(m, lane->thread);
    uint32_t name = thread_string(p, thread->name);
    if (name)
        put_label(p, "thread", name, 0);
    if (thread->defined)
        put_label(p, "tid", 0, thread->tid);
    if (process)
        put_label(p, "pid", 0, process->pid);
    put_label(p, "allocator", lasting(p, allocator_name(lane->allocator)), 0);
}

static void put_values(struct pprof *p, const struct site_values *total,
                       const struct site_values *held)
{
    uint64_t values[] = {total->count, total->bytes, held->count, held->bytes};
    protobuf_clear(&p->packed);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        protobuf_item(&p->packed, values[i]);
    protobuf_bytes(&p->message, SAMPLE_VALUES, p->packed.bytes, p->packed.used);
}

static int put_sample(struct pprof *p, uint32_t site)
{
    struct exporter *e = p->e;
    const struct sites *sites = &e->report.rec->replay.sites;
    struct site_values total = report_values(&e->report, MEASURE_TOTALS, site),
                       held = report_values(&e->report, p->held, site);
    if (!(total.count | total.bytes | held.count | held.bytes))
        return 0;
    if (export_stack(e, site_stack(sites, site)))
        return -ERR_NOMEM;
    protobuf_clear(&p->packed);
    for (size_t i = 0; i < e->callers.depth; i++)
        protobuf_item(&p->packed, location(p, e->callers.frames[i]));
    p->failed |= p->packed.failed;
    protobuf_bytes(&p->message, SAMPLE_LOCATIONS, p->packed.bytes, p->packed.used);
    put_values(p, &total, &held);
    put_labels(p, site_lane(sites, site));
    put_message(p, PROFILE_SAMPLE);
    return p->failed ? -ERR_NOMEM : 0;
}

static void put_type(struct pprof *p, enum profile_field field, const char *type, const char *unit)
{
    uint32_t numbers[] = {lasting(p, type), lasting(p, unit)};
    protobuf_number(&p->message, VALUE_TYPE, numbers[0]);
    protobuf_number(&p->message, VALUE_UNIT, numbers[1]);
    put_message(p, field);
}

static void put_number(struct pprof *p, enum profile_field field, uint64_t value)
{
    protobuf_number(&p->field, field, value);
    flush(p);
}

static void put_comment(struct pprof *p, const char *text)
{
    put_number(p, PROFILE_COMMENT, string(p, COMMENTS | p->comments++, text));
}

static void put_comments(struct pprof *p)
{
    const struct replay *r = &p->e->report.rec->replay;
    char text[2048], at[600];
    heading_command_text(&p->e->report, text, sizeof text);
    put_comment(p, text);
    struct span window = span_window(&p->e->report);
    snprintf(at, sizeof at, "inuse: %s; alloc: all that was allocated%s%s", export_subject(p->e),
             window.text[0] ? " " : "", window.text);
    put_comment(p, at);
    if (p->held == MEASURE_MOMENT) {
        snprintf(at, sizeof at, "moment: %s after the start",
                 quantity_time(r->moment.time_ns).text);
        put_comment(p, at);
    }
}

static void put_mapping(struct pprof *p)
{
    const struct process *root = model_root(&p->e->report.rec->replay.model);
    char text[4096] = "";
    size_t used = 0;
    if (root)
        glyph_append(text, sizeof text, &used, root->executable->bytes, root->executable->length,
                     false);
    uint32_t file = string(p, COMMENTS | p->comments++, text[0] ? text : "python");
    protobuf_number(&p->message, MAPPING_ID, MAPPING_PROGRAM);
    protobuf_number(&p->message, MAPPING_FILE, file);
    put_known(p, MAPPING_HAS_INLINE - 1);
    put_message(p, PROFILE_MAPPING);
}

static void put_head(struct pprof *p)
{
    const struct recording *rec = p->e->report.rec;
    const struct trace_header *h = rec->file.header;
    bool totals = p->e->measure == MEASURE_TOTALS;
    string(p, EMPTY, "");
    put_type(p, PROFILE_SAMPLE_TYPE, "alloc_objects", "count");
    put_type(p, PROFILE_SAMPLE_TYPE, "alloc_space", "bytes");
    put_type(p, PROFILE_SAMPLE_TYPE, "inuse_objects", "count");
    put_type(p, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes");
    put_number(p, PROFILE_DEFAULT_SAMPLE_TYPE, lasting(p, totals ? "alloc_space" : "inuse_space"));
    put_type(p, PROFILE_PERIOD_TYPE, "space", "bytes");
    put_number(p, PROFILE_PERIOD, h->sample_bytes ? h->sample_bytes : 1);
    put_number(p, PROFILE_TIME_NANOS, h->started_unix_ns);
    put_number(p, PROFILE_DURATION_NANOS, rec->duration_ns);
    put_mapping(p);
    put_comments(p);
}

static int write_profile(struct pprof *p)
{
    const struct sites *sites = &p->e->report.rec->replay.sites;
    int rc = 0;
    put_head(p);
    for (uint32_t site = 1; site < sites->count && !rc; site++)
        if (report_lets(&p->e->report, site))
            rc = put_sample(p, site);
    return rc || p->failed ? -ERR_NOMEM : 0;
}

static void release(struct pprof *p)
{
    numbering_release(&p->strings);
    numbering_release(&p->functions);
    module_list_release(&p->modules);
    free(p->told);
    protobuf_release(&p->field);
    protobuf_release(&p->message);
    protobuf_release(&p->inner);
    protobuf_release(&p->packed);
    free(p);
}

int export_pprof(struct exporter *e)
{
    struct pprof *p = calloc(1, sizeof *p);
    if (!p)
        return -ERR_NOMEM;
    p->e = e;
    p->held = e->measure == MEASURE_TOTALS ? MEASURE_MOMENT : e->measure;
    int rc = numbering_init(&p->strings) | numbering_init(&p->functions) |
             module_list_init(&p->modules, &e->report.rec->replay.model);
    p->told = calloc(p->modules.numbers.count + 1ul, sizeof *p->told);
    rc = rc || !p->told ? -ERR_NOMEM : gzip_begin(&p->gzip, e->out);
    if (!rc) {
        rc = write_profile(p);
        gzip_end(&p->gzip);
    }
    release(p);
    return rc;
}
