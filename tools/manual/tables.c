/* The tables, read with the preprocessor from the .def files that the programs are made from. Why
 * options that this version refuses are left out: what cannot be used need not be found. */
#include "replay/option_bits.h"
#include "tools/manual/manual.h"

#include <string.h>

#define MARK "(not in this version)"

static const struct manual_option replay_options[OPTION_COUNT] = {
#define OPTION(name, text, letter, argument, help)                                                 \
    [OPTION_##name] = {text, letter, argument, help, false},
#include "replay/options.def"
#undef OPTION
};

static const struct {
    const char *name, *operands, *summary;
    uint64_t options;
    const char *example;
} replay_commands[] = {
#define COMMAND(name, operands, summary, options, example)                                         \
    {#name, operands, summary, TAKES(options), example},
#define TOOL COMMAND
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER
};

#define REPLAY_COMMANDS (sizeof replay_commands / sizeof *replay_commands)

/* memrec's long options without a letter have numbers beyond letters. */
#define LETTER(value) ((value) < 256 ? (char)(value) : 0)

enum {
    OPTION_MAX_SIZE = 256,
    OPTION_OBJECTS,
    OPTION_NO_OBJECTS,
    OPTION_CHILDREN,
    OPTION_NO_STACKS
};
enum { OPTION_NO_OOM = 300, OPTION_OOM_RESERVE, OPTION_NATIVE, OPTION_NO_NATIVE, OPTION_SAMPLE };

static const struct manual_option run_options[] = {
#define OPTION(name, letter, argument, text) {name, LETTER(letter), argument, text, false},
#include "recorder/collector/options.def"
#undef OPTION
};

static const struct manual_option mark_options[] = {
#define OPTION(name, letter, argument, text) {name, letter, argument, text, false},
#include "recorder/collector/mark.def"
#undef OPTION
};

static void add(struct manual_command *c, const struct manual_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strstr(options[i].help, MARK))
            c->options[c->option_count++] = options[i];
}

static void add_replay(struct manual_command *c, int option)
{
    struct manual_option o = replay_options[option];
    o.common = COMMON >> option & 1;
    add(c, &o, 1);
}

static struct manual_program memreplay(void)
{
    static struct manual_command commands[REPLAY_COMMANDS];
    for (size_t i = 0; i < REPLAY_COMMANDS && !commands[i].name; i++) {
        commands[i].name = replay_commands[i].name;
        commands[i].operands = replay_commands[i].operands;
        commands[i].summary = replay_commands[i].summary;
        commands[i].example = replay_commands[i].example;
        for (int k = 0; k < OPTION_COUNT; k++)
            if (replay_commands[i].options >> k & 1)
                add_replay(&commands[i], k);
    }
    return (struct manual_program){"memreplay", commands, REPLAY_COMMANDS};
}

static struct manual_program memrec(void)
{
    static struct manual_command commands[] = {
        {.name = "run", .operands = "PROGRAM", .summary = "record a program and all below it"},
        {.name = "mark", .operands = "NAME", .summary = "name a moment of a recording that runs"}};
    if (!commands[0].option_count) {
        add(&commands[0], run_options, sizeof run_options / sizeof *run_options);
        add(&commands[1], mark_options, sizeof mark_options / sizeof *mark_options);
    }
    return (struct manual_program){"memrec", commands, 2};
}

struct manual_program manual_program(const char *name)
{
    if (!strcmp(name, "memrec"))
        return memrec();
    return !strcmp(name, "memreplay") ? memreplay() : (struct manual_program){0};
}

enum manual_values manual_values(const struct manual_option *o, char *words, size_t words_bytes)
{
    static const struct {
        const char *argument, *words;
    } known[] = {{"WHEN", "start peak end"}, {"FORMAT", "pprof speedscope folded csv"}};
    const char *argument = o->argument ? o->argument : "";
    words[0] = 0;
    if (!strcmp(argument, "FILE") || !strncmp(argument, "TRACE", 5))
        return VALUES_FILES;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(argument, known[i].argument))
            snprintf(words, words_bytes, "%s", known[i].words);
    if (strchr(argument, '|'))
        snprintf(words, words_bytes, "%s", argument);
    for (char *bar = words; (bar = strchr(bar, '|')); bar++)
        *bar = ' ';
    return words[0] ? VALUES_WORDS : VALUES_NONE;
}
