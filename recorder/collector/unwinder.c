/* What native frames need of the build and of the C library (unwinder.h). Why memrec's own C
 * library is asked: the program's is the same file but where it brings a loader of its own. */
#define _GNU_SOURCE
#include "recorder/collector/unwinder.h"
#include "recorder/failpoint.h"

#include <gnu/libc-version.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef MEMREC_NATIVE
#    define BUILT_WITH_UNWINDER 1
#else
#    define BUILT_WITH_UNWINDER 0
#endif

/* Can a C library of this version tell which module an address is in (_dl_find_object, 2.35)? */
static bool finds_modules(const char *version)
{
    char *rest;
    long major = strtol(version, &rest, 10), minor = *rest ? strtol(rest + 1, NULL, 10) : 0;
    return major > 2 || (major == 2 && minor >= 35);
}

const char *unwinder_hindrance(void)
{
    static char text[160];
    const char *version = FAILPOINT(libc_version, gnu_get_libc_version(), "2.31");
    if (!BUILT_WITH_UNWINDER)
        return "this memrec was built without its unwinder; tools/setup brings it (and says what "
               "is in its way), then make again";
    if (finds_modules(version))
        return NULL;
    snprintf(
        text, sizeof text,
        "native frames need glibc 2.35 or newer, and this is %.20s; record on a newer system, or "
        "in a container of one",
        version);
    return text;
}
