/* Code objects and modules on their way from ring words to the trace's functions (definitions.h).
 * Why by pieces: a table of lines can be longer than a ring, so its bytes come in DATA events. */
#define _GNU_SOURCE
#include "recorder/collector/definitions.h"
#include "recorder/failpoint.h"

#include <stdlib.h>
#include <string.h>

/* The bytes that are to follow. */
static uint32_t announced_bytes(const struct partial_code *c)
{
    return c->name_bytes + c->file_bytes + c->table_bytes;
}

/* A module's path and build id are there. */
static void finish_module(struct transcoder *tc, struct stream *s)
{
    static const char digits[] = "0123456789abcdef";
    struct partial_code *c = &s->code;
    char hex[2 * MODULE_ID_LIMIT];
    struct text path = {(const char *)c->bytes, c->name_bytes}, id = {hex, 2 * c->file_bytes};
    for (uint32_t i = 0; i < c->file_bytes; i++) {
        hex[2 * i] = digits[c->bytes[c->name_bytes + i] >> 4];
        hex[2 * i + 1] = digits[c->bytes[c->name_bytes + i] & 15];
    }
    struct record record = {.type = RECORD_MODULE};
    record.module.process = s->process->id;
    record.module.path = path;
    record.module.build_id = id;
    record.module.address = c->address;
    record.module.length = c->length;
    record.module.function = names_module(tc->output->names, path, id);
    output_record(tc->output, &record, NULL);
    if (!recorded_define_module(s->process, c->code, record.module.function, c->address))
        s->process->corrupt = true;
    stream_release(s);
}

bool definitions_module_gone(struct transcoder *tc, const struct stream *s, uint32_t module)
{
    struct recorded *p = s->process;
    if (module >= p->module_count || !p->modules[module].function)
        return true;
    struct record record = {.type = RECORD_MODULE_GONE,
                            .module_gone = {p->id, p->modules[module].start}};
    output_record(tc->output, &record, NULL);
    return true;
}

static void finish_code(struct transcoder *tc, struct stream *s)
{
    if (s->code.is_module) {
        finish_module(tc, s);
        return;
    }
    struct partial_code *c = &s->code;
    const char *texts = (const char *)c->bytes;
    struct text name = {texts, c->name_bytes}, file = {texts + c->name_bytes, c->file_bytes};
    struct line_table table = {.bytes = c->bytes + c->name_bytes + c->file_bytes,
                               .size_bytes = c->table_bytes,
                               .first_line = (int32_t)c->first_line,
                               .kind = (enum line_table_kind)c->table_kind};
    uint32_t function =
        names_function(tc->output->names, FUNCTION_PYTHON, name, file, c->first_line);
    if (!recorded_define_code(s->process, c->code, function, &table))
        s->process->corrupt = true;
    stream_release(s);
}

/* The bytes of what was announced follow: room for them, as far as it may be taken. */
static bool begin_code(struct transcoder *tc, struct stream *s, const struct partial_code *as)
{
    struct partial_code *c = &s->code;
    stream_release(s);
    *c = *as;
    uint32_t total = announced_bytes(c);
    if (!recorded_may_take(s->process, total)) {
        c->skip_bytes = total;
        s->process->refused++;
        return true;
    }
    c->bytes = FAILPOINT(code_text, malloc(total + 1ul), NULL);
    if (!c->bytes)
        return false;
    c->allowance = s->process->allowance;
    if (c->allowance)
        c->allowance->used_bytes += total;
    if (total == 0)
        finish_code(tc, s);
    return true;
}

bool definitions_code(struct transcoder *tc, struct stream *s, const uint64_t *w)
{
    if (w[2] > CODE_TEXT_LIMIT || w[3] > CODE_TEXT_LIMIT || w[4] > CODE_TABLE_LIMIT)
        return false;
    uint32_t minor = (uint32_t)(w[1] >> 32);
    s->process->chains.each_is_entry = minor <= 10;
    s->process->chains.may_be_ahead = minor <= 9;
    return begin_code(tc, s,
                      &(struct partial_code){.code = (uint32_t)w[0],
                                             .first_line = (uint32_t)w[1],
                                             .table_kind = (uint8_t)(w[0] >> 48),
                                             .name_bytes = (uint32_t)w[2],
                                             .file_bytes = (uint32_t)w[3],
                                             .table_bytes = (uint32_t)w[4]});
}

bool definitions_module(struct transcoder *tc, struct stream *s, const uint64_t *w)
{
    if ((uint32_t)w[3] > CODE_TEXT_LIMIT || w[3] >> 32 > MODULE_ID_LIMIT)
        return false;
    return begin_code(tc, s,
                      &(struct partial_code){.code = (uint32_t)w[0],
                                             .is_module = true,
                                             .address = w[1],
                                             .length = w[2],
                                             .name_bytes = (uint32_t)w[3],
                                             .file_bytes = (uint32_t)(w[3] >> 32)});
}

bool definitions_data(struct transcoder *tc, struct stream *s, uint64_t at, uint32_t count)
{
    struct partial_code *c = &s->code;
    uint32_t total = announced_bytes(c);
    if (!c->bytes && count <= c->skip_bytes) {
        c->skip_bytes -= count;
        return true;
    }
    if (!c->bytes || count > total - c->got_bytes)
        return false;
    for (uint32_t i = 0; i < count; i += 8) {
        uint64_t word = stream_word(s, at + i);
        memcpy(c->bytes + c->got_bytes + i, &word, count - i < 8 ? count - i : 8);
    }
    c->got_bytes += count;
    if (c->got_bytes == total)
        finish_code(tc, s);
    return true;
}

void stream_release(struct stream *s)
{
    const struct partial_code *c = &s->code;
    if (c->allowance)
        c->allowance->used_bytes -= announced_bytes(c);
    free(c->bytes);
    s->code = (struct partial_code){0};
}
