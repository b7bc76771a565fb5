/* Making the trace's file (trace_name.h). Why -f unlinks first: O_EXCL then holds for every file,
 * and nobody's link is followed. */
#define _GNU_SOURCE
#include "recorder/collector/trace_name.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 1000

static int create(const char *path)
{
    return FAILPOINT(trace_create,
                     open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), -1);
}

static int open_given(const struct options *o, char *path, struct err *err)
{
    struct stat st;
    snprintf(path, PATH_MAX, "%s", o->output);
    if (o->force && lstat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
            return err_set(err, ERR_USAGE, "%s is not a regular file; give another name with -o",
                           path);
        unlink(path);
    }
    int fd = create(path);
    if (fd >= 0)
        return fd;
    if (errno == EEXIST)
        return err_set(err, ERR_USAGE,
                       "%s exists; give another name with -o, or -f to overwrite it", path);
    return err_set(err, ERR_IO, "%s cannot be created: %s; give a writable place with -o", path,
                   strerror(errno));
}

static int open_default(const struct target *t, char *path, struct err *err)
{
    for (int i = 0; i < NAMES_MAX; i++) {
        char suffix[16] = "";
        if (i)
            snprintf(suffix, sizeof suffix, ".%d", i);
        snprintf(path, PATH_MAX, "memrec-%s.%d.lz4%s", t->name, (int)getpid(), suffix);
        int fd = create(path);
        if (fd >= 0 || errno != EEXIST)
            return fd >= 0
                       ? fd
                       : err_set(
                             err, ERR_IO,
                             "%s cannot be created in this folder: %s; give another place with -o",
                             path, strerror(errno));
    }
    return err_set(err, ERR_IO, "%s and %d more names exist; give another name with -o", path,
                   NAMES_MAX - 1);
}

int trace_name_open(const struct options *o, const struct target *t, char *path, struct err *err)
{
    return o->output ? open_given(o, path, err) : open_default(t, path, err);
}
