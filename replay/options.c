/* Parsing the command line and printing help, both from the two tables (options.h). Why not
 * getopt: which options a command takes stands in its row. */
#include "replay/options.h"

#include "replay/option_bits.h"
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name;
    char letter;
    const char *argument, *help;
};

static const struct option option_table[OPTION_COUNT] = {
#define OPTION(name, text, letter, argument, help) [OPTION_##name] = {text, letter, argument, help},
#include "replay/options.def"
#undef OPTION
};

struct command {
    const char *name, *operands, *summary;
    uint64_t options, traits;
    const char *example;
};

static const struct command command_table[COMMAND_COUNT] = {
#define COMMAND(name, operands, summary, options, example)                                         \
    {#name, operands, summary, TAKES(options), (options)&TRAITS, example},
#define TOOL COMMAND
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER
};

static const char *const later_table[] = {
#define COMMAND(name, operands, summary, options, example)
#define TOOL(name, operands, summary, options, example)
#define LATER(name, summary) #name,
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER
    0};

const char *command_name(enum command_id command) { return command_table[command].name; }

bool command_has(enum command_id command, uint64_t traits)
{
    return command_table[command].traits & traits;
}

static int parse_from(struct when *when, const char *text, struct err *err)
{
    int rc = when_parse(when, text, err);
    if (rc || when->kind != WHEN_END)
        return rc;
    return err_set(err, ERR_USAGE, "--from end: nothing follows the end");
}

static int parse_number(uint64_t *value, const char *name, const char *text, uint64_t limit,
                        struct err *err)
{
    char *end = 0;
    *value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (end && !*end && *value <= limit)
        return 0;
    return err_set(err, ERR_USAGE, "--%s needs a number, not %s", name, text);
}

static int set_pid(struct options *o, const char *text, struct err *err)
{
    uint64_t pid;
    int rc = parse_number(&pid, "pid", text, INT32_MAX, err);
    o->pid = (uint32_t)pid;
    o->has_pid = true;
    return rc;
}

static int set_threshold(struct options *o, const char *text, struct err *err)
{
    int rc = parse_number(&o->threshold, "threshold", text, UINT64_MAX - 1, err);
    return rc || o->threshold ? rc : err_set(err, ERR_USAGE, "--threshold starts at 1");
}

const char *layers_word(enum layers layers)
{
    static const char *const words[] = {
        [LAYERS_LEAF] = "leaf", [LAYERS_PYTHON] = "python", [LAYERS_ALL] = "all"};
    return words[layers];
}

static int set_layers(struct options *o, const char *text, struct err *err)
{
    for (o->layers = LAYERS_LEAF; o->layers <= LAYERS_ALL; o->layers++)
        if (!strcmp(layers_word(o->layers), text))
            return 0;
    return err_set(err, ERR_USAGE, "--frames needs leaf, python or all, not %s", text);
}

static int add_word(struct words *words, const char *name, const char *text, struct err *err)
{
    if (words->count == OPTIONS_WORDS)
        return err_set(err, ERR_USAGE, "%s: at most %d of them", name, OPTIONS_WORDS);
    words->items[words->count++] = text;
    return 0;
}

/* The field of an option that is a bound, or NULL. */
static struct bound *bound_of(struct options *o, enum option_id id)
{
    switch (id) {
    case OPTION_NOISE: return &o->noise;
    case OPTION_MAX_PEAK: return &o->max_peak;
    case OPTION_MAX_RSS: return &o->max_rss;
    case OPTION_MAX_LEAKS: return &o->max_leaks;
    case OPTION_MAX_TEMPORARY: return &o->max_temporary;
    case OPTION_MAX_GROWTH: return &o->max_growth;
    default: return 0;
    }
}

/* The field of an option that is taken as typed, or NULL. */
static const char **text_of(struct options *o, enum option_id id)
{
    switch (id) {
    case OPTION_THREAD: return &o->thread;
    case OPTION_OUTPUT: return &o->output;
    case OPTION_FORMAT: return &o->format;
    case OPTION_LIMITS: return &o->limits_file;
    case OPTION_BASELINE: return &o->baseline;
    default: return 0;
    }
}

static int set_valued(struct options *o, enum option_id id, const char *value, struct err *err)
{
    const char *name = option_table[id].name, **text = text_of(o, id);
    struct bound *bound = bound_of(o, id);
    if (bound)
        return bound_parse(bound, name, value, id == OPTION_MAX_GROWTH || id == OPTION_NOISE, err);
    if (text)
        *text = value;
    switch (id) {
    case OPTION_FRAMES: return set_layers(o, value, err);
    case OPTION_AT: return when_parse(&o->at, value, err);
    case OPTION_FROM: return parse_from(&o->from, value, err);
    case OPTION_TO: return when_parse(&o->to, value, err);
    case OPTION_PID: return set_pid(o, value, err);
    case OPTION_THRESHOLD: return set_threshold(o, value, err);
    case OPTION_LIMIT: return add_word(&o->limits, name, value, err);
    case OPTION_BEFORE: o->sink = &o->before; return add_word(&o->before, name, value, err);
    case OPTION_AFTER: o->sink = &o->after; return add_word(&o->after, name, value, err);
    default: return 0;
    }
}

static void set_flag(struct options *o, enum option_id id)
{
    bool *flags[OPTION_COUNT] = {
        [OPTION_JSON] = &o->json,           [OPTION_MARKDOWN] = &o->markdown,
        [OPTION_HTML] = &o->html,           [OPTION_TABLE] = &o->table,
        [OPTION_FULL] = &o->full,           [OPTION_FORCE] = &o->force,
        [OPTION_NO_COLOR] = &o->no_color,   [OPTION_HELP] = &o->help,
        [OPTION_VERSION] = &o->version,     [OPTION_LEAKS] = &o->leaks,
        [OPTION_TEMPORARY] = &o->temporary, [OPTION_TOTALS] = &o->totals,
        [OPTION_INVERTED] = &o->inverted,   [OPTION_SVG] = &o->svg,
        [OPTION_NO_SOURCE] = &o->no_source, [OPTION_BESIDE] = &o->beside};
    if (flags[id])
        *flags[id] = true;
}

/* The option that argument names, or OPTION_COUNT; *value is what follows `=` or the letter, or
 * NULL. */
static enum option_id find_option(const char *argument, const char **value)
{
    bool is_long = argument[1] == '-';
    const char *equals = strchr(argument, '=');
    size_t length =
        equals && is_long ? (size_t)(equals - argument - 2) : strlen(argument + 1 + is_long);
    *value = equals && is_long ? equals + 1 : 0;
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        if (is_long && strlen(option->name) == length &&
            !strncmp(argument + 2, option->name, length))
            return i;
        if (is_long || option->letter != argument[1])
            continue;
        if (argument[2])
            *value = argument + 2;
        return i;
    }
    return OPTION_COUNT;
}

