/* Temporary names, clean-up, and the last step (draft.h). Why the signal handler: a database takes
 * seconds to write, and Ctrl-C must not leave half of one behind. */
#include "analyzer/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int ending_signals[] = {SIGHUP, SIGINT, SIGTERM};
enum { ENDINGS = sizeof ending_signals / sizeof *ending_signals };

static char pending[PATH_MAX]; /* what the handler removes */
static volatile sig_atomic_t has_pending;
static struct sigaction before[ENDINGS];

static void on_ending(int number)
{
    if (has_pending)
        unlink(pending);
    has_pending = 0;
    signal(number, SIG_DFL);
    raise(number);
}

static void watch(const char *path)
{
    struct sigaction action = {.sa_handler = on_ending};
    snprintf(pending, sizeof pending, "%s", path);
    has_pending = 1;
    for (int i = 0; i < ENDINGS; i++) {
        sigaction(ending_signals[i], 0, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(ending_signals[i], &action, 0);
    }
}

static void unwatch(void)
{
    has_pending = 0;
    for (int i = 0; i < ENDINGS; i++)
        sigaction(ending_signals[i], &before[i], 0);
}

static int refuse(const struct draft *d, struct err *err)
{
    struct stat st;
    if (lstat(d->target, &st))
        return 0;
    if (!d->force)
        return err_set(err, ERR_USAGE, "%s exists; -f replaces it", d->target);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return err_set(err, ERR_USAGE, "%s is no plain file and is not replaced", d->target);
    return 0;
}

int draft_open(struct draft *d, const char *target, bool force, struct err *err)
{
    *d = (struct draft){.target = target, .force = force};
    int rc = refuse(d, err);
    if (rc)
        return rc;
    if (snprintf(d->path, sizeof d->path, "%s.XXXXXX", target) >= (int)sizeof d->path)
        return err_set(err, ERR_USAGE, "the name of the output is too long");
    sigset_t ending, mask; /* no signal between the file and its handler */
    sigemptyset(&ending);
    for (int i = 0; i < ENDINGS; i++)
        sigaddset(&ending, ending_signals[i]);
    sigprocmask(SIG_BLOCK, &ending, &mask);
    d->fd = mkostemp(d->path, O_CLOEXEC);
    int error = errno;
    if (d->fd >= 0)
        watch(d->path);
    sigprocmask(SIG_SETMASK, &mask, 0);
    return d->fd >= 0
               ? 0
               : err_set(err, ERR_USAGE, "%s cannot be written: %s", target, strerror(error));
}

/* Never over an existing file, unless forced. Some file systems know no RENAME_NOREPLACE. */
static int put(const struct draft *d)
{
    if (d->force)
        return rename(d->path, d->target);
    if (!renameat2(AT_FDCWD, d->path, AT_FDCWD, d->target, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(d->path, d->target) || unlink(d->path) ? -1 : 0;
}

int draft_publish(struct draft *d, struct err *err)
{
    int rc = fsync(d->fd) ? -1 : put(d), error = errno;
    close(d->fd);
    if (rc)
        unlink(d->path);
    unwatch();
    if (rc && error == EEXIST)
        return err_set(err, ERR_USAGE, "%s exists by now; -f replaces it", d->target);
    return rc ? err_set(err, ERR_IO, "%s cannot be written: %s", d->target, strerror(error)) : 0;
}

void draft_discard(struct draft *d)
{
    close(d->fd);
    unlink(d->path);
    unwatch();
}
