/* Names for a recording (native_names.h). Why `closing` asks for less: it tells three holders at
 * the end of every run, and where those are Python lines no binary is read. */
#include "analyzer/native_names.h"

#include "analyzer/frame.h"
#include "analyzer/glyph.h"
#include "analyzer/layers.h"
#include "analyzer/quantity.h"
#include "format/bits.h"
#include "format/part.h"
#include "format/wire.h"
#include "replay/descriptor.h"
#include "replay/option_bits.h"
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE_MAX_BYTES ((off_t)64 << 20)
#define NAMED_MODULES    3 /* in a sentence */

/* All of a regular file of a size that can be; what cannot be read is as if it were not there. */
static uint8_t *read_file(const char *path, size_t *length)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    uint8_t *bytes = 0;
    *length = 0;
    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= BESIDE_MAX_BYTES)
        bytes = malloc((size_t)st.st_size + 1);
    if (bytes)
        *length = descriptor_read(fd, bytes, (size_t)st.st_size);
    if (fd >= 0)
        close(fd);
    return bytes;
}

/* Names stand at the end; a replay that stopped before has not met them. */
static int read_to_the_end(struct recording *rec, struct err *err)
{
    struct block_info info;
    const uint8_t *payload;
    struct trace_damage damage;
    struct trace_trailer trailer;
    int part = rec->replay.stopped ? TRACE_BLOCK : TRACE_END;
    while (part > TRACE_END)
        part = trace_reader_next(rec->reader.trace, &info, &payload, &damage, &trailer, err);
    return part;
}

static bool is_foreign(const struct naming_parts *parts, uint64_t trace_id)
{
    return parts->length >= SKIPPABLE_BYTES + NAMES_PART_BYTES &&
           get_u64(parts->bytes + SKIPPABLE_BYTES + 8) != trace_id;
}

int native_names_parts(struct recording *rec, struct naming_options *options, uint8_t **beside,
                       struct err *err)
{
    char path[PATH_MAX];
    int rc = read_to_the_end(rec, err);
    options->header = trace_reader_header(rec->reader.trace);
    options->symboliser = &rec->symboliser;
    options->parts[0].bytes = trace_reader_names(rec->reader.trace, &options->parts[0].length);
    *beside = 0;
    int length = snprintf(path, sizeof path, "%s" NATIVE_NAMES_SUFFIX, rec->name);
    if (rec->regular && length > 0 && (size_t)length < sizeof path)
        options->parts[1].bytes = *beside = read_file(path, &options->parts[1].length);
    rec->foreign_names = is_foreign(&options->parts[1], options->header->trace_id);
    return rc;
}

/* Is the frame that `closing` tells of the stack Python's? It is the innermost of the program's
 * own, machine code beside the script included. */
static bool has_own_line(const struct symbols *s, uint32_t stack)
{
    const struct stack_node *node;
    for (; (node = symbols_stack(s, stack)); stack = node->parent_plus_1 - 1) {
        uint32_t function = symbols_frame(s, node)->function;
        if (!frame_library(s, function))
            return !frame_native(s, function);
    }
    return false;
}

/* Marks the machine code that the stack ends in, as far as it is not marked. */
static void want_leaf(const struct symbols *s, uint32_t stack, uint64_t *met, uint8_t *wanted)
{
    const struct stack_node *node;
    for (; (node = symbols_stack(s, stack)); stack = node->parent_plus_1 - 1) {
        if (bits_has(met, stack) || !frame_native(s, symbols_frame(s, node)->function))
            return;
        bits_add(met, stack);
        wanted[node->frame] = 1;
    }
}

/* By frame: will it be shown where only leaves are? own: stacks of the program's own Python lines
 * don't matter. NULL: out of memory. */