static bool allowed(const struct options *o, enum option_id id)
{
    uint64_t options =
        o->has_command ? command_table[o->command].options : BIT(HELP) | BIT(VERSION);
    return options >> id & 1;
}

/* Parses argv[*i], an option, and the value behind it. */
static int parse_option(struct options *o, int argc, char **argv, int *i, struct err *err)
{
    const char *value, *argument = argv[*i];
    enum option_id id = find_option(argument, &value);
    if (id == OPTION_COUNT)
        return err_set(err, ERR_USAGE, "there is no option %s", argument);
    const struct option *option = &option_table[id];
    if (!allowed(o, id))
        return err_set(err, ERR_USAGE, "%s%s does not take --%s",
                       o->has_command ? "memreplay " : "memreplay",
                       o->has_command ? command_name(o->command) : "", option->name);
    if (option->argument && !value)
        value = *i + 1 < argc ? argv[++*i] : 0;
    if (option->argument && (!value || !*value))
        return err_set(err, ERR_USAGE, "--%s needs a value: %s", option->name, option->argument);
    if (!option->argument && value)
        return err_set(err, ERR_USAGE, "--%s takes no value", option->name);
    if (option->argument)
        return set_valued(o, id, value, err);
    set_flag(o, id);
    return 0;
}

static int parse_command(struct options *o, const char *name, struct err *err)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, command_table[i].name))
            continue;
        o->command = i;
        o->has_command = true;
        return 0;
    }
    for (size_t i = 0; later_table[i]; i++)
        if (!strcmp(name, later_table[i]))
            return err_set(err, ERR_USAGE, "this version does not have `memreplay %s` yet", name);
    return err_set(err, ERR_USAGE, "there is no command %s; `memreplay --help` lists them", name);
}

