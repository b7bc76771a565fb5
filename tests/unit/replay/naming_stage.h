/* A small replayed trace with native frames, a look-up that is played, and what its stacks say.
 * Not here: what is tried with them (test_naming.c, test_naming_parts.c). */
#ifndef TESTS_NAMING_STAGE_H
#define TESTS_NAMING_STAGE_H

#include "replay/naming.h"

#include "format/error.h"
#include "format/part.h"
#include "replay/symboliser.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { A = 1, PYTHON, B, A_AGAIN, A_ELSEWHERE, TRACE = 77, STACKS = 11 };

static inline struct text text(const char *bytes)
{
    return (struct text){bytes, (uint32_t)strlen(bytes)};
}

/* ---- the look-up ---------------------------------------------------------------------------- */

/* What was asked, as words, and what is answered: no_file for a path, else a frame "PATH OFFSET",
 * inside "outer" where the offset is odd; nothing where it ends in F. */
static char asked_words[1000];
static const char *no_file;
static int look_up_rc;

int symboliser_run(struct symboliser *s, struct symboliser_module *modules, uint32_t count,
                   names_take *take, void *context)
{
    (void)s;
    size_t used = 0;
    int rc = look_up_rc;
    for (uint32_t m = 0; !rc && m < count; m++) {
        const struct symbolise_ask *ask = &modules[m].ask;
        used += (size_t)snprintf(asked_words + used, sizeof asked_words - used,
                                 "%s (%s) at %u:", ask->path, ask->build_id,
                                 (unsigned)ask->recorded_at_ns);
        modules[m].status =
            no_file && !strcmp(no_file, ask->path) ? SYMBOLISE_MISSING : SYMBOLISE_READ;
        for (uint32_t i = 0; !rc && i < ask->count; i++) {
            uint64_t offset = ask->offsets[i];
            char name[40];
            snprintf(name, sizeof name, "%s %lX", ask->path, (unsigned long)offset);
            struct names_frame frames[2] = {{text("outer"), text("o.c"), 9},
                                            {text(name), text(""), offset + 1}};
            uint32_t skipped = offset % 2 ? 0 : 1, shown = offset % 16 == 15 ? 0 : 2 - skipped;
            used += (size_t)snprintf(asked_words + used, sizeof asked_words - used, " %lX",
                                     (unsigned long)offset);
            if (modules[m].status == SYMBOLISE_READ)
                rc = take(context, m, offset, frames + skipped, shown);
        }
        used += (size_t)snprintf(asked_words + used, sizeof asked_words - used, "; ");
    }
    return rc;
}

/* ---- the replayed trace --------------------------------------------------------------------- */

struct stage {
    struct replay r;
    struct naming n;
    struct trace_header header;
    struct naming_options options;
    uint8_t *parts;
    size_t parts_bytes;
};

static inline void module(struct symbols *s, uint32_t id, const char *path, const char *build_id)
{
    struct native_function f = {.kind = FUNCTION_MODULE,
                                .name = text(path),
                                .file = text(path),
                                .module = text(path),
                                .build_id = text(build_id)};
    assert_int_equal(symbols_define_native(s, id, &f), 0);
}

static inline void define_thread(struct replay *r, uint32_t id, uint32_t origin)
{
    struct record record = {.type = RECORD_THREAD};
    record.thread.id = id;
    record.thread.tid = 10 + id;
    record.thread.origin_stack = origin;
    record.thread.name = text("");
    assert_int_equal(model_define_thread(&r->model, &record), 0);
}

static inline uint32_t add_site(struct replay *r, uint32_t thread, uint32_t stack)
{
    struct thread *t = model_thread(&r->model, thread);
    uint32_t site = sites_intern(&r->sites, t, sites_lane(&r->sites, t, 0), stack);
    assert_int_not_equal(site, 0);
    return site;
}

/* Stacks: 2 job, 3 job A10, 4 job A10 A21, 5 B10, 6 job A10 A21 job, 8 A1F below one that is not
 * defined (7), 9 B10 A-again-33, 10 an unknown one's A-elsewhere-10. */
