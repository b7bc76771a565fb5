/* The command `memrec mark` (mark.h). Why it waits for the answer: a script goes on only when the
 * mark has its place. */
#define _GNU_SOURCE
#include "recorder/collector/mark.h"

#include "format/error.h"
#include "format/event.h"
#include "format/plain.h"
#include "recorder/collector/launch.h"
#include "recorder/collector/running.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    const char *name;
    char shown[MARK_NAME_BYTES + 1]; /* without what would steer a terminal */
    uint32_t pid;                    /* 0: none was given */
    bool help, quiet;
};

static void print_options(void)
{
    static const struct {
        const char *name;
        char letter;
        const char *argument, *text;
    } table[] = {
#define OPTION(name, letter, argument, text) {name, letter, argument, text},
#include "recorder/collector/mark.def"
#undef OPTION
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char left[32];
        snprintf(left, sizeof left, "%c%c%s--%s%s%s", table[i].letter ? '-' : ' ',
                 table[i].letter ? table[i].letter : ' ', table[i].letter ? ", " : "  ",
                 table[i].name, table[i].argument ? " " : "",
                 table[i].argument ? table[i].argument : "");
        printf("  %-16s %s\n", left, table[i].text);
    }
}

static void print_help(void)
{
    printf("usage: memrec mark [--pid PID] NAME\n\n"
           "Names a moment of a recording that runs, for memreplay's --at, --from and --to: of\n"
           "the recording that this shell was started in, or of the only one.\n\n");
    print_options();
    printf(
        "\nThe name has at most %d bytes. It may be given again: --at, --from and --to take the\n"
        "first. A program marks its own moments: memrec_mark(\"loaded\"), see docs/moments.md.\n\n"
        "exit status: 0 when the mark stands in the trace, 125 where it could not be set\n\n"
        "example: memrec mark loaded && sleep 60 && memrec mark later\n",
        MARK_NAME_BYTES);
}

static int read_pid(struct request *r, const char *text, struct err *err)
{
    char *end = NULL;
    unsigned long pid = text ? strtoul(text, &end, 10) : 0;
    if (!pid || *end || pid > INT32_MAX)
        return err_set(err, ERR_USAGE, "--pid needs the number of a process%s%s",
                       text ? ", not " : "", text ? text : "");
    r->pid = (uint32_t)pid;
    return 0;
}

/* Returns 0 when argv[*i] was an option that is understood. */
static int read_option(struct request *r, char **argv, int *i, struct err *err)
{
    const char *word = argv[*i];
    if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        r->help = true;
    else if (!strcmp(word, "--quiet") || !strcmp(word, "-q"))
        r->quiet = true;
    else if (!strcmp(word, "--pid"))
        return read_pid(r, argv[*i + 1] ? argv[++*i] : NULL, err);
    else if (!strncmp(word, "--pid=", 6))
        return read_pid(r, word + 6, err);
    else
        return err_set(err, ERR_USAGE, "memrec mark has no option %s", word);
    return 0;
}

static int check_name(const char *name, struct err *err)
{
    if (!name)
        return err_set(err, ERR_USAGE, "which name? For example: memrec mark loaded");
    if (!*name)
        return err_set(err, ERR_USAGE, "a mark needs a name that is not empty");
    if (strlen(name) > MARK_NAME_BYTES)
        return err_set(err, ERR_USAGE, "the name is %zu bytes long; a mark's has at most %d",
                       strlen(name), MARK_NAME_BYTES);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return err_set(err, ERR_USAGE, "the name holds a control character");
    return 0;
}

static int read_request(struct request *r, int argc, char **argv, struct err *err)
{
    bool only_names = false;
    *r = (struct request){0};
    for (int i = 1; i < argc; i++) {
        int rc = 0;
        if (!only_names && !strcmp(argv[i], "--"))
            only_names = true;
        else if (!only_names && argv[i][0] == '-' && argv[i][1])
            rc = read_option(r, argv, &i, err);
        else if (r->name)
            rc = err_set(err, ERR_USAGE, "one name, please: %s and %s are two", r->name, argv[i]);
        else
            r->name = argv[i];
        if (rc)
            return rc;
    }
    int rc = r->help ? 0 : check_name(r->name, err);
    if (r->help || rc)
        return rc;
    snprintf(r->shown, sizeof r->shown, "%s", r->name);
    plain_make(r->shown, '?');
    return 0;
}

