/* Opening and closing outputs (output.h). Why /dev/fd is read as a name: it is a link like any
 * other, and none is followed; so what the shell put there keeps its place and its mode, too. */
#include "analyzer/output.h"

#include "format/plain.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdout(const char *name)
{
    return !name || !strcmp(name, "-") || !strcmp(name, "/dev/stdout");
}

/* The descriptor of ours that a name means, or -1. */
static int lent(const char *name)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (!strcmp(name, "/dev/stderr"))
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *number = name + strlen(folders[i]);
        if (!strncmp(name, folders[i], strlen(folders[i])) && *number &&
            strspn(number, "0123456789") == strlen(number) && strlen(number) < 9)
            return atoi(number);
    }
    return -1;
}

/* A device or a pipe is written as it stands: nothing is replaced. Somebody else's pipe in a shared
 * folder is a trap: he reads what was meant for a file. */
static bool stands(const struct stat *st)
{
    bool ours = st->st_uid == geteuid() || st->st_uid == 0;
    return S_ISCHR(st->st_mode) || (S_ISFIFO(st->st_mode) && ours);
}

/* Opens a device or a pipe. Returns -1 where it is none (any more), or cannot be opened. */
static int open_standing(const char *name)
{
    struct stat st;
    int fd = open(name, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) || !stands(&st))) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    return fd;
}

static int open_file(struct output *out, const struct options *o, struct err *err)
{
    int rc = draft_open(&out->draft, o->output, o->force, err);
    if (rc)
        return rc;
    int fd = fcntl(out->draft.fd, F_DUPFD_CLOEXEC, 3);
    out->file = fd >= 0 ? fdopen(fd, "w") : 0;
    out->drafted = out->file;
    if (!out->file)
        draft_discard(&out->draft);
    return out->file ? 0 : err_set(err, ERR_USAGE, "%s cannot be written", o->output);
}

int output_open(struct output *out, const struct options *o, struct err *err)
{
    struct stat st;
    *out = (struct output){.name = o->output};
    if (is_stdout(o->output)) {
        *out = (struct output){.name = "stdout", .file = stdout};
        return 0;
    }
    int fd = lent(o->output);
    if (fd < 0 && (lstat(o->output, &st) || !stands(&st)))
        return open_file(out, o, err);
    fd = fd < 0 ? open_standing(o->output) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    out->file = fd < 0 ? 0 : fdopen(fd, "w");
    if (out->file)
        return 0;
    err_set(err, ERR_USAGE, "%s cannot be written: %s", o->output, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -ERR_USAGE;
}

int output_close(struct output *out, int rc, struct err *err)
{
    bool failed = fflush(out->file) || ferror(out->file);
    int error = errno;
    if (out->file != stdout)
        failed |= fclose(out->file) != 0;
    if (out->drafted && !rc && !failed)
        return draft_publish(&out->draft, err);
    if (out->drafted)
        draft_discard(&out->draft);
    if (!rc && failed)
        rc = err_set(err, ERR_IO, "%s cannot be written: %s", out->name, strerror(error));
    return rc;
}

void output_tell(const struct options *o, FILE *notes)
{
    char *name = is_stdout(o->output) ? 0 : strdup(o->output);
    if (!name)
        return;
    plain_make(name, '?');
    fprintf(notes, "wrote %s\n", name);
    free(name);
}
