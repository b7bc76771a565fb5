/* Matching from the end (function_match.h): first the name, then the module before it. */
#include "analyzer/function_match.h"

#include <string.h>

/* A part of a text. */
struct part {
    const char *bytes;
    size_t length;
};

static bool starts(struct part whole, const char *with)
{
    size_t length = strlen(with);
    return whole.length >= length && !memcmp(whole.bytes, with, length);
}

static bool cut_end(struct part *whole, const char *end)
{
    size_t length = strlen(end);
    if (whole->length < length || memcmp(whole->bytes + whole->length - length, end, length))
        return false;
    whole->length -= length;
    return true;
}

/* The file's path as far as it is the module's: "srv/app/shop". */
static struct part module_of(const struct name *file, uint8_t kind)
{
    struct part path = {file->bytes, file->length};
    if (starts(path, "<frozen ") && cut_end(&path, ">"))
        return (struct part){path.bytes + 8, path.length - 8};
    if (kind != FUNCTION_PYTHON) {
        const char *slash = memrchr(path.bytes, '/', path.length);
        size_t folder = slash ? (size_t)(slash - path.bytes) + 1 : 0;
        const char *dot = memchr(path.bytes + folder, '.', path.length - folder);
        path.length = dot ? (size_t)(dot - path.bytes) : path.length;
    } else if (cut_end(&path, ".py")) {
        cut_end(&path, "/__init__");
    }
    return path;
}

/* Does the module's path end with these dotted names? */
static bool module_ends(struct part module, struct part wanted)
{
    if (wanted.length > module.length)
        return false;
    const char *from = module.bytes + module.length - wanted.length;
    for (size_t i = 0; i < wanted.length; i++)
        if (from[i] != wanted.bytes[i] && !(from[i] == '/' && wanted.bytes[i] == '.'))
            return false;
    return from == module.bytes || from[-1] == '/' || from[-1] == '.';
}

/* Bare names: some first part of what stands before the name is the module's end. */
static bool module_among(struct part module, struct part before)
{
    for (size_t i = before.length; i > 0; i--)
        if ((i == before.length || before.bytes[i] == '.') &&
            module_ends(module, (struct part){before.bytes, i}))
            return true;
    return false;
}

bool function_match(const char *wanted, const struct name *name, const struct name *file,
                    uint8_t kind, bool bare)
{
    struct part text = {wanted, strlen(wanted)}, own = {name->bytes, name->length};
    if (!own.length)
        return false;
    if (text.length <= own.length) { /* the name's own end */
        size_t rest = own.length - text.length;
        return (!rest || own.bytes[rest - 1] == '.') &&
               !memcmp(own.bytes + rest, text.bytes, text.length);
    }
    struct part before = {text.bytes, text.length - own.length - 1};
    if (text.bytes[before.length] != '.' ||
        memcmp(text.bytes + before.length + 1, own.bytes, own.length))
        return false;
    struct part module = module_of(file, kind);
    return module_ends(module, before) || (bare && module_among(module, before));
}
