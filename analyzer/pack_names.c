/* `memreplay pack`: a trace with the names of its native functions, so that it opens where none of
 * the binaries are. Why answers and not binaries: they are some 50 bytes an address (FORMAT.md
 * 1.4), and names are all that reports need. Why before the index: readers that know nothing of it
 * pass over it, and the offsets of blocks stay. Invariants: all that the trace held is copied byte
 * by byte, but for the place of the index in the trailer; names that it already had are kept where
 * this machine does not know better. Not here: looking up (replay/naming.h). */
#include "analyzer/draft.h"
#include "analyzer/native_names.h"
#include "analyzer/output.h"
#include "analyzer/quantity.h"
#include "analyzer/report.h"
#include "analyzer/tool.h"
#include "format/grow.h"
#include "format/part.h"
#include "format/wire.h"
#include "replay/descriptor.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)256 << 10)

/* The parts as they are made. */
struct packing {
    uint64_t trace_id;
    struct names_writer names;
    const struct naming_module *module; /* whose names are in `names` */
    uint8_t *parts;
    size_t used, capacity;
};

static void packing_release(struct packing *p)
{
    names_writer_release(&p->names);
    free(p->parts);
}

static int append(struct packing *p, const uint8_t *bytes, size_t length)
{
    while (p->capacity - p->used < length)
        if (!GROW(p->parts, p->capacity, (size_t)65536))
            return -ERR_NOMEM;
    memcpy(p->parts + p->used, bytes, length);
    p->used += length;
    return 0;
}

/* Ends the list at work and puts it into a part of its own. */
static int end_list(struct packing *p)
{
    size_t length, part_bytes;
    if (!p->names.answers)
        return 0;
    const struct function *f = p->module->function;
    uint8_t *list =
        names_writer_list(&p->names, name_text(f->file), name_text(f->build_id), &length);
    uint8_t *part = list ? names_part_write(p->trace_id, list, length, &part_bytes) : 0;
    int rc = part ? append(p, part, part_bytes) : -ERR_NOMEM;
    free(list);
    free(part);
    names_writer_clear(&p->names);
    return rc;
}

/* As naming_take. */
static int take(void *context, const struct naming_module *module, uint64_t offset,
                const struct names_frame *frames, uint32_t count)
{
    struct packing *p = context;
    int rc = 0;
    if (module != p->module || offset < p->names.last_offset || names_writer_full(&p->names))
        rc = end_list(p);
    p->module = module;
    rc = rc ? rc : names_writer_add(&p->names, offset, frames, count);
    return rc == -ERR_LIMIT ? 0 : rc;
}

/* Where the names go, and what comes after them. */
struct place {
    uint64_t names_at; /* the names that are there begin here */
    uint64_t tail_at;  /* the index, or the trailer without one */
};

static bool has_index(int fd, const struct trace_trailer *trailer, uint64_t trailer_at)
{
    uint8_t head[SKIPPABLE_BYTES + TAG_BYTES];
    uint64_t at = trailer->index_offset;
    return at && at < trailer_at && pread(fd, head, sizeof head, (off_t)at) == sizeof head &&
           get_u32(head) == SKIPPABLE_MAGIC && get_u32(head + SKIPPABLE_BYTES) == TAG_INDEX &&
           at + SKIPPABLE_BYTES + get_u32(head + 4) == trailer_at;
}

/* Do the names of the trace stand right before the tail? Then they are replaced. */
static bool names_before(int fd, const struct naming_parts *parts, uint64_t tail_at)
{
    uint8_t *bytes = parts->length && parts->length < tail_at ? malloc(parts->length) : 0;
    bool there = bytes &&
                 pread(fd, bytes, parts->length, (off_t)(tail_at - parts->length)) ==
                     (ssize_t)parts->length &&
                 !memcmp(bytes, parts->bytes, parts->length);
    free(bytes);
    return there;
}

static int find_place(const struct recording *rec, const struct naming_parts *parts,
                      struct place *place, struct err *err)
{
    uint64_t trailer_at = rec->file_bytes - TRACE_TRAILER_BYTES;
    const struct trace_trailer *trailer = &rec->reader.trailer;
    if (!rec->file.complete || rec->file.damage_count ||
        (trailer->index_offset && !has_index(rec->fd, trailer, trailer_at)))
        return err_set(
            err, ERR_USAGE,
            "%s is incomplete or damaged, so nothing is put into it; --beside writes the "
            "names beside it",
            rec->name);
    place->tail_at = trailer->index_offset ? trailer->index_offset : trailer_at;
    place->names_at = place->tail_at;
    if (names_before(rec->fd, parts, place->tail_at))
        place->names_at -= parts->length;
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t length, struct err *err)
{
    if (descriptor_write(fd, bytes, length))
        return 0;
    return err_set(err, ERR_IO, "writing failed: %s", strerror(errno));
}

