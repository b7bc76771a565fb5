/* The process that reads binaries, and what goes through the socket to it (symboliser.h):
 *
 *   ask:      module u32, count of offsets u32, bytes of path u32, of build id u32, time u64;
 *             then the offsets u64, the path and the build id, each of these two with a NUL
 *   message:  module u32, kind u32, value u32;  LIST is followed by `value` bytes
 *             (format/names.h), DONE ends the module, its value is the status
 *
 * Where it ends early or says what cannot be, the module at work is given up, and another process
 * goes on behind it. */
#include "replay/symboliser.h"

#include "format/error.h"
#include "format/wire.h"
#include "replay/descriptor.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASK_BYTES     24u
#define MESSAGE_BYTES 12u
#define CPU_SECONDS   60u  /* for a module */
#define MOST_SECONDS  300u /* for all that one process reads */
#define MOST_FAILURES 16u  /* then the rest is left alone */
#define WAIT_SECONDS  120u /* for one that waits for something */
#define FETCH_SECONDS 900u /* where debug files may come from a network (debuginfod) */

enum message_kind { MESSAGE_LIST, MESSAGE_DONE };

/* The child's side. */
struct teller {
    int fd;
    uint32_t module;
    const struct symbolise_ask *ask;
    uint32_t told; /* offsets up to here have their answer */
    struct names_writer names;
};

static bool tell(const struct teller *t, enum message_kind kind, uint32_t value)
{
    uint8_t message[MESSAGE_BYTES];
    put_u32(message, t->module);
    put_u32(message + 4, kind);
    put_u32(message + 8, value);
    return descriptor_write(t->fd, message, sizeof message);
}

static int tell_list(struct teller *t)
{
    size_t length;
    uint8_t *list =
        names_writer_list(&t->names, (struct text){"", 0}, (struct text){"", 0}, &length);
    bool told =
        list && tell(t, MESSAGE_LIST, (uint32_t)length) && descriptor_write(t->fd, list, length);
    free(list);
    names_writer_clear(&t->names);
    return told ? 0 : -ERR_IO;
}

static int add(struct teller *t, const struct names_frame *frames, uint32_t count)
{
    int rc = names_writer_add(&t->names, t->ask->offsets[t->told++], frames, count);
    return !rc && names_writer_full(&t->names) ? tell_list(t) : rc;
}

/* As symbolise_take. */
static int take_frames(void *context, uint32_t index, const struct names_frame *frames,
                       uint32_t count)
{
    struct teller *t = context;
    int rc = 0;
    while (!rc && t->told < index)
        rc = add(t, 0, 0);
    return rc ? rc : add(t, frames, count);
}

static void limit_next_module(void)
{
    struct rusage used;
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_CPU, &limit);
    limit.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + CPU_SECONDS;
    if (limit.rlim_cur > MOST_SECONDS)
        limit.rlim_cur = MOST_SECONDS;
    setrlimit(RLIMIT_CPU, &limit);
    alarm(getenv("DEBUGINFOD_URLS") ? FETCH_SECONDS : WAIT_SECONDS);
}

