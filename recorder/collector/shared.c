/* Making the shared file (shared.h). Why a mark: whether a process still has the file mapped is
 * read from its maps, by device and inode, whatever the file is called. Why seals: a program that
 * makes the file shorter would end, with SIGBUS, everybody who looks at it. A file that cannot be
 * sealed is guarded: where it is gone, zeros are mapped, and a ring of zeros lies (merge.c). */
#define _GNU_SOURCE
#include "recorder/collector/shared.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Takes memory for the part of the file that lies there. Only a memfd has it without asking: on a
 * file system that is full, the first touch of a page would kill whoever touches it (SIGBUS). */
static bool back(const struct shared *s, uint64_t offset, uint64_t bytes)
{
    if (!s->backed || s->fd < 0)
        return s->fd >= 0;
    errno = FAILPOINT(shared_back, posix_fallocate(s->fd, (off_t)offset, (off_t)bytes), ENOSPC);
    return errno == 0;
}

bool shared_back_chunk(const struct shared *s, uint32_t chunk)
{
    return chunk < s->chunks && back(s, chunk_offset(chunk), CHUNK_BYTES);
}

/* Maps a file of that many chunks. Returns false: not so many. */
static bool map_chunks(struct shared *s, uint32_t chunks)
{
    uint64_t bytes = CONTROL_BYTES + (uint64_t)chunks * CHUNK_BYTES;
    if (FAILPOINT(shared_size, ftruncate(s->fd, (off_t)bytes), -1) != 0)
        return false;
    void *at = FAILPOINT(
        shared_map, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->fd, 0),
        MAP_FAILED);
    if (at == MAP_FAILED)
        return false;
    s->control = at;
    s->bytes = bytes;
    s->chunks = s->control->header.chunks = chunks;
    return true;
}

/* Makes it of this nameless file, which is ours now. Returns false when it is of no use. */
static bool make_of(struct shared *s, int fd, bool backed)
{
    *s = (struct shared){.fd = fd, .backed = backed};
    uint32_t chunks = back(s, 0, CONTROL_BYTES + CHUNK_BYTES) ? CHUNK_LIMIT : 0;
    while (fd >= 0 && chunks && !map_chunks(s, chunks))
        chunks /= 4;
    if (!s->control)
        shared_release(s);
    return s->control;
}

static bool make_somewhere(struct shared *s)
{
    const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
    return make_of(s, FAILPOINT(memfd, memfd_create("memrec", MFD_CLOEXEC | MFD_ALLOW_SEALING), -1),
                   false) ||
           make_of(s, FAILPOINT(shm_file, open("/dev/shm", flags, 0600), -1), true) ||
           make_of(s, FAILPOINT(tmp_file, open("/tmp", flags, 0600), -1), true);
}

static void make_mark(struct shared *s)
{
    struct stat st;
    if (FAILPOINT(shared_stat, fstat(s->fd, &st), -1) == 0)
        snprintf(s->mark, sizeof s->mark, " %02x:%02x %llu ", major(st.st_dev), minor(st.st_dev),
                 (unsigned long long)st.st_ino);
}

static struct {
    char *start;
    size_t bytes;
} guarded;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    if ((uintptr_t)info->si_addr - (uintptr_t)guarded.start >= guarded.bytes ||
        mmap(guarded.start, guarded.bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        signal(number, SIG_DFL); /* not ours: it comes again */
    errno = saved;
}

void shared_guard(const struct shared *s)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    guarded.start = (char *)s->control;
    guarded.bytes = s->bytes;
    sigaction(SIGBUS, &action, NULL);
}

int shared_make(struct shared *s, uint32_t flags, struct err *err)
{
    if (!make_somewhere(s))
        return err_set(err, ERR_SYSTEM, "no shared memory can be had (memfd, /dev/shm, /tmp): %s",
                       strerror(errno));
    fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    make_mark(s);
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
    int saved = errno;
    if (s->control)
        munmap(s->control, s->bytes);
    if (s->fd >= 0)
        close(s->fd);
    errno = saved;
    s->control = NULL;
    s->fd = -1;
}
