/* The command line of `memrec run` (options.h), by getopt_long over the one table in options.def.
 * Why -m and -c end the options: what follows them is the program's. */
#define _GNU_SOURCE
#include "recorder/collector/options.h"

#include "format/size.h"
#include "recorder/collector/guard.h"
#include "recorder/collector/unwinder.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    int letter;
    const char *argument, *text;
} table[] = {
#define OPTION(name, letter, argument, text) {name, letter, argument, text},
#include "recorder/collector/options.def"
#undef OPTION
};

#define OPTIONS (sizeof table / sizeof table[0])

void options_print(void)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[64], value[32] = "";
        const char *argument = table[i].argument;
        if (argument && argument[strlen(argument) - 1] == '?')
            snprintf(value, sizeof value, "[=%.*s]", (int)strlen(argument) - 1, argument);
        else if (argument)
            snprintf(value, sizeof value, " %s", argument);
        if (table[i].letter < 256)
            snprintf(left, sizeof left, "-%c, --%s%s", table[i].letter, table[i].name, value);
        else
            snprintf(left, sizeof left, "    --%s%s", table[i].name, value);
        printf("  %-32s %s\n", left, table[i].text);
    }
}

static int take_children(struct options *o, const char *value, struct err *err)
{
    static const char *const names[] = {"all", "python", "none"};
    for (unsigned i = 0; i < 3; i++)
        if (!strcmp(value, names[i])) {
            o->children = *value;
            return 0;
        }
    return err_set(err, ERR_USAGE, "--children takes all, python or none, not '%s'", value);
}

static int take_reserve(struct options *o, const char *value, struct err *err)
{
    uint64_t bytes;
    if (!size_parse(value, &bytes) || !bytes)
        return err_set(err, ERR_USAGE, "--oom-reserve takes a size such as 100MB or 1GiB, not '%s'",
                       value);
    if (o->oom_reserve_bytes != GUARD_OFF) /* which stands, wherever it was given */
        o->oom_reserve_bytes = bytes;
    return 0;
}

static int take_native(struct options *o, struct err *err)
{
    const char *hindrance = unwinder_hindrance();
    o->native = NATIVE_ALL;
    return hindrance ? err_set(err, ERR_USAGE, "--native cannot be had: %s", hindrance) : 0;
}

/* One option. Returns 0 or -ERR_USAGE. */
static int take(struct options *o, int letter, const char *value, struct err *err)
{
    switch (letter) {
    case 'o': o->output = value; return 0;
    case 'f': o->force = true; return 0;
    case 'q': o->quiet = true; return 0;
    case 'h': o->help = true; return 0;
    case OPTION_MAX_SIZE:
        return size_parse(value, &o->max_bytes) && o->max_bytes
                   ? 0
                   : err_set(err, ERR_USAGE,
                             "--max-size takes a size such as 500MB or 2GiB, not '%s'", value);
    case OPTION_OBJECTS:
    case OPTION_NO_OBJECTS: o->objects = letter == OPTION_OBJECTS; return 0;
    case OPTION_CHILDREN: return take_children(o, value, err);
    case OPTION_NO_STACKS: o->stacks = false; return 0;
    case OPTION_NO_OOM: o->oom_reserve_bytes = GUARD_OFF; return 0;
    case OPTION_OOM_RESERVE: return take_reserve(o, value, err);
    case OPTION_NATIVE: return take_native(o, err);
    case OPTION_NO_NATIVE: o->native = NATIVE_NO; return 0;
    case OPTION_SAMPLE:
        return err_set(err, ERR_USAGE,
                       "--sample is not in this version; without it every allocation is recorded");
    default: return err_set(err, ERR_USAGE, "internal: an option without meaning");
    }
}

static int finish(struct options *o, char **rest, bool dashes, struct err *err)
{
    if (o->form == RUN_SCRIPT && dashes)
        o->form = RUN_PROGRAM;
    if (o->form == RUN_SCRIPT || o->form == RUN_PROGRAM)
        o->arguments = rest;
    if (!o->arguments[0] && !o->help)
        return err_set(err, ERR_USAGE,
                       "there is nothing to run: give a script, -m MODULE, -c CODE, or -- PROGRAM");
    return 0;
}

static void make_long_options(struct option *longs)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const char *argument = table[i].argument;
        int has = !argument                               ? no_argument
                  : argument[strlen(argument) - 1] == '?' ? optional_argument
                                                          : required_argument;
        longs[i] = (struct option){table[i].name, has, NULL, table[i].letter};
    }
    longs[OPTIONS] = (struct option){0};
}

int options_read(struct options *o, int argc, char **argv, struct err *err)
{
    struct option longs[OPTIONS + 1];
    const char *value = NULL; /* of the last option */
    int letter, status = 0, from = 1;
    *o = (struct options){
        .objects = true, .stacks = true, .children = 'p', .oom_reserve_bytes = GUARD_DEFAULT};
    make_long_options(longs);
    opterr = 0;
    optind = 1;
    while (!status && (letter = getopt_long(argc, argv, "+:o:fqhm:c:", longs, NULL)) != -1) {
        if (letter == '?')
            return err_set(err, ERR_USAGE,
                           "unknown option '%s'; options of the interpreter go after --, as in: "
                           "memrec run -- python3 %s …",
                           argv[optind - 1], argv[optind - 1]);
        if (letter == ':')
            return err_set(err, ERR_USAGE, "'%s' needs a value", argv[optind - 1]);
        if (letter == 'm' || letter == 'c') {
            o->form = letter == 'm' ? RUN_MODULE : RUN_CODE;
            o->arguments = argv + optind - 1; /* the value stands there, the program's arguments
                                                 follow */
            o->arguments[0] = optarg;
            break;
        }
        value = optarg;
        status = take(o, letter, value, err);
        from = optind;
    }
    bool dashes = optind == from + 1 && !strcmp(argv[from], "--"); /* passed over, no value */
    return status ? status : finish(o, argv + optind, dashes, err);
}
