/* Man pages: a template in docs/man with the prose, and the tables in it. Why a template: what
 * moments are and what a limits file looks like stands in no table. */
#include "tools/manual/manual.h"

#include <ctype.h>
#include <string.h>

/* Text as man(7) wants it: minus signs that can be copied, no macro at the start of a line. */
static void put(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    }
}

static void put_option(FILE *out, const struct manual_option *o)
{
    size_t length = o->argument ? strlen(o->argument) : 0;
    bool optional = length && o->argument[length - 1] == '?';
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    put(out, o->name);
    fputs("\\fR", out);
    if (length)
        fprintf(out, "%s\\fI%.*s\\fR%s", optional ? "[=" : " ", (int)length - optional, o->argument,
                optional ? "]" : "");
    fputc('\n', out);
    put(out, o->help);
    fputc('\n', out);
}

static void put_options(const struct manual_command *c, bool common, FILE *out)
{
    for (int i = 0; i < c->option_count; i++)
        if (c->options[i].common == common)
            put_option(out, &c->options[i]);
}

static bool put_options_of(const struct manual_program *p, const char *name, FILE *out)
{
    for (int i = 0; i < p->count; i++) {
        if (strcmp(p->commands[i].name, name))
            continue;
        put_options(&p->commands[i], false, out);
        return true;
    }
    return false;
}

static void put_commands(const struct manual_program *p, FILE *out)
{
    for (int i = 0; i < p->count; i++) {
        const struct manual_command *c = &p->commands[i];
        fprintf(out, ".SS %s %s [\\fIoptions\\fR] \\fI%s\\fR\n", p->name, c->name, c->operands);
        fprintf(out, "%c", toupper((unsigned char)c->summary[0]));
        put(out, c->summary + 1);
        fputs(".\n", out);
        put_options(c, false, out);
        if (!c->example)
            continue;
        fputs(".PP\nExample:\n.PP\n.EX\n    ", out);
        put(out, c->example);
        fputs("\n.EE\n", out);
    }
}

bool manual_page(const struct manual_program *p, FILE *template, FILE *out)
{
    char line[1024], name[64];
    bool known = true;
    while (fgets(line, sizeof line, template)) {
        if (!strcmp(line, "@commands@\n"))
            put_commands(p, out);
        else if (!strcmp(line, "@common@\n"))
            put_options(&p->commands[0], true, out);
        else if (sscanf(line, "@options %63[a-z]@", name) == 1)
            known &= put_options_of(p, name, out);
        else
            fputs(line, out);
    }
    return known;
}
