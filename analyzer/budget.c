/* Limits from options and from a file (budget.h). Why unknown keys are refused: a limit that is
 * misspelt would hold for ever. */
#include "analyzer/budget.h"

#include "analyzer/toml.h"
#include "format/grow.h"
#include "format/size.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (1u << 20)

static int no_memory(struct err *err) { return err_set(err, ERR_NOMEM, "out of memory"); }

/* A second limit of a function replaces the first where that came from a file. */
static int add_function(struct budget *b, const char *name, size_t length, uint64_t bytes,
                        struct err *err)
{
    if (b->function_count == b->function_capacity && !GROW(b->functions, b->function_capacity, 16))
        return no_memory(err);
    char *copy = strndup(name, length);
    if (!copy)
        return no_memory(err);
    for (size_t i = 0; i < b->function_count; i++)
        if (!strcmp(b->functions[i].function, copy)) {
            b->functions[i].bytes = bytes;
            free(copy);
            return 0;
        }
    b->functions[b->function_count++] = (struct function_limit){copy, bytes};
    return 0;
}

/* "module.func=50MB": the last = parts them. */
static int parse_limit(struct budget *b, const char *text, struct err *err)
{
    const char *equals = strrchr(text, '=');
    uint64_t bytes;
    if (!equals || equals == text || !size_parse(equals + 1, &bytes))
        return err_set(err, ERR_USAGE, "--limit takes FUNCTION=SIZE such as app.load=50MB, not %s",
                       text);
    return add_function(b, text, (size_t)(equals - text), bytes, err);
}

struct reading {
    struct budget *budget;
    const char *name;
    char *seen; /* keys so far, a line each */
    size_t seen_bytes;
};

static struct bound *bound_named(struct budget *b, const char *key)
{
    const struct {
        const char *key;
        struct bound *bound;
    } all[] = {{"max-peak", &b->peak},
               {"max-rss", &b->rss},
               {"max-leaks", &b->leaks},
               {"max-temporary", &b->temporary},
               {"max-growth", &b->growth}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(key, all[i].key))
            return all[i].bound;
    return 0;
}

static int refuse(const struct reading *r, unsigned line, const char *words, const char *what,
                  struct err *err)
{
    return err_set(err, ERR_USAGE, "%s, line %u: %s%s", r->name, line, words, what);
}

/* TOML has no key twice. */
static int once(struct reading *r, const char *table, const char *key, unsigned line,
                struct err *err)
{
    char whole[8200];
    size_t length =
        (size_t)snprintf(whole, sizeof whole, "\n%s%s%s\n", table, *table ? "." : "", key);
    if (r->seen && strstr(r->seen, whole))
        return refuse(r, line, "a second time: ", key, err);
    char *grown = realloc(r->seen, r->seen_bytes + length + 1);
    if (!grown)
        return no_memory(err);
    memcpy(grown + r->seen_bytes, whole, length + 1);
    r->seen = grown;
    r->seen_bytes += length;
    return 0;
}

static int file_bound(const struct reading *r, struct bound *bound, const char *key,
                      const struct toml_value *value, struct err *err)
{
    struct err inner = {0};
    *bound = (struct bound){.given = true, .bytes = value->number};
    if (value->is_number ||
        !bound_parse(bound, key, value->text, bound == &r->budget->growth, &inner))
        return 0;
    return refuse(r, value->line, inner.text, "", err);
}

static int file_baseline(const struct reading *r, const struct toml_value *value, struct err *err)
{
    const char *slash = strrchr(r->name, '/');
    size_t folder = slash && value->text[0] != '/' ? (size_t)(slash - r->name) + 1 : 0;
    if (value->is_number || !value->text[0])
        return refuse(r, value->line, "baseline takes a file's name", "", err);
    char *path = malloc(folder + strlen(value->text) + 1);
    if (!path)
        return no_memory(err);
    memcpy(path, r->name, folder);
    strcpy(path + folder, value->text);
    free(r->budget->baseline);
    r->budget->baseline = path;
    return 0;
}

