/* What the formats of `memreplay export` share: the sites to write, and frames in words.
 * Invariants: names come out as valid UTF-8 without control characters (glyph.h); what else a
 * format cannot hold in a name it escapes itself; the sum of what a format writes is the report's.
 * Not here: the formats, one file each (export_*.c). Not thread-safe. */
#ifndef ANALYZER_EXPORT_H
#define ANALYZER_EXPORT_H

#include "analyzer/callers.h"
#include "analyzer/numbering.h"
#include "analyzer/report.h"

/* What stands for frames that are not there, beside indices of symbols.frames. */
#define FRAME_NO_STACK (UINT32_MAX - 3)
#define FRAME_UNKNOWN  (UINT32_MAX - 2)
#define FRAME_LEFT_OUT (UINT32_MAX - 1)

/* A frame in words. Two that read the same have the same keys. */
struct shown {
    char function[4096], file[4096];
    uint64_t line; /* 0: unknown */
    uint64_t key, function_key;
    uint32_t first_line;
};

struct exporter {
    struct report report;
    enum measure measure;
    struct callers callers;
    FILE *out;
    struct numbering keys;
    uint32_t *numbers_plus_1; /* by frame, 0: none yet */
    uint32_t *frames;         /* by number: the first frame that has it */
    char **texts;             /* by number: as a format writes it, or NULL */
    uint32_t capacity;        /* of frames and texts */
    bool modules;             /* machine code is called module!name */
    struct shown shown;       /* scratch */
};

/* Prepares an export of the report in e, which was set up. Returns 0 or -ERR_NOMEM; release is
 * needed in both cases. */
int export_init(struct exporter *e, enum measure measure);
/* Frees what an export took; the report is the caller's. */
void export_release(struct exporter *e);
/* Puts the frames of a stack into e->callers, the innermost first, with what stands for missing
 * ones: never empty. Returns 0 or -ERR_NOMEM. */
int export_stack(struct exporter *e, uint32_t stack);
/* Puts a frame that export_stack gave, in words, into e->shown. */
void export_frame(struct exporter *e, uint32_t frame);
/* The number of a frame that export_stack gave, from 0 on in the order of first use; frames that
 * read the same have one. *met tells whether it had one before: if not, e->shown is the frame.
 * UINT32_MAX when out of memory. */
uint32_t export_number(struct exporter *e, uint32_t frame, bool *met);
/* What write() makes of a frame, which is called once for each number with the frame in e->shown.
 * NULL when out of memory. */
const char *export_text(struct exporter *e, uint32_t frame,
                        void (*write)(struct exporter *e, uint32_t frame, FILE *out));
/* "allocated", "live at the peak" and so on: what the bytes are. */
const char *export_subject(const struct exporter *e);

/* The bytes of all sites of one stack. */
struct stack_sum {
    uint32_t stack;
    uint64_t bytes;
};
/* The stacks that hold anything, each once, by rising id; *count of them. The caller frees them.
 * NULL when out of memory. */
struct stack_sum *export_stacks(const struct exporter *e, size_t *count);

/* The formats: each writes everything to e->out. Return 0 or -ERR_NOMEM. */
int export_pprof(struct exporter *e);
/* https://www.speedscope.app/file-format-schema.json */
int export_speedscope(struct exporter *e);
/* A line for each stack, `outermost;…;innermost bytes`, as flamegraph.pl reads it. */
int export_folded(struct exporter *e);
/* RFC 4180, a row for each stack, allocator and thread. */
int export_csv(struct exporter *e);

#endif
