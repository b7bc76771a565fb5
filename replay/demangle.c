/* Demangling into a bounded buffer (demangle.h). Why the demanglers' callbacks: a few hundred bytes
 * can stand for gigabytes, so what they say is taken piece by piece, and when there is enough of it
 * they are left by a jump. They keep everything on the stack, so nothing is lost by that. */
#include "replay/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

#define MANGLED_MAX_BYTES 8192 /* longer ones are not looked into: the stack grows with them */
#define STYLE             (DMGL_ANSI)

struct piece_writer {
    char *out;
    size_t used;
    jmp_buf full;
};

static void add_piece(const char *piece, size_t length, void *context)
{
    struct piece_writer *w = context;
    size_t room = DEMANGLE_MAX_BYTES - 1 - w->used, taken = length < room ? length : room;
    memcpy(w->out + w->used, piece, taken);
    w->used += taken;
    if (taken < length)
        longjmp(w->full, 1);
}

bool demangle_mangled(const char *name)
{
    return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

static size_t as_it_is(const char *name, char *out)
{
    const char *version = name[0] ? strchr(name + 1, '@') : 0;
    size_t length = version ? (size_t)(version - name) : strlen(name);
    if (length > DEMANGLE_MAX_BYTES - 1)
        length = DEMANGLE_MAX_BYTES - 1;
    memcpy(out, name, length);
    out[length] = 0;
    return length;
}

/* Returns the length, 0 where the name is none of the demanglers'. */
static size_t as_said(const char *name, struct piece_writer *w)
{
    if (setjmp(w->full))
        return w->used;
    if (rust_demangle_callback(name, STYLE, add_piece, w))
        return w->used;
    w->used = 0;
    return cplus_demangle_v3_callback(name, STYLE, add_piece, w) ? w->used : 0;
}

size_t demangle(const char *name, char *out)
{
    struct piece_writer w = {.out = out};
    size_t length = 0;
    if (demangle_mangled(name) && strnlen(name, MANGLED_MAX_BYTES) < MANGLED_MAX_BYTES)
        length = as_said(name, &w);
    if (!length)
        return as_it_is(name, out);
    out[length] = 0;
    return length;
}
