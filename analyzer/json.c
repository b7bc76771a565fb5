/* The JSON writer: commas, indentation and escapes as values come (json.h). Why no tree of
 * values: a report may hold a million stacks. */
#include "analyzer/json.h"

#include "analyzer/glyph.h"
#include "format/plain.h"
#include <inttypes.h>
#include <string.h>

void json_init(struct json *j, FILE *out) { *j = (struct json){.out = out, .first = true}; }

void json_init_at(struct json *j, FILE *out, int depth)
{
    json_init(j, out);
    j->depth = depth;
}

void json_part(struct json *j, const char *part)
{
    if (!j->first)
        fputc(',', j->out);
    fputs(part, j->out);
    j->first = false;
}

static void newline(struct json *j)
{
    if (j->depth && j->flat[j->depth - 1]) {
        if (!j->first)
            fputc(' ', j->out);
        return;
    }
    if (j->depth)
        fprintf(j->out, "\n%*s", j->depth * 1, "");
}

static void quoted(FILE *out, const char *bytes, size_t length)
{
    size_t taken;
    fputc('"', out);
    for (size_t i = 0; i < length; i += taken) {
        int32_t code = glyph_decode(bytes + i, length - i, &taken);
        if (code < 0)
            fprintf(out, "\\\\x%02x", (unsigned char)bytes[i]);
        else if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (int)code);
        else if (plain_control(code) && code >= 0x10000) /* two halves, as UTF-16 has it */
            fprintf(out, "\\u%04x\\u%04x", 0xD7C0 + ((unsigned)code >> 10),
                    0xDC00 | ((unsigned)code & 0x3FF));
        else if (plain_control(code))
            fprintf(out, "\\u%04x", (unsigned)code);
        else
            fwrite(bytes + i, 1, taken, out);
    }
    fputc('"', out);
}

static void before(struct json *j, const char *key)
{
    if (!j->first)
        fputc(',', j->out);
    newline(j);
    j->first = false;
    if (key) {
        quoted(j->out, key, strlen(key));
        fputs(": ", j->out);
    }
}

static void open_level(struct json *j, const char *key, char bracket, bool flat)
{
    before(j, key);
    fputc(bracket, j->out);
    bool inherited = j->depth && j->flat[j->depth - 1];
    if (j->depth < JSON_MAX_DEPTH)
        j->flat[j->depth] = flat || inherited;
    j->depth++;
    j->first = true;
}

static void close_level(struct json *j, char bracket)
{
    bool empty = j->first, flat = j->flat[--j->depth];
    if (!empty && !flat)
        fprintf(j->out, "\n%*s", j->depth * 1, "");
    fputc(bracket, j->out);
    j->first = false;
    if (!j->depth)
        fputc('\n', j->out);
}

void json_object(struct json *j, const char *key) { open_level(j, key, '{', false); }
void json_array(struct json *j, const char *key) { open_level(j, key, '[', false); }
void json_flat_object(struct json *j, const char *key) { open_level(j, key, '{', true); }
void json_flat_array(struct json *j, const char *key) { open_level(j, key, '[', true); }
void json_end_object(struct json *j) { close_level(j, '}'); }
void json_end_array(struct json *j) { close_level(j, ']'); }

void json_number(struct json *j, const char *key, uint64_t value)
{
    before(j, key);
    fprintf(j->out, "%" PRIu64, value);
}

void json_signed(struct json *j, const char *key, int64_t value)
{
    before(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    before(j, key);
    fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
    before(j, key);
    fputs("null", j->out);
}

void json_text(struct json *j, const char *key, const char *bytes, size_t length)
{
    before(j, key);
    quoted(j->out, bytes, length);
}

void json_string(struct json *j, const char *key, const char *text)
{
    json_text(j, key, text, strlen(text));
}