/* The recording of --pid. */
static int find_by_pid(uint32_t pid, struct running *found, struct err *err)
{
    struct running all[RUNNING_LIMIT];
    unsigned count = running_list(all);
    char socket[RENDEZVOUS_SOCKET_BYTES] = "";
    bool told = running_of(pid, socket);
    for (unsigned i = 0; i < count; i++) {
        *found = all[i];
        if (told ? !strcmp(all[i].socket, socket) : running_has(&all[i], pid))
            return 0;
    }
    if (told)
        return err_set(err, ERR_NOT_FOUND,
                       "the recording of process %u has ended, or is another user's or container's",
                       pid);
    return err_set(err, ERR_NOT_FOUND, "no recording of yours has a process %u", pid);
}

/* The lines to choose from, below the sentence. */
static void list(const struct running *all, unsigned count, const char *name)
{
    char command[100];
    for (unsigned i = 0; i < count; i++) {
        running_command(all[i].root_pid, command, sizeof command);
        fprintf(stderr, "  memrec mark --pid %u %s    # %s\n", all[i].root_pid, name,
                *command ? command : "has ended; its children live on");
    }
}

/* The recording that is meant; where several could be, all[*count] are they. */
static int find(const struct request *r, struct running *found, struct running *all,
                unsigned *count, struct err *err)
{
    *found = (struct running){0};
    if (r->pid)
        return find_by_pid(r->pid, found, err);
    if (running_of(0, found->socket))
        return 0;
    *count = running_list(all);
    if (!*count)
        return err_set(err, ERR_NOT_FOUND,
                       "no recording of yours runs here; start one with: memrec run job.py");
    for (unsigned i = 0; i < *count; i++) { /* below its program, though the variable is gone */
        *found = all[i];
        if (running_has(&all[i], (uint32_t)getpid()))
            return 0;
    }
    *found = all[0];
    return *count > 1 ? err_set(err, ERR_USAGE, "%u recordings run; which one is meant?", *count)
                      : 0;
}

static int set_mark(const struct request *r, struct running *found, struct rendezvous_reply *reply,
                    struct err *err)
{
    struct rendezvous_ask question = {
        .magic = RENDEZVOUS_MAGIC, .question = ASK_MARK, .pid = (uint32_t)getpid()};
    memcpy(question.text, r->name, strlen(r->name));
    if (running_ask(found->socket, &question, reply, NULL) != 0)
        return err_set(err, ERR_NOT_FOUND,
                       "the recording does not answer: it has ended, or is of another version");
    found->root_pid = reply->root_pid;
    if (reply->answer != ANSWER_MARKED)
        return err_set(err, ERR_SYSTEM, "the recording of process %u takes no marks any more",
                       found->root_pid);
    return 0;
}

static int fail(const struct err *err)
{
    fprintf(stderr, "memrec: %s\n", err->text);
    return EXIT_OUR_FAILURE;
}

int mark_run(int argc, char **argv)
{
    struct request request;
    struct running found, all[RUNNING_LIMIT];
    unsigned count = 0;
    struct rendezvous_reply reply;
    struct err err = {0};
    char command[80];
    if (read_request(&request, argc, argv, &err))
        return fail(&err);
    if (request.help) {
        print_help();
        return 0;
    }
    int rc = find(&request, &found, all, &count, &err);
    rc = rc ? rc : set_mark(&request, &found, &reply, &err);
    if (rc) {
        fail(&err);
        list(all, rc == -ERR_USAGE ? count : 0, request.shown);
        return EXIT_OUR_FAILURE;
    }
    running_command(found.root_pid, command, sizeof command);
    if (!request.quiet)
        fprintf(stderr, "memrec: mark \"%s\" set at %" PRIu64 ".%03u s, process %u%s%s%s\n",
                request.shown, reply.time_ns / 1000000000,
                (unsigned)(reply.time_ns / 1000000 % 1000), found.root_pid, *command ? " (" : "",
                command, *command ? ")" : "");
    return 0;
}
