/* Completions for three shells: commands, each command's options, and the values of those that
 * take files or known words. Why whole scripts and no helper program: they work where only the
 * completion files were installed. */
#include "tools/manual/manual.h"

#include <string.h>

static bool optional(const struct manual_option *o)
{
    size_t length = o->argument ? strlen(o->argument) : 0;
    return length && o->argument[length - 1] == '?';
}

/* --name and -n, with blanks between. */
static void bash_words(FILE *out, const struct manual_command *c)
{
    for (int i = 0; i < c->option_count; i++) {
        fprintf(out, "%s--%s", i ? " " : "", c->options[i].name);
        if (c->options[i].letter)
            fprintf(out, " -%c", c->options[i].letter);
    }
}

/* What completes the value behind `command:option`. */
static void bash_value(FILE *out, const struct manual_command *c, const struct manual_option *o)
{
    char words[256];
    enum manual_values values = manual_values(o, words, sizeof words);
    if (!o->argument || optional(o))
        return;
    fprintf(out, "        %s:--%s", c->name, o->name);
    if (o->letter)
        fprintf(out, "|%s:-%c", c->name, o->letter);
    if (values == VALUES_FILES)
        fputs(") files ;;\n", out);
    else if (values == VALUES_WORDS)
        fprintf(out, ") words=\"%s\" ;;\n", words);
    else
        fputs(") words=\"\" ;;\n", out);
}

static void bash_command(FILE *out, const struct manual_command *c)
{
    for (int i = 0; i < c->option_count; i++)
        bash_value(out, c, &c->options[i]);
    fprintf(out, "        %s:*) if [[ $cur == -* ]]; then words=\"", c->name);
    bash_words(out, c);
    fputs("\"; else files; fi ;;\n", out);
}

void manual_bash(const struct manual_program *p, FILE *out)
{
    fprintf(out, "# bash completion for %s\n_%s() {\n", p->name, p->name);
    fputs("    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i "
          "command=\"\" words=\"\" from=$((COMP_CWORD - 1))\n"
          "    # --option=value is three words here\n"
          "    [[ $cur == = ]] && { cur=\"\"; from=$COMP_CWORD; }\n"
          "    [[ ${COMP_WORDS[from]} == = ]] && prev=${COMP_WORDS[from-1]}\n"
          "    files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "
          "\"$cur\"); }\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        [[ ${COMP_WORDS[i]} != -* ]] && { command=${COMP_WORDS[i]}; break; }\n"
          "    done\n"
          "    COMPREPLY=()\n"
          "    case $command:$prev in\n"
          "        :*) words=\"",
          out);
    for (int i = 0; i < p->count; i++)
        fprintf(out, "%s ", p->commands[i].name);
    fputs("--help --version\" ;;\n", out);
    for (int i = 0; i < p->count; i++)
        bash_command(out, &p->commands[i]);
    fputs("        *) files ;;\n"
          "    esac\n"
          "    [[ -n $words ]] && mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    unset -f files\n"
          "    return 0\n"
          "}\n",
          out);
    fprintf(out, "complete -F _%s %s\n", p->name, p->name);
}

/* Inside of '…' and of zsh's [explanation]. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            fputc('\\', out);
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, out);
    }
}

static void zsh_option(FILE *out, const struct manual_option *o)
{
    char words[256];
    enum manual_values values = manual_values(o, words, sizeof words);
    bool repeats = o->argument && (strchr(o->argument, '=') || strstr(o->argument, "…"));
    const char *equals = !o->argument ? "" : optional(o) ? "=-" : "=";
    fputs("            ", out);
    if (o->letter)
        fprintf(out, "'(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter,
                o->argument ? "+" : "", o->name, equals);
    else
        fprintf(out, "'%s--%s%s[", repeats ? "*" : "", o->name, equals);
    zsh_text(out, o->help);
    fputc(']', out);
    if (o->argument) {
        fputs(optional(o) ? "::" : ":", out);
        zsh_text(out, o->argument);
        fputc(':', out);
    }
    if (values == VALUES_FILES)
        fputs("_files", out);
    else if (values == VALUES_WORDS)
        fprintf(out, "(%s)", words);
    fputs("' \\\n", out);
}

void manual_zsh(const struct manual_program *p, FILE *out)
{
    fprintf(out, "#compdef %s\n_%s() {\n    local -a commands=(\n", p->name, p->name);
    for (int i = 0; i < p->count; i++) {
        fprintf(out, "        '%s:", p->commands[i].name);
        zsh_text(out, p->commands[i].summary);
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $words[1] in\n",
          out);
    for (int i = 0; i < p->count; i++) {
        fprintf(out, "        %s) _arguments -s \\\n", p->commands[i].name);
        for (int k = 0; k < p->commands[i].option_count; k++)
            zsh_option(out, &p->commands[i].options[k]);
        fputs("            '*:file:_files' ;;\n", out);
    }
    fprintf(out, "    esac\n}\n_%s \"$@\"\n", p->name);
}

/* A text in fish's '…'. */
static void fish_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (strchr("'\\", *text))
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void fish_option(FILE *out, const struct manual_program *p, const struct manual_command *c,
                        const struct manual_option *o)
{
    char words[256];
    enum manual_values values = manual_values(o, words, sizeof words);
    fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s' -l %s", p->name, c->name,
            o->name);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (o->argument && !optional(o))
        fputs(values == VALUES_FILES ? " -r -F" : " -x", out);
    if (values == VALUES_WORDS)
        fprintf(out, " -a '%s'", words);
    fputs(" -d ", out);
    fish_text(out, o->help);
    fputc('\n', out);
}

void manual_fish(const struct manual_program *p, FILE *out)
{
    fprintf(out, "# fish completion for %s\n", p->name);
    for (int i = 0; i < p->count; i++) {
        const struct manual_command *c = &p->commands[i];
        fprintf(out, "complete -c %s -f -n __fish_use_subcommand -a %s -d ", p->name, c->name);
        fish_text(out, c->summary);
        fputc('\n', out);
        for (int k = 0; k < c->option_count; k++)
            fish_option(out, p, c, &c->options[k]);
    }
}
