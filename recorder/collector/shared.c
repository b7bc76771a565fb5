/* Making the shared file (shared.h). */
#define _GNU_SOURCE
#include "recorder/collector/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int nameless_file(void)
{
    int fd = memfd_create("memrec", MFD_CLOEXEC);
    if (fd < 0)
        fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd;
}

int shared_make(struct shared *s, uint32_t flags, struct err *err)
{
    s->control = NULL;
    s->fd = nameless_file();
    if (s->fd < 0 || ftruncate(s->fd, (off_t)SHM_BYTES) != 0) {
        int status = err_set(err, ERR_SYSTEM, "no shared memory can be made (memfd, /dev/shm, /tmp): %s", strerror(errno));
        shared_release(s);
        return status;
    }
    void *at = mmap(NULL, SHM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->fd, 0);
    if (at == MAP_FAILED) {
        int status = err_set(err, ERR_SYSTEM, "the shared memory cannot be mapped: %s", strerror(errno));
        shared_release(s);
        return status;
    }
    s->control = at;
    struct shm_header *header = &s->control->header;
    header->magic = RING_MAGIC;
    header->version = RING_VERSION;
    header->flags = flags;
    atomic_store(&header->next_serial, 1);
    atomic_store(&header->recording, 1);
    return 0;
}

void shared_release(struct shared *s)
{
    if (s->control)
        munmap(s->control, SHM_BYTES);
    if (s->fd >= 0)
        close(s->fd);
    s->control = NULL;
    s->fd = -1;
}