/* Nobody hears from it but through the socket, and it leaves nothing behind. */
static void become_quiet(void)
{
    static const int defaults[] = {SIGPIPE, SIGALRM, SIGXCPU, SIGSEGV, SIGBUS,
                                   SIGABRT, SIGINT,  SIGTERM, SIGHUP};
    const struct rlimit none = {0, 0};
    int null = open("/dev/null", O_RDWR);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        signal(defaults[i], SIG_DFL);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int tell_module(struct teller *t, const struct symbolise_ask *ask)
{
    enum symbolise_status status;
    t->ask = ask;
    t->told = 0;
    limit_next_module();
    int rc = symbolise_module(ask, take_frames, t, &status);
    while (!rc && status == SYMBOLISE_READ && t->told < ask->count)
        rc = add(t, 0, 0);
    if (!rc && t->told)
        rc = tell_list(t);
    if (rc == -ERR_IO)
        return rc;
    return tell(t, MESSAGE_DONE, rc ? SYMBOLISE_FAILED : status) ? 0 : -ERR_IO;
}

/* The next ask, in one block of memory; NULL where there is none. */
static uint8_t *read_ask(struct teller *t, struct symbolise_ask *ask)
{
    uint8_t head[ASK_BYTES];
    if (descriptor_read(t->fd, head, sizeof head) != sizeof head)
        return 0;
    size_t offsets = get_u32(head + 4) * sizeof *ask->offsets;
    size_t path = get_u32(head + 8) + 1ul, build_id = get_u32(head + 12) + 1ul;
    uint8_t *bytes = malloc(offsets + path + build_id);
    if (!bytes ||
        descriptor_read(t->fd, bytes, offsets + path + build_id) != offsets + path + build_id) {
        free(bytes);
        return 0;
    }
    t->module = get_u32(head);
    *ask = (struct symbolise_ask){.path = (char *)bytes + offsets,
                                  .build_id = (char *)bytes + offsets + path,
                                  .recorded_at_ns = get_u64(head + 16),
                                  .offsets = (uint64_t *)(void *)bytes,
                                  .count = get_u32(head + 4)};
    return bytes;
}

static _Noreturn void be_child(int fd)
{
    struct teller t = {.fd = fd};
    struct symbolise_ask ask;
    uint8_t *bytes;
    become_quiet();
    while ((bytes = read_ask(&t, &ask)) && !tell_module(&t, &ask)) {
        alarm(0);
        free(bytes);
    }
    _exit(0);
}

/* The parent's side. */
struct listener {
    struct symboliser_module *modules;
    uint32_t count, at; /* at: the first module that is not done */
    names_take *take;
    void *context;
    int fd;
};

static bool ask_for(const struct listener *l)
{
    const struct symbolise_ask *ask = &l->modules[l->at].ask;
    size_t path = strlen(ask->path), build_id = strlen(ask->build_id);
    uint8_t head[ASK_BYTES];
    put_u32(head, l->at);
    put_u32(head + 4, ask->count);
    put_u32(head + 8, (uint32_t)path);
    put_u32(head + 12, (uint32_t)build_id);
    put_u64(head + 16, ask->recorded_at_ns);
    return descriptor_send(l->fd, head, sizeof head) &&
           descriptor_send(l->fd, ask->offsets, ask->count * sizeof *ask->offsets) &&
           descriptor_send(l->fd, ask->path, path + 1) &&
           descriptor_send(l->fd, ask->build_id, build_id + 1);
}

static int hear_list(const struct listener *l, const uint8_t *list, size_t length)
{
    struct names_reader r;
    int rc = names_reader_init(&r, list, length);
    rc = rc ? rc : names_reader_each(&r, l->at, l->take, l->context);
    names_reader_release(&r);
    return rc;
}

/* One message. Returns 1; 0 when the other side has ended or cannot be believed; an error. */
static int hear(struct listener *l)
{
    uint8_t message[MESSAGE_BYTES];
    if (descriptor_read(l->fd, message, sizeof message) < sizeof message ||
        get_u32(message) != l->at)
        return 0;
    uint32_t kind = get_u32(message + 4), value = get_u32(message + 8);
    if (kind == MESSAGE_DONE && value < SYMBOLISE_STATUSES) {
        l->modules[l->at++].status = (enum symbolise_status)value;
        return 1;
    }
    if (kind != MESSAGE_LIST || value > NAMES_MAX_BYTES)
        return 0;
    uint8_t *list = malloc(value + 1ul);
    if (!list)
        return -ERR_NOMEM;
    int rc = descriptor_read(l->fd, list, value) < value ? -ERR_DAMAGED : hear_list(l, list, value);
    free(list);
    return rc == -ERR_DAMAGED ? 0 : rc ? rc : 1;
}

/* All that is said of one module. Returns as hear. */
static int listen_to_module(struct listener *l)
{
    uint32_t at = l->at;
    int rc = ask_for(l);
    while (rc > 0 && l->at == at)
        rc = hear(l);
    return rc;
}

void symboliser_start(struct symboliser *s)
{
    int ends[2];
    if (s->child > 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return;
    s->fd = ends[0];
    s->child = fork();
    if (s->child == 0) {
        close(ends[0]);
        be_child(ends[1]);
    }
    close(ends[1]);
    if (s->child < 0)
        close(ends[0]);
}

void symboliser_stop(struct symboliser *s)
{
    if (s->child > 0) {
        kill(s->child, SIGKILL);
        close(s->fd);
        while (waitpid(s->child, 0, 0) < 0 && errno == EINTR)
            ;
    }
    *s = (struct symboliser){0};
}

int symboliser_run(struct symboliser *s, struct symboliser_module *modules, uint32_t count,
                   names_take *take, void *context)
{
    struct listener l = {.modules = modules, .count = count, .take = take, .context = context};
    uint32_t failures = 0;
    int rc = 1;
    while (rc >= 0 && l.at < count) {
        if (failures < MOST_FAILURES)
            symboliser_start(s);
        l.fd = s->fd;
        rc = s->child > 0 ? listen_to_module(&l) : 0;
        if (rc == 0) {
            modules[l.at++].status = SYMBOLISE_FAILED;
            failures++;
            symboliser_stop(s);
        }
    }
    if (rc < 0)
        symboliser_stop(s); /* it may still be talking */
    return rc < 0 ? rc : 0;
}
