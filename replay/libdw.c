/* Opening libdw and finding its functions (libdw.h). Why by its soname: that is the interface that
 * the headers describe; libelf comes with it. */
#include "replay/libdw.h"

#include <dlfcn.h>

struct libdw libdw;

/* Functions are found as data; POSIX says that the two pointers are alike. */
static bool find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    *(void **)function = found;
    return found != 0;
}

static bool find_all(void)
{
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    bool ok = library != 0;
#define LIBDW(name) ok = ok && find(library, #name, &libdw.name);
#include "replay/libdw.def"
#undef LIBDW
    return ok;
}

bool libdw_open(void)
{
    static enum { NEW, OPEN, MISSING } state;
    if (state == NEW)
        state = find_all() ? OPEN : MISSING;
    return state == OPEN;
}
