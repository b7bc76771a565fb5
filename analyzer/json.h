/* A streaming JSON writer: objects and arrays as they come, commas and indentation by itself.
 * Why our own: a peak can have a million stacks, and nothing of it needs to be in memory.
 * Invariants: what was begun is ended by the caller; output is ASCII-safe UTF-8; numbers are
 * integers. Names that are not UTF-8 come out as `\xNN` in text. Not here: which fields a report
 * has. Write errors show in ferror(). Not thread-safe. */
#ifndef ANALYZER_JSON_H
#define ANALYZER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 16

struct json {
    FILE *out;
    int depth;
    bool first, flat[JSON_MAX_DEPTH]; /* flat: on one line */
};

/* Starts writing to out (borrowed). */
void json_init(struct json *j, FILE *out);
/* key NULL in an array and at the top. */
void json_object(struct json *j, const char *key);
/* An array, one item a line. */
void json_array(struct json *j, const char *key);
/* As json_object, but on one line. */
void json_flat_object(struct json *j, const char *key);
/* As json_array, but on one line. */
void json_flat_array(struct json *j, const char *key);
/* End what was opened last; the outermost end writes a newline. */
void json_end_object(struct json *j);
/* As json_end_object. */
void json_end_array(struct json *j);
/* One value each; text is bytes of any encoding, escaped. */
void json_number(struct json *j, const char *key, uint64_t value);
/* As json_number, may be negative. */
void json_signed(struct json *j, const char *key, int64_t value);
/* true or false. */
void json_bool(struct json *j, const char *key, bool value);
/* null: unknown, or does not apply. */
void json_null(struct json *j, const char *key);
/* length bytes, which may hold any. */
void json_text(struct json *j, const char *key, const char *bytes, size_t length);
/* A NUL-terminated text. */
void json_string(struct json *j, const char *key, const char *text);
/* Fields written before, to memory, by a writer that began at the same depth (json_init_at). */
void json_part(struct json *j, const char *part);
/* Starts in the middle: what is written are fields of an object at this depth (1: the top's). */
void json_init_at(struct json *j, FILE *out, int depth);

#endif
