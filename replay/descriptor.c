/* The loops around read and write (descriptor.h). Why a write of nothing goes on: it is no error,
 * and neither pipes nor files keep answering so. */
#include "replay/descriptor.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static bool put_all(int fd, const void *bytes, size_t length, bool is_socket)
{
    size_t done = 0;
    while (done < length) {
        const uint8_t *at = (const uint8_t *)bytes + done;
        ssize_t put =
            is_socket ? send(fd, at, length - done, MSG_NOSIGNAL) : write(fd, at, length - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

bool descriptor_write(int fd, const void *bytes, size_t length)
{
    return put_all(fd, bytes, length, false);
}

bool descriptor_send(int fd, const void *bytes, size_t length)
{
    return put_all(fd, bytes, length, true);
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
