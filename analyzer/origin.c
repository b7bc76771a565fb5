/* Finding the role of a file (origin.h). Why by markers in the path: an environment may lie
 * anywhere, but site-packages and lib/python3.N are the same in all of them. */
#include "analyzer/origin.h"

#include "analyzer/frame.h"
#include <string.h>

static const char *after(const char *path, const char *marker)
{
    const char *found = strstr(path, marker);
    return found ? found + strlen(marker) : 0;
}

/* The path below …/lib/python3.11/, or NULL. */
static const char *below_stdlib(const char *path)
{
    const char *at = after(path, "/lib/python3.");
    at = at ? at : after(path, "/lib64/python3.");
    return at && strchr(at, '/') ? strchr(at, '/') + 1 : 0;
}

static const char *below_library(const char *path)
{
    const char *at = after(path, "/site-packages/");
    at = at ? at : after(path, "/dist-packages/");
    return at ? at : below_stdlib(path);
}

static bool below_folder(const struct name *file, const char *folder, uint32_t length)
{
    return length && file->length > length && !memcmp(file->bytes, folder, length);
}

static void set(struct origin *out, char kind, const struct name *file, const char *from)
{
    out->kind = kind;
    out->rest = (struct text){from, file->length - (uint32_t)(from - file->bytes)};
}

/* `<frozen importlib._bootstrap>` is importlib/_bootstrap.py, which other versions do not freeze.
 */
static bool set_frozen(struct origin *out, const struct name *file)
{
    static const char prefix[] = "<frozen ";
    enum { PREFIX = sizeof prefix - 1 };
    if (file->length <= PREFIX + 1 || file->length + 3 > sizeof out->made ||
        memcmp(file->bytes, prefix, PREFIX) != 0 || file->bytes[file->length - 1] != '>')
        return false;
    uint32_t length = file->length - PREFIX - 1;
    for (uint32_t i = 0; i < length; i++)
        out->made[i] = file->bytes[PREFIX + i] == '.' ? '/' : file->bytes[PREFIX + i];
    memcpy(out->made + length, ".py", 4);
    out->kind = ORIGIN_LIBRARY;
    out->rest = (struct text){out->made, length + 3};
    return true;
}

/* libfoo.so.1.2 and libfoo.so.1.3, x.cpython-311-x86_64-linux-gnu.so and x.cpython-312-….so; a
 * module without such an ending as it is. */
static bool set_module(struct origin *out, const struct name *file, bool is_module)
{
    const char *slash = strrchr(file->bytes, '/'), *base = slash ? slash + 1 : file->bytes;
    const char *end = strstr(base, ".cpython-");
    end = end ? end : strstr(base, ".so");
    if (!end && !is_module)
        return false;
    end = end ? end : file->bytes + file->length;
    out->kind = ORIGIN_MODULE;
    out->rest = (struct text){base, (uint32_t)(end - base)};
    return true;
}

void origin_find(struct origin *out, const struct origins *o, const struct name *file, uint8_t kind)
{
    const char *library = below_library(file->bytes);
    if (kind != FUNCTION_PYTHON && set_module(out, file, kind == FUNCTION_MODULE))
        return;
    if (library)
        set(out, ORIGIN_LIBRARY, file, library);
    else if (set_frozen(out, file))
        return;
    else if (file == o->script)
        set(out, ORIGIN_SCRIPT, file, file->bytes + file->length);
    else if (o->home && below_folder(file, o->home->bytes, o->home->length))
        set(out, ORIGIN_HOME, file, file->bytes + o->home->length);
    else if (below_folder(file, o->prefix.bytes, o->prefix.length))
        set(out, ORIGIN_PREFIX, file, file->bytes + o->prefix.length);
    else
        set(out, ORIGIN_OTHER, file, file->bytes);
}

/* Is this the file that the argument names? */
static bool names_file(const struct name *argument, const struct name *file)
{
    const char *bytes = argument->bytes;
    uint32_t length = argument->length;
    while (length > 2 && bytes[0] == '.' && bytes[1] == '/') {
        bytes += 2;
        length -= 2;
    }
    const char *slash = memrchr(bytes, '/', length);
    if (slash && !strncmp(bytes, "../", 3)) { /* by its last part */
        length -= (uint32_t)(slash + 1 - bytes);
        bytes = slash + 1;
    }
    if (!length || length > file->length ||
        memcmp(file->bytes + file->length - length, bytes, length))
        return false;
    return length == file->length || file->bytes[file->length - length - 1] == '/';
}

static const struct name *script_of(const struct symbols *s, const struct name *argument)
{
    for (uint32_t id = FUNCTION_FIRST; id < s->functions.limit; id++) {
        const struct function *f = symbols_function(s, id);
        if (f && f->kind == FUNCTION_PYTHON && !strcmp(f->name->bytes, "<module>") &&
            !below_library(f->file->bytes) && names_file(argument, f->file))
            return f->file;
    }
    return 0;
}

void origins_learn(struct origins *o, struct model *m)
{
    const struct process *root = model_root(m);
    *o = (struct origins){.home = frame_home(&m->symbols)};
    for (uint32_t i = 1; root && i < root->argument_count && !o->script; i++)
        if (root->arguments[i]->length && root->arguments[i]->bytes[0] != '-')
            o->script = script_of(&m->symbols, root->arguments[i]);
    const char *bin = root ? strstr(root->executable->bytes, "/bin/") : 0;
    if (bin)
        o->prefix =
            (struct text){root->executable->bytes, (uint32_t)(bin + 1 - root->executable->bytes)};
    if (!o->script)
        return;
    const char *slash = strrchr(o->script->bytes, '/');
    uint32_t length = slash ? (uint32_t)(slash + 1 - o->script->bytes) : 0;
    o->home = symbols_name(&m->symbols, (struct text){o->script->bytes, length});
}