static inline void start(struct stage *t)
{
    struct replay_options options = {.moment = {.kind = MOMENT_PEAK}};
    struct symbols *s = &t->r.model.symbols;
    *t = (struct stage){.header = {.trace_id = TRACE, .started_unix_ns = 1234}};
    memset(&t->n, 0xA5, sizeof t->n); /* whatever stands there */
    t->options.header = &t->header;
    asked_words[0] = 0;
    no_file = 0;
    look_up_rc = 0;
    assert_int_equal(replay_init(&t->r, &options), 0);
    module(s, A, "a.so", "aaaa");
    symbols_define_function(s, PYTHON, FUNCTION_PYTHON, text("job"), text("job.py"), 1);
    module(s, B, "b.so", "");
    module(s, A_AGAIN, "a.so", "aaaa");
    module(s, A_ELSEWHERE, "elsewhere/a.so", "aaaa");
    symbols_define_stack(s, 2, STACK_EMPTY, PYTHON, 5);
    symbols_define_stack(s, 3, 2, A, 0x10);
    symbols_define_stack(s, 4, 3, A, 0x21);
    symbols_define_stack(s, 5, STACK_EMPTY, B, 0x10);
    symbols_define_stack(s, 6, 4, PYTHON, 6);
    symbols_define_stack(s, 8, 7, A, 0x1F);
    symbols_define_stack(s, 9, 5, A_AGAIN, 0x33);
    symbols_define_stack(s, 10, STACK_UNKNOWN, A_ELSEWHERE, 0x10);
    define_thread(&t->r, 0, 4);
    define_thread(&t->r, 1, STACK_UNKNOWN);
    for (uint32_t stack = 0; stack <= 10; stack++)
        assert_int_equal(add_site(&t->r, stack % 2, stack), stack + 1);
}

static inline void stop(struct stage *t)
{
    naming_release(&t->n);
    replay_release(&t->r);
    free(t->parts);
}

/* Puts words before those that stand at *at, in a text that begins at `first`. */
static inline void put_before(char **at, const char *first, const char *put)
{
    size_t length = strlen(put);
    assert_true((size_t)(*at - first) > length);
    *at -= length;
    memcpy(*at, put, length);
}

/* The stack in words, outermost first; parents must be smaller. */
static inline const char *words(const struct symbols *s, uint32_t stack)
{
    static char out[2000];
    char *at = out + sizeof out - 1, line[32];
    const struct stack_node *node;
    for (; (node = symbols_stack(s, stack)); stack = node->parent_plus_1 - 1) {
        const struct frame *f = symbols_frame(s, node);
        const struct function *function = symbols_function(s, f->function);
        assert_true(node->parent_plus_1 - 1 < stack);
        snprintf(line, sizeof line, ":%lu|", (unsigned long)f->line);
        put_before(&at, out, *at ? "; " : "");
        if (function->kind != FUNCTION_PYTHON)
            put_before(&at, out, function->build_id->bytes);
        put_before(&at, out, "|");
        put_before(&at, out, function->file->bytes);
        put_before(&at, out, line);
        put_before(&at, out, function->name->bytes);
    }
    put_before(&at, out, stack == STACK_EMPTY ? "" : "?; ");
    return at;
}

/* What sites' stacks say, by the stacks' old numbers. */
static inline void assert_stacks(const struct stage *t, const char *const *expected)
{
    const struct replay *r = &t->r;
    for (uint32_t stack = 0; stack <= 10; stack++)
        assert_string_equal(words(&r->model.symbols, r->sites.items[stack + 1].event_stack),
                            expected[stack]);
}

static const char *const all_named[STACKS] = {
    "",
    "?; ",
    "job:5|job.py|",
    "job:5|job.py|; a.so 10:17|a.so|aaaa",
    "job:5|job.py|; a.so 10:17|a.so|aaaa; outer:9|o.c|aaaa; a.so 21:34|a.so|aaaa",
    "b.so 10:17|b.so|",
    "job:5|job.py|; a.so 10:17|a.so|aaaa; outer:9|o.c|aaaa; a.so 21:34|a.so|aaaa; job:6|job.py|",
    "?; ",
    "?; a.so:31|a.so|aaaa",
    "b.so 10:17|b.so|; outer:9|o.c|aaaa; a.so 33:52|a.so|aaaa",
    "?; elsewhere/a.so 10:17|elsewhere/a.so|aaaa",
};

/* A part with two names for one offset, and none for another that is `known`. */
static inline void bring(struct stage *t, uint64_t trace, const char *path, const char *build_id,
                         uint64_t offset, uint64_t known)
{
    struct names_writer w = {0};
    struct names_frame frames[] = {{text("packed"), text("p.c"), 1}, {text("inner"), text(""), 2}};
    size_t list_bytes, part_bytes;
    assert_int_equal(names_writer_add(&w, offset, frames, 2), 0);
    if (known)
        assert_int_equal(names_writer_add(&w, known, 0, 0), 0);
    uint8_t *list = names_writer_list(&w, text(path), text(build_id), &list_bytes);
    uint8_t *part = names_part_write(trace, list, list_bytes, &part_bytes);
    t->parts = realloc(t->parts, t->parts_bytes + part_bytes);
    memcpy(t->parts + t->parts_bytes, part, part_bytes);
    t->parts_bytes += part_bytes;
    t->options.parts[0] = (struct naming_parts){t->parts, t->parts_bytes};
    free(part);
    free(list);
    names_writer_release(&w);
}

#endif
