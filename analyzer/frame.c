/* Frames in words: names escaped, paths cut to what tells them apart (frame.h). Why by markers in
 * the path: site-packages and lib/python3.x are the same in every installation. */
#include "analyzer/frame.h"

#include "analyzer/glyph.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Where the part begins that follows `marker`, or NULL. */
static const char *after(const char *path, const char *marker)
{
    const char *found = strstr(path, marker);
    return found ? found + strlen(marker) : 0;
}

/* The path below the standard library's folder (…/lib/python3.11/), or NULL. */
static const char *below_stdlib(const char *path)
{
    const char *at = after(path, "/lib/python3.");
    return at && strchr(at, '/') ? strchr(at, '/') + 1 : 0;
}

static const char *below_packages(const char *path)
{
    const char *at = after(path, "/site-packages/");
    return at ? at : after(path, "/dist-packages/");
}

/* The path inside an installed package or the standard library; NULL for the program's own files.
 */
static const char *library_path(const char *path)
{
    const char *at = below_packages(path);
    return at ? at : below_stdlib(path);
}

static const char *short_path(const char *path, const struct frame_style *style)
{
    const char *at = library_path(path);
    if (at)
        return at;
    const struct name *home = style->home;
    if (home && !strncmp(path, home->bytes, home->length) && path[home->length])
        return path + home->length;
    return path;
}

void frame_function(char *out, size_t capacity, const struct symbols *s, uint32_t id, uint64_t line,
                    const struct frame_style *style)
{
    const struct function *f = symbols_function(s, id);
    size_t used = 0;
    out[0] = 0;
    if (f && f->name->length)
        glyph_append(out, capacity, &used, f->name->bytes, f->name->length, style->ascii);
    else if (f && f->kind == FUNCTION_MODULE)
        snprintf(out, capacity, "+0x%" PRIx64, line);
    else
        snprintf(out, capacity, "(unknown function)");
}

/* The last part of a path. */
static const char *base_name(const struct name *path)
{
    const char *slash = memrchr(path->bytes, '/', path->length);
    return slash ? slash + 1 : path->bytes;
}

struct text frame_base(const struct name *path)
{
    const char *base = base_name(path);
    return (struct text){base, path->length - (uint32_t)(base - path->bytes)};
}

uint32_t frame_untagged(struct text base)
{
    static const char tag[] = ".cpython-";
    const char *found = memmem(base.bytes, base.length, tag, sizeof tag - 1);
    bool ends = base.length > 3 && !memcmp(base.bytes + base.length - 3, ".so", 3);
    return found && ends ? (uint32_t)(found - base.bytes) : base.length;
}

/* The last part of a path and its folder: where a source lay when it was compiled says nothing. */
static const char *with_folder(const struct name *path)
{
    const char *base = base_name(path), *from = base;
    while (from > path->bytes && (from == base || from[-1] != '/'))
        from--;
    return from[0] == '.' || from[0] == '/' ? base : from;
}

/* Where a function comes from: a source file, as short as it stays readable. Machine code without
 * known source says its module; what has no name but an offset in one says which file that is, as
 * addr2line and the package manager want it. */
static struct text place_of(const struct function *f, const struct frame_style *style)
{
    const char *path = short_path(f->file->bytes, style), *base = base_name(f->file);
    if (f->is_address)
        path = path < base ? path : path + strlen(path); /* or the name says it all */
    else if (f->kind == FUNCTION_NATIVE && f->file == f->module)
        path = base;
    else if (f->kind == FUNCTION_NATIVE && path == f->file->bytes)
        path = with_folder(f->file);
    return (struct text){path, f->file->length - (uint32_t)(path - f->file->bytes)};
}

void frame_place(char *out, size_t capacity, const struct symbols *s, uint32_t id, uint64_t line,
                 const struct frame_style *style)
{
    const struct function *f = symbols_function(s, id);
    size_t used = 0;
    out[0] = 0;
    if (!f || !f->file->length)
        return;
    struct text place = place_of(f, style);
    uint32_t length = f->kind == FUNCTION_PYTHON ? place.length : frame_untagged(place);
    glyph_append(out, capacity, &used, place.bytes, length, style->ascii);
    if (length < place.length)
        glyph_append(out, capacity, &used, ".so", 3, style->ascii);
    if (f->kind != FUNCTION_MODULE && line)
        snprintf(out + used, capacity - used, ":%" PRIu64, line);
}

bool frame_native(const struct symbols *s, uint32_t id)
{
    const struct function *f = symbols_function(s, id);
    return f && f->kind != FUNCTION_PYTHON;
}

bool frame_installed(const struct name *path) { return library_path(path->bytes) != 0; }

bool frame_library(const struct symbols *s, uint32_t id)
{
    const struct function *f = symbols_function(s, id);
    if (!f)
        return false;
    if (f->kind != FUNCTION_PYTHON)
        return !f->own;
    return library_path(f->file->bytes) || !strncmp(f->file->bytes, "<frozen ", 8);
}

bool frame_import(const struct symbols *s, uint32_t id)
{
    const struct function *f = symbols_function(s, id);
    const char *path = f ? library_path(f->file->bytes) : 0;
    return f && (!strncmp(f->file->bytes, "<frozen importlib", 17) ||
                 (path && !strncmp(path, "importlib/", 10)));
}

void frame_package(char *out, size_t capacity, const struct symbols *s, uint32_t id,
                   const struct frame_style *style)
{
    const struct function *f = symbols_function(s, id);
    const char *path = f ? library_path(f->file->bytes) : 0;
    size_t used = 0;
    out[0] = 0;
    if (f && f->module->length)
        path = base_name(f->module);
    if (!path && f && !strncmp(f->file->bytes, "<frozen ", 8))
        path = f->file->bytes + 8;
    if (!path)
        return;
    size_t length = strcspn(path, "/.>");
    glyph_append(out, capacity, &used, path, length, style->ascii);
}

static bool is_main(const struct function *f)
{
    return f->kind == FUNCTION_PYTHON && !strcmp(f->name->bytes, "<module>") &&
           f->file->bytes[0] == '/' && !library_path(f->file->bytes);
}

const struct name *frame_home(struct symbols *s)
{
    for (uint32_t id = FUNCTION_FIRST; id < s->functions.limit; id++) {
        const struct function *f = symbols_function(s, id);
        if (!f || !is_main(f))
            continue;
        size_t length = (size_t)(strrchr(f->file->bytes, '/') - f->file->bytes) + 1;
        return symbols_name(s, (struct text){f->file->bytes, (uint32_t)length});
    }
    return 0;
}