static uint8_t *leaf_frames(const struct replay *r, bool own)
{
    const struct symbols *s = &r->model.symbols;
    uint64_t *met = bits_new(s->stacks.limit);
    uint8_t *wanted = calloc(s->frame_count + 1ul, 1);
    for (uint32_t site = 1; met && wanted && site < r->sites.count; site++) {
        uint32_t stack = site_stack(&r->sites, site);
        if (!own || (site_then(&r->sites, site).bytes && !has_own_line(s, stack)))
            want_leaf(s, stack, met, wanted);
    }
    if (!met) {
        free(wanted);
        wanted = 0;
    }
    free(met);
    return wanted;
}

static bool needs_names(const struct options *o, enum layers shown)
{
    return !command_has(o->command, FRAMELESS) && shown != LAYERS_PYTHON;
}

void native_names_prepare(struct recording *rec, const struct options *o, enum layers shown)
{
    if (!rec->store && rec->file.header->flags & TRACE_NATIVE && needs_names(o, shown))
        symboliser_start(&rec->symboliser);
}

int native_names_apply(struct recording *rec, const struct options *o, enum layers shown,
                       struct err *err)
{
    struct naming_options options = {0};
    uint8_t *beside = 0, *wanted = 0;
    if (!needs_names(o, shown) || !rec->replay.model.symbols.has_native)
        return 0;
    layers_find_own(&rec->replay.model);
    if (shown == LAYERS_LEAF &&
        !(wanted = leaf_frames(&rec->replay, o->command == COMMAND_closing && !o->json)))
        return err_set(err, ERR_NOMEM, "out of memory");
    options.frames = wanted;
    int rc = native_names_parts(rec, &options, &beside, err);
    if (!rc && naming_apply(&rec->naming, &rec->replay, &options))
        rc = err_set(err, ERR_NOMEM, "out of memory");
    free(beside);
    free(wanted);
    return rc;
}

/* Modules that a status left without names, in words: up to three, and how many more. */
static uint32_t list_modules(const struct naming *n, enum symbolise_status status, char *out,
                             size_t capacity)
{
    uint32_t count = 0;
    size_t used = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < n->module_count; i++) {
        const struct naming_module *m = &n->modules[i];
        const struct name *name = m->function->name, *path = m->function->file;
        if (m->status != status || path->bytes[0] != '/' || ++count > NAMED_MODULES)
            continue;
        if (count > 1)
            glyph_append(out, capacity, &used, ", ", 2, false);
        glyph_append(out, capacity, &used, name->bytes, name->length, false);
    }
    return count;
}

void native_names_notes(const struct recording *rec, const char *prefix, FILE *out)
{
    static const char *const reasons[SYMBOLISE_STATUSES] = {
        [SYMBOLISE_MISSING] = "not on this machine. `memreplay pack` where it was recorded puts "
                              "names into the trace",
        [SYMBOLISE_OTHER_BUILD] = "another build here than the one that was recorded",
        [SYMBOLISE_CHANGED] = "younger than the recording, and without a build id to compare",
        [SYMBOLISE_NO_ELF] = "not a file that names can be read from",
        [SYMBOLISE_NO_LIBRARY] = "reading them needs libdw (apt-get install libdw1)",
        [SYMBOLISE_FAILED] = "its symbols could not be read to the end",
    };
    if (rec->foreign_names)
        fprintf(out, "%s%s" NATIVE_NAMES_SUFFIX " is of another recording and not used\n", prefix,
                rec->name);
    for (int status = SYMBOLISE_MISSING; status < SYMBOLISE_STATUSES; status++) {
        char names[512];
        uint32_t count =
            list_modules(&rec->naming, (enum symbolise_status)status, names, sizeof names);
        if (count > NAMED_MODULES)
            fprintf(out, "%sno names for %s and %s other modules: %s\n", prefix, names,
                    quantity_count(count - NAMED_MODULES).text, reasons[status]);
        else if (count)
            fprintf(out, "%sno names for %s: %s\n", prefix, names, reasons[status]);
    }
}
