/* Libraries that are closed while native frames are recorded: what is loaded in their place later
 * is another module (modules.h). Why after the call: only then does the loader know whether
 * anything has gone. A library that the C library closes by itself (NSS, iconv) is noticed when
 * another one is met in its place. */
#define _GNU_SOURCE
#include "recorder/preload/hooks.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/modules.h"
#include "recorder/preload/real.h"

#include <errno.h>

static void look_again(void)
{
    struct thread *t = &thread_self;
    int saved = errno;
    if (interp.native && hook_enter(t)) {
        modules_closed();
        hook_leave(t);
    }
    errno = saved;
}

EXPORT int dlclose(void *handle)
{
    if (!real.dlclose)
        real_resolve();
    if (!real.dlclose)
        return -1;
    int status = real.dlclose(handle);
    look_again();
    return status;
}
