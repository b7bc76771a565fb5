/* The loops around read and write (descriptor.h). Why a write of nothing goes on: it is no error,
 * and neither pipes nor files keep answering so. */
#include "replay/descriptor.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

bool descriptor_write(int fd, const void *bytes, size_t length)
{
    for (const uint8_t *at = bytes, *end = at + length; at < end;) {
        ssize_t written = write(fd, at, (size_t)(end - at));
        if (written < 0 && errno != EINTR)
            return false;
        at += written > 0 ? written : 0;
    }
    return true;
}

size_t descriptor_read(int fd, void *bytes, size_t length)
{
    size_t used = 0;
    while (used < length) {
        ssize_t got = read(fd, (uint8_t *)bytes + used, length - used);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    return used;
}
