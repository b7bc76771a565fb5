/* Joining a recording (attach.h).
 * In an image that is not to be recorded the constructor returns early and every hook passes
 * through: no socket, no mapping, no thread-specific key. What bounds it: each wait for the
 * collector ends after wait_limit_ms(). */
#define _GNU_SOURCE
#include "recorder/preload/attach.h"
#include "recorder/failpoint.h"
#include "recorder/preload/early.h"
#include "recorder/preload/emit.h"
#include "recorder/preload/hooks_python.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/others.h"
#include "recorder/preload/real.h"
#include "recorder/preload/unwind.h"
#include "recorder/rendezvous.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ASK_LIMIT_MS 2000
/* The program itself has not begun yet, and its collector was alive a moment ago: a machine that
 * gives it no time for seconds is no reason to go on without a recording. */
#define ROOT_LIMIT_MS 10000

/* What MEMREC says (rendezvous.h). */
static struct {
    char socket[64];
    char children;
    uint32_t root_pid;
    bool root_any;
} invitation;

/* A program that runs set-uid takes no word of its caller's: it is not recorded. */
static bool read_invitation(void)
{
    const char *text = secure_getenv(RENDEZVOUS_VARIABLE);
    size_t length = text ? strcspn(text, ",") : 0;
    if (!length || length >= sizeof invitation.socket || text[length] != ',')
        return false;
    memcpy(invitation.socket, text, length);
    text += length + 1;
    invitation.children = *text++;
    if (*text++ != ',')
        return false;
    char *end;
    invitation.root_pid = (uint32_t)strtoul(text, &end, 10);
    invitation.root_any = *end == ',' && end[1] == '1';
    return *end == ',';
}

static unsigned wait_limit_ms(void)
{
    return process.root && !process.control ? ROOT_LIMIT_MS : ASK_LIMIT_MS;
}

/* Raw system calls throughout: libc's are cancellation points, and malloc is none. */
static void raw_close(int fd) { syscall(SYS_close, fd); }

/* Out of the range of the standard descriptors, in case those were closed: other threads may use
 * them. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int moved = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
    raw_close(fd);
    return moved;
}

/* Where this is refused, nothing would bound the waits: then there is no recording. */
static bool limit_waits(int fd)
{
    struct timeval limit = {.tv_sec = wait_limit_ms() / 1000};
    return FAILPOINT(attach_limit,
                     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) |
                         setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit),
                     -1) == 0;
}

