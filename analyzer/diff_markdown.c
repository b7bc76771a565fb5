/* `memreplay diff --markdown`: a comment for a pull request. Why short: it is read between others.
 * Invariants: names stand in code spans and cannot end them, so they are data there too. */
#include "analyzer/diff.h"

#include "analyzer/quantity.h"
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_TOLD 10
#define PROPOSALS_TOLD 5

/* A name between backquotes; what would end the span or the cell is replaced, and no name at all
 * would be two backquotes, which begin another span. */
static void code(FILE *out, const char *text)
{
    fputs(*text ? "`" : "` ", out);
    for (; *text; text++)
        fputc(*text == '`' ? '\'' : *text == '|' ? '/' : *text, out);
    fputc('`', out);
}

static void put_function(const struct diff *d, uint32_t id)
{
    const struct path_function *f = &d->comparison.paths->functions[id];
    FILE *out = d->terminal.out;
    char name[512], file[1024];
    if (!id) {
        fputs("(no function known)", out);
        return;
    }
    path_function_name(name, sizeof name, f, !d->terminal.utf8);
    path_function_file(file, sizeof file, f, !d->terminal.utf8);
    code(out, name);
    if (file[0]) {
        fputc(' ', out);
        code(out, file);
    }
    if (!f->files[0] || !f->files[1])
        fputs(f->files[0] ? " *gone*" : " *new*", out);
}

static void put_change(const struct diff *d, const struct change *change)
{
    FILE *out = d->terminal.out;
    fputs("| ", out);
    put_function(d, change->function);
    fprintf(out, " | %s | %s | **%s** | %s |\n", quantity_size(change->sides[0].own_bytes).text,
            quantity_size(change->sides[1].own_bytes).text,
            quantity_change(change_own(change)).text, quantity_change(change_all(change)).text);
}

static int put_functions(const struct diff *d)
{
    FILE *out = d->terminal.out;
    uint32_t count, shown = 0, others = 0;
    int64_t rest = 0;
    struct change *list = diff_functions(d, &count);
    if (!list)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        bool told = shown < FUNCTIONS_TOLD && !change_own_is_noise(&d->comparison, &list[i]);
        if (told && !shown++)
            fputs("\n| function | before | after | change | with callees |\n"
                  "|---|--:|--:|--:|--:|\n",
                  out);
        if (told)
            put_change(d, &list[i]);
        rest += told ? 0 : change_own(&list[i]);
        others += !told && change_own(&list[i]);
    }
    if (shown && others)
        fprintf(out, "| %s more functions | | | %s | |\n", quantity_count(others).text,
                quantity_change(rest).text);
    if (!shown)
        fputs("\nNo function changed beyond the noise.\n", out);
    free(list);
    return 0;
}

static void put_headline(const struct diff *d)
{
    const struct comparison *c = &d->comparison;
    const struct holdings *before = &c->sides[0].middle->held, *after = &c->sides[1].middle->held;
    FILE *out = d->terminal.out;
    int64_t delta = comparison_delta(c);
    struct quantity share = quantity_growth(before->values.bytes, after->values.bytes);
    fprintf(out, "**%s %s -> %s, %s**", diff_noun(d), quantity_size(before->values.bytes).text,
            quantity_size(after->values.bytes).text,
            delta ? quantity_change(delta).text : "no difference");
    if (delta && share.text[0])
        fprintf(out, " (%s)", share.text);
    if (delta && comparison_is_noise(c))
        fprintf(out, ": noise (not more than %s)", quantity_size(c->noise_bytes).text);
    fputc('\n', out);
    if (c->sides[0].run_count + c->sides[1].run_count > 2)
        fprintf(out, "\nMedians of %u and %u runs; the change %s their spread.\n",
                c->sides[0].run_count, c->sides[1].run_count,
                comparison_is_noise(c) ? "does not exceed" : "exceeds");
}

static void put_holder(const struct diff *d, const char *what, const struct holder *h)
{
    FILE *out = d->terminal.out;
    fprintf(out, "%s ", what);
    put_function(d, h->function);
    fprintf(out, " (%s -> %s)", quantity_size(h->bytes[0]).text, quantity_size(h->bytes[1]).text);
}

static void put_moved(const struct diff *d)
{
    const struct holders *h = &d->holders;
    if (strcmp(diff_noun(d), "peak") != 0 || !h->moved)
        return;
    put_holder(d, "\nThe peak moved: it was held by", &h->lost[0]);
    put_holder(d, ", now by", &h->gained[0]);
    fputs(".\n", d->terminal.out);
}

/* The likeliest; they are compared apart. */
static void put_proposals(const struct diff *d)
{
    FILE *out = d->terminal.out;
    for (uint32_t i = 0; i < d->proposals.count && i < PROPOSALS_TOLD; i++) {
        fputs(i ? "; " : "\nPerhaps the same under another name: ", out);
        put_function(d, d->proposals.items[i].before);
        fputs(" and ", out);
        put_function(d, d->proposals.items[i].after);
    }
    if (d->proposals.count)
        fputs(".\n", out);
}

int diff_markdown(const struct diff *d)
{
    put_headline(d);
    put_moved(d);
    int rc = put_functions(d);
    put_proposals(d);
    return rc;
}