static int parse_operand(struct options *o, const char *text, struct err *err)
{
    if (!o->has_command)
        return parse_command(o, text, err);
    return add_word(o->sink, "traces", text, err);
}

static int check_operands(struct options *o, struct err *err)
{
    const struct command *command = &command_table[o->command];
    int most = strchr(command->operands, ' ') ? 2 : 1;
    o->trace = o->traces.items[0];
    if (o->before.count || o->after.count) {
        if (o->before.count && o->after.count && !o->traces.count)
            return 0;
        return err_set(err, ERR_USAGE,
                       "--before and --after belong together: --before A B --after C D");
    }
    if (!o->trace)
        return err_set(err, ERR_USAGE, "which trace? For example: %s", command->example);
    if (o->traces.count > most)
        return err_set(err, ERR_USAGE, "memreplay %s takes %s, but was given %s and %s",
                       command->name, most > 1 ? "two traces" : "one trace",
                       o->traces.items[most - 1], o->traces.items[most]);
    return 0;
}

static int check(struct options *o, struct err *err)
{
    if (!o->has_command)
        return err_set(err, ERR_USAGE, "which command? `memreplay --help` lists them");
    if (o->at.kind != WHEN_NONE && (o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE))
        return err_set(err, ERR_USAGE,
                       "--at names one moment, --from and --to a window: give one of them");
    if (o->json + o->table + o->markdown + o->html > 1)
        return err_set(err, ERR_USAGE, "--json%s exclude each other",
                       o->table ? " and --table" : ", --markdown and --html");
    return check_operands(o, err);
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
    bool only_operands = false;
    int rc = 0;
    *o = (struct options){.threshold = 1};
    o->sink = &o->traces;
    for (int i = 1; i < argc && !rc; i++) {
        const char *argument = argv[i];
        if (!only_operands && !strcmp(argument, "--"))
            only_operands = true;
        else if (!only_operands && argument[0] == '-' && argument[1])
            rc = parse_option(o, argc, argv, &i, err);
        else
            rc = parse_operand(o, argument, err);
    }
    if (rc || o->help || o->version)
        return rc;
    return check(o, err);
}

static void help_option(const struct option *option, FILE *out)
{
    char left[40];
    snprintf(left, sizeof left, "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
             option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
             option->argument ? " " : "", option->argument ? option->argument : "");
    fprintf(out, "  %-27s %s\n", left, option->help);
}

static void help_command(const struct command *command, FILE *out)
{
    fprintf(out, "memreplay %s [options] %s\n  %s\n\nOptions:\n", command->name, command->operands,
            command->summary);
    for (int i = 0; i < OPTION_COUNT; i++)
        if (command->options >> i & 1)
            help_option(&option_table[i], out);
    fprintf(out,
            "\nTRACE is a file that memrec wrote, a database made from one, or - for stdin.\n"
            "\nExample:\n  %s\n",
            command->example);
}

void options_help(const struct options *o, FILE *out)
{
    if (o->has_command) {
        help_command(&command_table[o->command], out);
        return;
    }
    fputs("memreplay COMMAND [options] TRACE\n  answers questions from a trace that `memrec run` "
          "recorded\n\nCommands:\n",
          out);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-11s %s\n", command_table[i].name, command_table[i].summary);
    fputs("\n`memreplay COMMAND --help` tells a command's options.\n\nExample:\n"
          "  memrec run -o trace.lz4 job.py\n  memreplay peak trace.lz4\n\n"
          "Exit status: 0 done, 1 a check that fails, 2 wrong usage, 3 a file that is no trace or "
          "is damaged.\n",
          out);
}