static int connect_collector(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(invitation.socket);
    memcpy(address.sun_path + 1, invitation.socket, length);
    int fd = FAILPOINT(
        attach_socket,
        above_standard((int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), -1);
    if (fd < 0)
        return -1;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    if (limit_waits(fd) &&
        FAILPOINT(attach_connect, syscall(SYS_connect, fd, &address, bytes), -1) == 0)
        return fd;
    raw_close(fd);
    return -1;
}

/* The descriptor that came with a message, or -1. */
static int passed_descriptor(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    int fd = -1;
    if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(control), sizeof fd);
    return FAILPOINT(attach_descriptor, fd, -1);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A signal ends a wait that has a time limit, and so do Ctrl-Z and fg: no reason to give up, but
 * the next wait has only what is left of the time. */
static long receive(int fd, struct msghdr *message)
{
    uint64_t end = now_ms() + wait_limit_ms(), now;
    long got;
    while ((got = syscall(SYS_recvmsg, fd, message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR &&
           (now = now_ms()) < end) {
        struct timeval left = {.tv_sec = (long)(end - now) / 1000,
                               .tv_usec = (long)(end - now) % 1000 * 1000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof left);
    }
    return got;
}

/* One question, one answer. Returns the shared file's descriptor, or -1; *reply is zeroed where no
 * answer came. */
static int ask(const struct rendezvous_ask *question, struct rendezvous_reply *reply)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {reply, sizeof *reply};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int passed = -1;
    memset(reply, 0, sizeof *reply);
    memset(&control, 0, sizeof control);
    int fd = connect_collector();
    if (fd < 0)
        return -1;
    long sent =
        FAILPOINT(attach_send,
                  syscall(SYS_sendto, fd, question, sizeof *question, MSG_NOSIGNAL, NULL, 0), -1);
    if (sent == (long)sizeof *question &&
        FAILPOINT(attach_receive, receive(fd, &message), -1) == (long)sizeof *reply)
        passed = above_standard(passed_descriptor(&message));
    raw_close(fd);
    if (reply->magic != RENDEZVOUS_MAGIC)
        memset(reply, 0, sizeof *reply);
    return passed;
}

static void *map_shared(int fd, uint64_t offset, size_t bytes)
{
    void *at = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                        (int64_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

static bool keep_chunk(uint32_t chunk, void *mapping)
{
    if (FAILPOINT(chunk_map, !mapping, true))
        return false;
    __atomic_store_n(&process.chunks[chunk], (struct ring *)mapping, __ATOMIC_RELEASE);
    return true;
}

bool attach_chunk(uint32_t chunk)
{
    struct rendezvous_ask question = {
        .magic = RENDEZVOUS_MAGIC, .question = ASK_FILE, .pid = process.pid, .chunk = chunk};
    struct rendezvous_reply reply;
    uint64_t start = now_ms();
    if (process.unanswered)
        return false;
    int fd = FAILPOINT(chunk_ask, ask(&question, &reply), -1);
    process.unanswered = fd < 0 && now_ms() - start >= ASK_LIMIT_MS / 2;
    if (fd < 0)
        return false;
    bool mapped = keep_chunk(chunk, map_shared(fd, chunk_offset(chunk), CHUNK_BYTES));
    raw_close(fd);
    return mapped;
}

static void thread_ends(void *unused)
{
    struct thread *t = &thread_self;
    uint8_t before = t->busy;
    (void)unused;
    t->busy = BUSY_HOOK;
    emit_close(t);
    walker_release(&t->walker);
    t->walker.closed = true;
    t->ended = 1;
    t->busy = before;
}

static enum rendezvous_verdict to_verdict(enum interp_verdict found)
{
    switch (found) {
    case INTERP_NONE: return PYTHON_NONE;
    case INTERP_OK: return PYTHON_KNOWN;
    case INTERP_UNKNOWN_VERSION: return PYTHON_UNKNOWN;
    default: return PYTHON_MISMATCH;
    }
}

static bool wanted(bool python)
{
    if (process.root)
        return python || invitation.root_any;
    return invitation.children == 'a' || (invitation.children == 'p' && python);
}

static void wait_for_end(void)
{
    struct timespec limit = {.tv_sec = ASK_LIMIT_MS / 1000};
    nanosleep(&limit, NULL);
}

/* Maps what was handed over. The slot is ours already: the collector filled it in. */
static bool take_place(int fd, const struct rendezvous_reply *reply)
{
    struct shm_control *control = FAILPOINT(attach_control, map_shared(fd, 0, CONTROL_BYTES), NULL);
    if (!control || reply->slot >= SLOT_LIMIT || control->header.magic != RING_MAGIC ||
        FAILPOINT(attach_version, control->header.version, 0) != RING_VERSION)
        return false;
    process.control = control;
    process.slot_index = reply->slot;
    process.slot = &control->slots[reply->slot];
    process.serial = process.slot->serial;
    process.flags = reply->flags;
    return keep_chunk(0, map_shared(fd, chunk_offset(0), CHUNK_BYTES)) &&
           FAILPOINT(attach_key, pthread_key_create(&process.key, thread_ends), EAGAIN) == 0 &&
           FAILPOINT(attach_atfork,
                     pthread_atfork(process_fork_prepare, process_fork_parent, process_fork_child),
                     ENOMEM) == 0;
}

static void begin(enum interp_verdict found)
{
    bool walk = found == INTERP_OK && process.flags & SHM_STACKS;
    if (!walk) {
        process.flags &= ~(uint32_t)SHM_STACKS;
        walk_stop();
    }
    if (process.flags & (found == INTERP_NONE ? SHM_NATIVE | SHM_NATIVE_OTHERS : SHM_NATIVE) &&
        unwind_possible())
        walk_native();
    atomic_store(&process.slot->joined, 1);
    atomic_store(&process.slot->python, walk ? SLOT_PYTHON_WAITING : SLOT_PYTHON_NONE);
    if (found != INTERP_NONE && process.flags & SHM_OBJECTS)
        python_wrap_allocators();
    syscall(SYS_prctl, PR_GET_NAME, thread_self.name); /* hooks_names.c: from here on we know */
    if (process_open())
        early_write();
    else
        process_give_up(REASON_NO_RING);
}

static void join(void)
{
    struct rendezvous_ask question = {.magic = RENDEZVOUS_MAGIC, .question = ASK_ATTACH};
    struct rendezvous_reply reply;
    process.pid = (uint32_t)getpid();
    process.root = process.pid == invitation.root_pid;
    enum interp_verdict found = interp_probe(RTLD_DEFAULT, question.text, sizeof question.text);
    if (!wanted(found != INTERP_NONE))
        return;
    if (found == INTERP_OK)
        strncpy(question.text, interp_version(), sizeof question.text - 1);
    question.pid = process.pid;
    question.verdict = to_verdict(found);
    int fd = ask(&question, &reply);
    if (reply.answer == ANSWER_REFUSED)
        wait_for_end();
    if (fd < 0)
        return;
    if (reply.answer == ANSWER_RECORD && take_place(fd, &reply))
        begin(found);
    raw_close(fd);
}

__attribute__((destructor)) static void library_ends(void)
{
    if (process.open)
        process_tell_losses();
}

__attribute__((constructor)) static void library_loaded(void)
{
    int saved = errno;
    real_forget_error(); /* one of before us, too: our own questions would free its text unseen */
    thread_self.busy = BUSY_HOOK;
    early_end();
    real_resolve();
    others_hide();
    if (read_invitation())
        join();
    early_release();
    thread_self.busy = BUSY_NO;
    errno = saved;
}
