/* Names of native functions beside a trace (FORMAT.md 1.4): what the offsets of one module stand
 * for. Why answers and not binaries: a trace then opens anywhere, at some 50 bytes an address.
 * Why texts are numbered: one function stands at many offsets, one file in many functions. The same
 * bytes go through the pipe from the process that reads binaries (replay/symboliser.h) and into
 * MRNM parts. Invariants: a list is at most NAMES_MAX_BYTES; a reader believes nothing. Not here:
 * where names come from (replay/symbolise.h). Not thread-safe. */
#ifndef FORMAT_NAMES_H
#define FORMAT_NAMES_H

#include "format/event.h"
#include <stdbool.h>
#include <stddef.h>

#define NAMES_MAX_BYTES  (4u << 20) /* of a list */
#define NAMES_PART_BYTES 24u        /* of a part before its list */
#define NAMES_FULL_BYTES (1u << 20) /* a writer begins another list after so many */
#define NAMES_MAX_FRAMES 64u        /* at one offset */

/* A frame of machine code: texts stand in the list. */
struct names_frame {
    struct text function, file; /* file: empty where it is not known */
    uint64_t line;              /* 0: unknown */
};

struct names_text;

/* A list that grows. */
struct names_writer {
    uint8_t *bytes; /* the answers */
    size_t used, capacity;
    struct names_text *texts; /* by number */
    uint32_t text_count, text_capacity;
    uint32_t *slots; /* hash: numbers of texts + 1 */
    uint32_t slot_count;
    size_t text_bytes;
    uint64_t answers, last_offset;
};

/* Frees everything; a zeroed writer is empty and allowed. */
void names_writer_release(struct names_writer *w);
/* Forgets the answers, keeps the memory. */
void names_writer_clear(struct names_writer *w);
/* Appends the frames at an offset, at most NAMES_MAX_FRAMES, outermost first; offsets rise. Returns
 * 0 or -ERR_NOMEM; -ERR_LIMIT for more frames or a text beyond TEXT_LIMIT: nothing has changed. */
int names_writer_add(struct names_writer *w, uint64_t offset, const struct names_frame *frames,
                     uint32_t count);
/* Is it time for another list? */
bool names_writer_full(const struct names_writer *w);
/* The list in a new array of *length bytes that the caller frees; NULL: out of memory. */
uint8_t *names_writer_list(const struct names_writer *w, struct text path, struct text build_id,
                           size_t *length);

/* A list that is read. It borrows the bytes. */
struct names_reader {
    struct text path, build_id;
    struct text *texts;
    uint32_t text_count;
    const uint8_t *at, *end;
    uint64_t left, offset;
};

/* Begins to read a list. Returns 0, -ERR_DAMAGED or -ERR_NOMEM; release is needed in all cases. */
int names_reader_init(struct names_reader *r, const uint8_t *bytes, size_t length);
/* Frees what the reader took. */
void names_reader_release(struct names_reader *r);
/* The next offset with its frames, at most NAMES_MAX_FRAMES; none: nothing is known of it, though
 * it was asked. Texts borrow from the list. Returns 1, 0 at the end, or -ERR_DAMAGED. */
int names_reader_next(struct names_reader *r, uint64_t *offset, struct names_frame *frames,
                      uint32_t *count);

/* Takes what is known of an offset of a module: `count` frames, outermost first, borrowed during
 * the call; none: its file was read and knows nothing of it. Anything but 0 ends the work. */
typedef int names_take(void *context, uint32_t module, uint64_t offset,
                       const struct names_frame *frames, uint32_t count);
/* Gives all that is left of the list to `take`, as of that module. Returns 0, -ERR_DAMAGED, or what
 * `take` returned. */
int names_reader_each(struct names_reader *r, uint32_t module, names_take *take, void *context);

/* The part around a list, with its skippable frame, in a new array of *part_bytes that the caller
 * frees; NULL: out of memory. */
uint8_t *names_part_write(uint64_t trace_id, const uint8_t *list, size_t length,
                          size_t *part_bytes);
/* The list in a part without its skippable frame, in a new array of *length bytes that the caller
 * frees. Returns 0, -ERR_NOMEM, or -ERR_DAMAGED where it is of another trace or not as written. */
int names_part_read(uint64_t trace_id, const uint8_t *part, size_t part_bytes, uint8_t **list,
                    size_t *length);

#endif