static int visit(void *context, const char *table, const char *key, const struct toml_value *value,
                 struct err *err)
{
    struct reading *r = context;
    struct bound *bound = *table ? 0 : bound_named(r->budget, key);
    uint64_t bytes = value->number;
    int rc = once(r, table, key, value->line, err);
    if (rc)
        return rc;
    if (!*key && !strcmp(table, "functions"))
        return 0;
    if (bound)
        return file_bound(r, bound, key, value, err);
    if (!*table && !strcmp(key, "baseline"))
        return file_baseline(r, value, err);
    if (!*table && !strncmp(key, "functions.", 10)) {
        table = "functions";
        key += 10;
    }
    if (strcmp(table, "functions"))
        return refuse(r, value->line,
                      *table ? "there is no table but [functions]: " : "there is no limit named ",
                      *table ? table : key, err);
    if (!value->is_number && !size_parse(value->text, &bytes))
        return refuse(r, value->line, "no size such as 50MB: ", value->text, err);
    return add_function(r->budget, key, strlen(key), bytes, err);
}

static int read_file(struct budget *b, const char *name, struct err *err)
{
    struct reading r = {.budget = b, .name = name};
    FILE *file = fopen(name, "re");
    char *text = file ? malloc(FILE_BYTES + 1) : 0;
    int rc;
    if (!file)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                       "the limits %s cannot be read: %s", name, strerror(errno));
    if (!text) {
        fclose(file);
        return no_memory(err);
    }
    size_t length = fread(text, 1, FILE_BYTES, file);
    text[length] = 0;
    if (ferror(file))
        rc = err_set(err, ERR_IO, "the limits %s cannot be read: %s", name, strerror(errno));
    else if (length == FILE_BYTES)
        rc = err_set(err, ERR_USAGE, "%s is too large for a list of limits", name);
    else
        rc = toml_read(name, text, length, visit, &r, err);
    fclose(file);
    free(text);
    free(r.seen);
    return rc;
}

/* What is typed goes before what the file says. */
static int take_options(struct budget *b, const struct options *o, struct err *err)
{
    const struct bound *typed[] = {&o->max_peak, &o->max_rss, &o->max_leaks, &o->max_temporary,
                                   &o->max_growth};
    struct bound *taken[] = {&b->peak, &b->rss, &b->leaks, &b->temporary, &b->growth};
    int rc = 0;
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        if (typed[i]->given)
            *taken[i] = *typed[i];
    for (int i = 0; i < o->limits.count && !rc; i++)
        rc = parse_limit(b, o->limits.items[i], err);
    if (rc || !o->baseline)
        return rc;
    free(b->baseline);
    b->baseline = strdup(o->baseline);
    return b->baseline ? 0 : no_memory(err);
}

static int make_sense(const struct budget *b, const struct options *o, struct err *err)
{
    bool any = b->peak.given || b->rss.given || b->leaks.given || b->temporary.given ||
               b->growth.given || b->function_count;
    if (b->growth.given && !b->baseline && o->from.kind == WHEN_NONE)
        return err_set(err, ERR_USAGE,
                       "--max-growth since when? Give --baseline TRACE, an earlier recording, or "
                       "--from WHEN, a moment of this one");
    if (b->baseline && !b->growth.given)
        return err_set(err, ERR_USAGE,
                       "how much may it grow since %s? Give --max-growth 2%% or 10MB", b->baseline);
    if (b->baseline && o->has_pid)
        return err_set(err, ERR_USAGE,
                       "--pid names a process of one run; with --baseline whole runs are compared");
    if (!any)
        return err_set(err, ERR_USAGE,
                       "nothing to check; for example: memreplay check --max-peak 500MB %s",
                       o->trace);
    return 0;
}

int budget_init(struct budget *b, const struct options *o, struct err *err)
{
    *b = (struct budget){0};
    int rc = o->limits_file ? read_file(b, o->limits_file, err) : 0;
    rc = rc ? rc : take_options(b, o, err);
    return rc ? rc : make_sense(b, o, err);
}

void budget_release(struct budget *b)
{
    for (size_t i = 0; i < b->function_count; i++)
        free(b->functions[i].function);
    free(b->functions);
    free(b->baseline);
    *b = (struct budget){0};
}