/* Copies [from, to) of the trace. */
static int copy(const struct recording *rec, uint64_t from, uint64_t to, int out, struct err *err)
{
    uint8_t *buffer = malloc(COPY_BYTES);
    int rc = buffer ? 0 : err_set(err, ERR_NOMEM, "out of memory");
    while (!rc && from < to) {
        size_t wanted = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
        ssize_t got = pread(rec->fd, buffer, wanted, (off_t)from);
        if (got > 0)
            rc = write_all(out, buffer, (size_t)got, err);
        else if (got == 0 || errno != EINTR)
            rc = err_set(err, ERR_IO, "%s changed while it was read", rec->name);
        from += got > 0 ? (uint64_t)got : 0;
    }
    free(buffer);
    return rc;
}

/* The whole trace with other names. */
static int write_trace(const struct recording *rec, const struct packing *p,
                       const struct place *place, int out, struct err *err)
{
    struct trace_trailer trailer = rec->reader.trailer;
    uint8_t bytes[TRACE_TRAILER_BYTES];
    uint64_t trailer_at = rec->file_bytes - TRACE_TRAILER_BYTES;
    if (trailer.index_offset)
        trailer.index_offset = place->names_at + p->used;
    trace_trailer_write(&trailer, bytes, sizeof bytes);
    int rc = copy(rec, 0, place->names_at, out, err);
    rc = rc ? rc : write_all(out, p->parts, p->used, err);
    rc = rc ? rc : copy(rec, place->tail_at, trailer_at, out, err);
    return rc ? rc : write_all(out, bytes, sizeof bytes, err);
}

static int write_file(const struct options *o, const struct recording *rec, const struct packing *p,
                      const struct naming_parts *parts, struct err *err)
{
    struct draft draft;
    struct place place = {0};
    char beside[PATH_MAX];
    int rc = o->beside ? 0 : find_place(rec, parts, &place, err);
    if (o->beside &&
        snprintf(beside, sizeof beside, "%s" NATIVE_NAMES_SUFFIX, rec->name) >= (int)sizeof beside)
        rc = err_set(err, ERR_USAGE, "%s is too long a path", rec->name);
    rc = rc ? rc : draft_open(&draft, o->beside ? beside : o->output, o->force, err);
    if (rc)
        return rc;
    rc = o->beside ? write_all(draft.fd, p->parts, p->used, err)
                   : write_trace(rec, p, &place, draft.fd, err);
    if (!rc)
        return draft_publish(&draft, err);
    draft_discard(&draft);
    return rc;
}

static int collect(struct recording *rec, struct packing *p, struct naming_options *options,
                   struct err *err)
{
    p->trace_id = options->header->trace_id;
    int rc = naming_look_up(&rec->naming, &rec->replay, options, take, p);
    rc = rc ? rc : end_list(p);
    return rc ? err_set(err, ERR_NOMEM, "out of memory") : 0;
}

static void tell(const struct options *o, const struct recording *rec, FILE *notes)
{
    const struct naming *n = &rec->naming;
    uint32_t named = 0;
    for (uint32_t i = 0; i < n->module_count; i++)
        named += n->modules[i].named > 0;
    fprintf(notes, "memreplay: wrote %s%s: names for ", o->beside ? rec->name : o->output,
            o->beside ? NATIVE_NAMES_SUFFIX : "");
    fprintf(notes, "%s of ", quantity_count(n->named).text);
    fprintf(notes, "%s places", quantity_count(n->asked).text);
    fprintf(notes, " in %s of ", quantity_count(named).text);
    fprintf(notes, "%s modules\n", quantity_count(n->module_count).text);
}

static int pack(const struct options *o, struct work *work, struct recording *rec, struct err *err)
{
    struct naming_options options = {0};
    struct packing p = {0};
    uint8_t *beside = 0;
    int rc = recording_open(rec, o->trace, err);
    if (!rc && (rec->store || !rec->regular || !strcmp(o->trace, "-")))
        rc = err_set(err, ERR_USAGE, "names are put into a trace that is a file");
    rc = rc ? rc : recording_replay(rec, o, work->progress, work->context, err);
    rc = rc ? rc : native_names_parts(rec, &options, &beside, err);
    rc = rc ? rc : collect(rec, &p, &options, err);
    rc = rc ? rc : write_file(o, rec, &p, &options.parts[0], err);
    if (!rc) {
        tell(o, rec, work->notes);
        report_notes(rec, "memreplay: note: ", work->notes);
        work->damaged = rec->file.damage_count > 0;
    }
    packing_release(&p);
    free(beside);
    return rc;
}

static int refuse_output(const struct options *o, struct err *err)
{
    if (o->beside && o->output)
        return err_set(err, ERR_USAGE, "--beside and -o exclude each other");
    if (!o->beside && !o->output)
        return err_set(
            err, ERR_USAGE,
            "where to? memreplay pack -o packed.lz4 %s, or --beside for %s" NATIVE_NAMES_SUFFIX,
            o->trace, o->trace);
    if (!o->beside && !strcmp(o->output, "-"))
        return err_set(err, ERR_USAGE,
                       "a trace cannot be packed into a pipe; name a file: -o FILE");
    return 0;
}

int pack_run(const struct options *o, struct work *work, struct err *err)
{
    int rc = refuse_output(o, err);
    struct recording *rec = rc ? 0 : calloc(1, sizeof *rec);
    if (!rec)
        return rc ? rc : err_set(err, ERR_NOMEM, "out of memory");
    rc = pack(o, work, rec, err);
    recording_close(rec);
    free(rec);
    return rc;
}
