/* Lines of source around the frames of a graph, for a page. Why so careful: a trace names files,
 * and what stands there now may be another version, or something that was never source and must not
 * travel in a page that people pass on. Invariants: only regular files whose name ends as Python's
 * do are read, and only where their last change lies before the recording began; at most
 * CODE_LINES lines are taken, the frames that hold the most first. A file that was put back with
 * its old time is not found out. Not here: showing them (analyzer/web/source.js). Not thread-safe.
 */
#ifndef ANALYZER_CODE_H
#define ANALYZER_CODE_H

#include "analyzer/graph.h"
#include "analyzer/pack.h"

#define CODE_LINES      8000u
#define CODE_FILE_BYTES (4u << 20)
#define CODE_LINE_BYTES 240u
#define CODE_CONTEXT    8u /* lines on each side of a frame that holds much, 1 of others */

struct code_file {
    const struct name *path;
    const char *why_not; /* a sentence, or NULL */
    char *text;          /* length bytes of whole lines, or NULL */
    size_t length;
    uint32_t first_want, want_count;
};

struct code {
    struct code_file *files;
    uint64_t *wants; /* file's place << 32 | line, sorted, each once */
    uint32_t file_count, want_count;
};

/* Finds and reads them. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int code_read(struct code *s, const struct graph *g, const struct symbols *symbols,
              uint64_t started_unix_ns);
/* Frees everything. */
void code_release(struct code *s);
/* Appends the section "srcl", JSON: [[path, why not or null, [[first line, text, …], …]], …].
 * Returns 0 or -ERR_NOMEM. */
int code_pack(const struct code *s, struct pack *p);
/* A line without what stands before and behind it, borrowed; *length 0 where it is not there. Slow:
 * walks the file. */
const char *code_line(const struct code *s, const struct name *path, uint32_t line, size_t *length);

#endif
