/* memreplay: from the command line to a report, and to an exit status.
 * Why here alone: only this file prints to stderr and decides how the process ends (0 done, 1 a
 * check that fails, 2 wrong usage, 3 a file that cannot be read, is no trace, or is damaged). Not
 * here: what reports say (analyzer/). */
#include "analyzer/output.h"
#include "analyzer/report.h"
#include "analyzer/tool.h"
#include "replay/ceiling.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef MEMREC_VERSION
#    define MEMREC_VERSION "0.1.0"
#endif

enum { STATUS_NONE = -1, STATUS_DONE = 0, STATUS_USAGE = 2, STATUS_FILE = 3 };

static int complain(const struct err *err)
{
    fprintf(stderr, "memreplay: %s\n", err->text);
    return err->code == -ERR_USAGE || err->code == ERR_USAGE ? STATUS_USAGE : STATUS_FILE;
}

/* A bar on a terminal's stderr once the work takes longer than a second. */
struct progress {
    struct timespec start;
    bool on, shown;
    int percent;
};

static void progress_start(struct progress *p)
{
    *p = (struct progress){.on = isatty(STDERR_FILENO), .percent = -1};
    clock_gettime(CLOCK_MONOTONIC, &p->start);
}

static void progress_show(void *context, uint64_t bytes, uint64_t of_bytes)
{
    struct progress *p = context;
    struct timespec now;
    int percent = of_bytes ? (int)(bytes * 100 / of_bytes) : 0;
    if (!p->on || !of_bytes || percent == p->percent)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - p->start.tv_sec - (now.tv_nsec < p->start.tv_nsec) < 1)
        return;
    p->percent = percent;
    p->shown = true;
    fprintf(stderr, "\rreading [%-25.*s] %3d%%", percent / 4, "#########################", percent);
}

static void progress_end(const struct progress *p)
{
    if (p->shown)
        fprintf(stderr, "\r%*s\r", 42, "");
}

static int write_report(const struct options *o, struct recording *rec, FILE *out)
{
    static int (*const reports[])(struct report *) = {
#define COMMAND(name, operands, summary, options, example) [COMMAND_##name] = name##_report,
#define TOOL(name, operands, summary, options, example)
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER
    };
    struct report report;
    report_init(&report, o, rec, out);
    return reports[o->command](&report);
}

/* Everything between a parsed command line and its exit status but the clean-up of rec. */
static int run_on(const struct options *o, struct recording *rec)
{
    struct err err = {0};
    struct output out;
    struct progress progress;
    progress_start(&progress);
    int rc = recording_open(rec, o->trace, &err);
    rc = rc ? rc : recording_replay(rec, o, progress_show, &progress, &err);
    progress_end(&progress);
    rc = rc ? rc : output_open(&out, o, &err);
    if (rc)
        return complain(&err);
    rc = write_report(o, rec, out.file);
    if (rc)
        err_set(&err, ERR_NOMEM, "out of memory");
    if (output_close(&out, rc, &err))
        return complain(&err);
    report_notes(rec, "memreplay: note: ", stderr);
    return rec->file.damage_count ? STATUS_FILE : STATUS_DONE;
}

/* A tool's own run; STATUS_NONE where the command is no tool. */
static int run_tool(const struct options *o)
{
    static int (*const tools[COMMAND_COUNT])(const struct options *, struct work *,
                                             struct err *) = {
#define COMMAND(name, operands, summary, options, example)
#define TOOL(name, operands, summary, options, example) [COMMAND_##name] = name##_run,
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER
    };
    struct err err = {0};
    struct progress progress;
    struct work work = {progress_show, &progress, stderr, false};
    if (!tools[o->command])
        return STATUS_NONE;
    progress_start(&progress);
    int rc = tools[o->command](o, &work, &err);
    progress_end(&progress);
    if (rc < 0)
        return complain(&err);
    return work.damaged ? STATUS_FILE : rc;
}

static int run(const struct options *o)
{
    int tool = run_tool(o);
    if (tool != STATUS_NONE)
        return tool;
    struct recording *rec = calloc(1, sizeof *rec);
    if (!rec)
        return STATUS_FILE;
    int status = run_on(o, rec);
    recording_close(rec);
    free(rec);
    return status;
}

/* See ceiling.h. (Sanitizers reserve more than there is.) */
static void limit_memory(void)
{
#ifndef MEMREC_DEBUG
    struct rlimit limit;
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    rlim_t most = ceiling_bytes("/proc/self/cgroup", "/sys/fs/cgroup", machine);
    if (!getrlimit(RLIMIT_DATA, &limit) && limit.rlim_cur > most) {
        limit.rlim_cur = most;
        setrlimit(RLIMIT_DATA, &limit);
    }
#endif
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = {0};
    if (getuid() != geteuid() || getgid() != getegid()) { /* files would be another's */
        fputs("memreplay: runs neither set-uid nor set-gid; take the bit from its file\n", stderr);
        return STATUS_USAGE;
    }
    limit_memory();
    setlocale(LC_CTYPE, "");
    if (options_parse(&options, argc, argv, &err))
        return complain(&err);
    if (options.help)
        options_help(&options, stdout);
    else if (options.version)
        puts("memreplay " MEMREC_VERSION);
    else
        return run(&options);
    return fflush(stdout) ? STATUS_FILE : STATUS_DONE;
}
