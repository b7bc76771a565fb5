/* What `memreplay diff` found, as its writers need it: text, JSON, Markdown.
 * Why one struct: all say the same from the same figures. Not here: how it is found
 * (comparison.h, holders.h, proposals.h). Not thread-safe. */
#ifndef ANALYZER_DIFF_H
#define ANALYZER_DIFF_H

#include "analyzer/comparison.h"
#include "analyzer/holders.h"
#include "analyzer/json.h"
#include "analyzer/proposals.h"
#include "analyzer/terminal.h"

struct diff {
    const struct options *options;
    enum measure measure;
    struct comparison comparison;
    struct holders holders;
    struct proposals proposals;
    struct terminal terminal; /* where it is written */
};

/* "peak", "never freed": what the bytes are. Static storage. */
const char *diff_noun(const struct diff *d);
/* The functions that hold anything on either side, those that changed most first; *count of them.
 * The array is the caller's to free. NULL when out of memory. */
struct change *diff_functions(const struct diff *d, uint32_t *count);

/* Each writes to d->terminal.out. Return 0 or -ERR_NOMEM. */
int diff_text(const struct diff *d);
/* The call paths that changed, as a tree. */
int diff_tree(const struct diff *d);
/* CLI.md's object. */
int diff_json(const struct diff *d);
/* The fields of that object before "functions", for others' objects too. */
void diff_json_head(struct json *j, const struct diff *d);
/* One self-contained page. */
int diff_html(const struct diff *d);
/* A compact table for a pull request. */
int diff_markdown(const struct diff *d);

#endif
