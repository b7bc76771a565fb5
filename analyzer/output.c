/* Where a command writes (tool.h): one place, so that all refuse an existing file alike. */
#include "analyzer/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *output_open(const struct options *o, struct err *err)
{
    if (!o->output || !strcmp(o->output, "-"))
        return stdout;
    int fd = open(o->output, O_WRONLY | O_CREAT | O_CLOEXEC | (o->force ? O_TRUNC : O_EXCL), 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : 0;
    if (!out && errno == EEXIST)
        err_set(err, ERR_USAGE, "%s exists; -f replaces it", o->output);
    else if (!out)
        err_set(err, ERR_USAGE, "%s cannot be written: %s", o->output, strerror(errno));
    return out;
}

int output_close(const struct options *o, FILE *out, struct err *err)
{
    bool failed = fflush(out) || ferror(out);
    if (out != stdout)
        failed |= fclose(out) != 0;
    if (failed)
        return err_set(err, ERR_IO, "%s cannot be written: %s",
                       out == stdout ? "stdout" : o->output, strerror(errno));
    return 0;
}
