/* Finding and judging the program (target.h). Why before anything is started: what must break,
 * breaks with a sentence and an empty folder. */
#define _GNU_SOURCE
#include "recorder/collector/target.h"
#include "format/plain.h"
#include "recorder/elf.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_DEPTH 4

static bool is_file(const char *path, int mode)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, mode) == 0;
}

/* Finds a program as execvp would. Returns 0, EXIT_NOT_EXECUTABLE or EXIT_NOT_FOUND. */
static int find_program(const char *name, char *out)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/')) {
        snprintf(out, PATH_MAX, "%s", name);
        return is_file(out, X_OK)       ? 0
               : access(out, F_OK) == 0 ? EXIT_NOT_EXECUTABLE
                                        : EXIT_NOT_FOUND;
    }
    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; *path;) {
        size_t folder = strcspn(path, ":");
        int length =
            snprintf(out, PATH_MAX, "%.*s%s%s", (int)folder, path, folder ? "/" : "", name);
        if (length < PATH_MAX && is_file(out, X_OK))
            return 0;
        path += folder + (path[folder] == ':');
    }
    return EXIT_NOT_FOUND;
}

static int judge_preloads(struct err *err)
{
    const char *others = getenv("LD_PRELOAD");
    if (!others || !preload_sanitizes(others))
        return 0;
    err_set(err, ERR_USAGE,
            "LD_PRELOAD names a sanitizer's runtime (%.300s), whose allocator must come first; "
            "record without it",
            others);
    return EXIT_OUR_FAILURE;
}

static int judge(const char *path, struct err *err)
{
    char buffers[2][256];
    const char *at = path;
    for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
        char *interpreter = buffers[depth & 1];
        switch (program_kind(at, interpreter, sizeof buffers[0])) {
        case PROGRAM_CARRIES:
        case PROGRAM_MISSING: /* unreadable, but perhaps executable: exec will tell */
        case PROGRAM_UNKNOWN: return 0;
        case PROGRAM_SCRIPT: at = interpreter; continue;
        case PROGRAM_STATIC:
            err_set(err, ERR_USAGE,
                    "%s is statically linked: nothing can be preloaded into it, so it cannot be "
                    "recorded",
                    at);
            return EXIT_OUR_FAILURE;
        case PROGRAM_OTHER_LIBC:
            err_set(err, ERR_USAGE,
                    "%s is built for another C library than glibc (musl?), which memrec's library "
                    "cannot be loaded into; use a glibc build of it",
                    at);
            return EXIT_OUR_FAILURE;
        case PROGRAM_OTHER_ARCH:
            err_set(err, ERR_USAGE, "%s is built for another architecture than memrec", at);
            return EXIT_OUR_FAILURE;
        case PROGRAM_SANITIZED:
            err_set(err, ERR_USAGE,
                    "%s is built with a sanitizer, whose allocator must come first; use a build "
                    "without it",
                    at);
            return EXIT_OUR_FAILURE;
        case PROGRAM_SET_ID:
            err_set(err, ERR_USAGE,
                    "%s runs set-uid or set-gid: the dynamic loader ignores preloads there, so it "
                    "cannot be recorded",
                    at);
            return EXIT_OUR_FAILURE;
        }
    }
    return 0;
}

/* Our own folder, with a slash. */
static bool own_folder(char *out)
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (length <= 0)
        return false;
    out[length] = 0;
    strrchr(out, '/')[1] = 0;
    return true;
}

static bool find_beside(const char *folder, const char *const *places, int mode, char *out)
{
    for (; *places; places++) {
        int length = snprintf(out, PATH_MAX, "%s%s", folder, *places);
        if (length < PATH_MAX && is_file(out, mode))
            return true;
    }
    *out = 0;
    return false;
}

static int find_own(struct target *t, struct err *err)
{
    static const char *const libraries[] = {"libmemrec.so", "../lib/memrec/libmemrec.so", NULL};
    static const char *const replays[] = {"memreplay", NULL};
    char folder[PATH_MAX], library[PATH_MAX];
    if (!own_folder(folder) || !find_beside(folder, libraries, R_OK, library) ||
        !realpath(library, t->library)) {
        err_set(err, ERR_NOT_FOUND,
                "libmemrec.so is neither beside memrec nor in ../lib/memrec: install both, or run "
                "make");
        return EXIT_OUR_FAILURE;
    }
    find_beside(folder, replays, X_OK, t->replay);
    if (strpbrk(t->library, ": ")) {
        err_set(err, ERR_USAGE,
                "%s: a library whose path has a space or a colon cannot be preloaded; put memrec "
                "elsewhere",
                t->library);
        return EXIT_OUR_FAILURE;
    }
    return 0;
}

/* The name part of the default trace: what people call the program. */
static void name_target(struct target *t, const struct options *o)
{
    const char *from = o->form == RUN_CODE ? "python-c" : o->arguments[0];
    const char *slash = o->form == RUN_CODE || o->form == RUN_MODULE ? NULL : strrchr(from, '/');
    snprintf(t->name, sizeof t->name, "%s", slash && slash[1] ? slash + 1 : from);
    size_t length = strlen(t->name);
    if (o->form == RUN_SCRIPT && length > 3 && !strcmp(t->name + length - 3, ".py"))
        t->name[length - 3] = 0;
    for (char *c = t->name; *c; c++)
        if (*c == '/')
            *c = '_';
    plain_make(t->name, '_');
}

static int make_arguments(struct target *t, const struct options *o)
{
    size_t count = 0, at = 0;
    while (o->arguments[count])
        count++;
    t->arguments = FAILPOINT(arguments_memory, calloc(count + 3, sizeof *t->arguments), NULL);
    if (!t->arguments)
        return -ERR_NOMEM;
    if (o->form != RUN_PROGRAM)
        t->arguments[at++] = "python3";
    if (o->form == RUN_MODULE || o->form == RUN_CODE)
        t->arguments[at++] = o->form == RUN_MODULE ? "-m" : "-c";
    memcpy(t->arguments + at, o->arguments, count * sizeof *t->arguments);
    return 0;
}

static int check_script(const char *script, struct err *err)
{
    if (access(script, R_OK) == 0)
        return 0;
    err_set(err, ERR_NOT_FOUND,
            "%s: %s; give the script's path (another kind of program goes after --)", script,
            strerror(errno));
    return EXIT_NOT_FOUND;
}

int target_find(struct target *t, const struct options *o, struct err *err)
{
    memset(t, 0, sizeof *t);
    const char *program = o->form == RUN_PROGRAM ? o->arguments[0] : "python3";
    int status = find_program(program, t->path);
    if (status == EXIT_NOT_FOUND)
        err_set(err, ERR_NOT_FOUND, "%s: not found%s", program,
                strchr(program, '/') ? "" : " on PATH");
    else if (status)
        err_set(err, ERR_USAGE,
                "%s: not executable; a script goes without --, as in: memrec run %s", program,
                program);
    if (!status && o->form == RUN_SCRIPT)
        status = check_script(o->arguments[0], err);
    if (!status)
        status = judge_preloads(err);
    if (!status)
        status = judge(t->path, err);
    if (!status)
        status = find_own(t, err);
    if (!status && make_arguments(t, o)) {
        err_set(err, ERR_NOMEM, "out of memory");
        status = EXIT_OUR_FAILURE;
    }
    name_target(t, o);
    t->any = o->form == RUN_PROGRAM && program_kind(t->path, NULL, 0) != PROGRAM_SCRIPT;
    return status;
}

void target_release(struct target *t)
{
    free(t->arguments);
    t->arguments = NULL;
}
