/* The commands and options of memrec and memreplay as one table, and what is written from it: man
 * pages and completions. Why from the tables: a page that is written by hand lies after the next
 * option. Not here: parsing (replay/options.c, recorder/collector/options.c). */
#ifndef TOOLS_MANUAL_H
#define TOOLS_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

#define MANUAL_OPTIONS 64

struct manual_option {
    const char *name;
    char letter;          /* or 0 */
    const char *argument; /* NULL: none; with `?` behind it one that may be left out */
    const char *help;
    bool common; /* every command of the program takes it */
};

struct manual_command {
    const char *name, *operands, *summary, *example; /* example NULL: the page has its own */
    struct manual_option options[MANUAL_OPTIONS];
    int option_count;
};

struct manual_program {
    const char *name;
    const struct manual_command *commands;
    int count;
};

/* What completes an option's value. */
enum manual_values { VALUES_NONE, VALUES_FILES, VALUES_WORDS };
/* For VALUES_WORDS, words[words_bytes] become the values with blanks between. */
enum manual_values manual_values(const struct manual_option *o, char *words, size_t words_bytes);

/* memrec or memreplay; a name of NULL is neither. Static storage. */
struct manual_program manual_program(const char *name);

/* Each writes one file to out. page: the template, in which a line `@commands@`, `@common@` or
 * `@options NAME@` stands for what comes from the table. Returns false for a template that asks for
 * nothing known.
 */
bool manual_page(const struct manual_program *p, FILE *template, FILE *out);
/* For bash-completion. */
void manual_bash(const struct manual_program *p, FILE *out);
/* For a folder of zsh's fpath. */
void manual_zsh(const struct manual_program *p, FILE *out);
/* For fish's vendor_completions.d. */
void manual_fish(const struct manual_program *p, FILE *out);

#endif
