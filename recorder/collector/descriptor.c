/* Which descriptor is one of the last (descriptor.h). Why its number tells: the kernel gives the
 * lowest that is free. */
#include "recorder/collector/descriptor.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

int descriptor_hold(int fd)
{
    struct rlimit limit;
    if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        (rlim_t)fd + DESCRIPTORS_SPARE < limit.rlim_cur)
        return fd;
    close(fd);
    errno = EMFILE;
    return -1;
}
