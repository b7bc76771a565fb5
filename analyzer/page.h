/* One self-contained HTML file: markup, styles and scripts of analyzer/web with the data behind
 * them. Why a policy in it: a page names the digests of its own scripts and styles, and a browser
 * runs and loads nothing else, whatever a recorded program called its functions. Invariants: no
 * request leaves the page; names reach the page in base64 (pack.h) or escaped, in its title. Not
 * here: the data (flamegraph_data.h). Not thread-safe. */
#ifndef ANALYZER_PAGE_H
#define ANALYZER_PAGE_H

#include "analyzer/pack.h"
#include "analyzer/web/assets.h"

/* A page to write; all borrowed. */
struct page {
    const char *title; /* any text */
    const char *markup;
    const char *const *scripts; /* in order, up to a NULL */
    const struct pack *data;
};

/* Writes the whole file. Returns 0 or -ERR_NOMEM; write errors show in ferror(). */
int page_write(const struct page *page, FILE *out);
/* Bytes that page_write writes beside the data. */
size_t page_frame_bytes(const struct page *page);
/* Writes text with markup's characters as entities, and what no XML may hold as `\x1b`. */
void page_text(const char *bytes, size_t length, FILE *out);

#endif
