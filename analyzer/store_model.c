/* Reading who was recorded: processes, threads, functions, stacks, marks, losses and sums
 * (store.h). Why through the functions that a replay uses: what they check of a trace's ids they
 * check here. */
#include "analyzer/store.h"

#include <stdlib.h>
#include <string.h>

#define ID_LIMIT (1u << 26) /* of processes, threads and functions: far beyond any recording */

static void check(struct store *store, int rc)
{
    if (rc)
        store->from.out_of_memory = true;
}

static void read_sums(struct select *s, struct sums *sums)
{
    sums->live_bytes = select_number(s);
    sums->rss_bytes = select_number(s);
    sums->mapped_bytes = select_number(s);
    sums->shared_bytes = select_number(s);
    sums->arena_bytes = select_number(s);
}

static void read_process(struct store *store, struct replay *r, struct select *s)
{
    struct record record = {.type = RECORD_PROCESS};
    record.process.id = (uint32_t)select_limited(s, ID_LIMIT);
    record.process.pid = (uint32_t)select_limited(s, UINT32_MAX);
    record.process.parent = (uint32_t)select_limited_or(s, ID_LIMIT, ID_NONE);
    record.process.how = (uint8_t)select_word(s, store_started, 4);
    record.process.python = select_text(s);
    record.process.executable = select_text(s);
    uint64_t started_ns = select_number(s);
    if (store->from.wrong)
        return;
    check(store, model_define_process(&r->model, &record, started_ns));
    struct process *p = model_process_at(&r->model, record.process.id);
    if (!p)
        return;
    p->ended = sqlite3_column_type(s->statement, s->column) != SQLITE_NULL;
    p->ended_ns = select_limited_or(s, UINT64_MAX, 0);
    p->end_reason = (uint8_t)select_word(s, store_ended, 3);
    p->status = (int64_t)select_limited_or(s, INT64_MAX, (uint64_t)-1);
    p->flags = (uint8_t)select_limited(s, UINT8_MAX);
    p->walked = p->flags & PROCESS_STACKS;
    p->peak_bytes = select_number(s);
    read_sums(s, &p->then);
    p->epoch = r->sites.epoch;
    p->in_scope = !r->options.has_pid || p->pid == r->options.pid;
}

static void read_processes(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "process", "ORDER BY process_id", 0, 0);
    while (select_row(&s))
        read_process(store, r, &s);
    select_end(&s);
}

/* One word more; room is made in powers of two. */
static bool add_argument(struct process *p, const struct name *word)
{
    if ((p->argument_count & (p->argument_count - 1)) == 0) {
        size_t room = p->argument_count ? p->argument_count * 2ul : 1;
        const struct name **grown = realloc(p->arguments, room * sizeof *grown);
        if (!grown)
            return false;
        p->arguments = grown;
    }
    p->arguments[p->argument_count++] = word;
    return true;
}

static void read_arguments(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "process_argument", "ORDER BY process_id, position", 0, 0);
    while (select_row(&s)) {
        struct process *p = model_process_at(&r->model, (uint32_t)select_limited(&s, ID_LIMIT));
        select_number(&s);
        const struct name *word = symbols_name(&r->model.symbols, select_text(&s));
        if (!p || p->argument_count >= RECORD_ARGUMENT_LIMIT)
            select_wrong(&s);
        else
            check(store, !word || !add_argument(p, word));
    }
    select_end(&s);
}

static void read_threads(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "thread", "ORDER BY thread_id", 0, 0);
    while (select_row(&s)) {
        struct record record = {.type = RECORD_THREAD};
        record.thread.id = (uint32_t)select_limited(&s, ID_LIMIT);
        record.thread.process = (uint32_t)select_limited_or(&s, ID_LIMIT, ID_NONE);
        record.thread.tid = (uint32_t)select_limited(&s, UINT32_MAX);
        record.thread.name = select_text(&s);
        record.thread.origin_stack = (uint32_t)select_limited(&s, UINT32_MAX);
        if (!store->from.wrong)
            check(store, model_define_thread(&r->model, &record));
    }
    select_end(&s);
}

static void read_former_names(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "former_name", "ORDER BY name_id", 0, 0);
    while (select_row(&s)) {
        select_skip(&s);
        struct thread *t = model_thread(&r->model, (uint32_t)select_limited(&s, ID_LIMIT));
        const struct name *name = symbols_name(&r->model.symbols, select_text(&s));
        if (!t->defined)
            select_wrong(&s);
        else
            check(store, name ? model_add_former(t, name) : -ERR_NOMEM);
    }
    select_end(&s);
}

static void read_functions(struct store *store, struct symbols *symbols)
{
    struct select s;
    select_begin(&s, &store->from, "function", "ORDER BY function_id", 0, 0);
    while (select_row(&s)) {
        uint32_t id = (uint32_t)select_limited(&s, ID_LIMIT);
        struct native_function f = {.name = select_text(&s)};
        f.file = select_text(&s);
        f.first_line = (uint32_t)select_limited(&s, UINT32_MAX);
        f.kind = (uint8_t)select_word(&s, store_kinds, 3);
        f.module = select_text(&s);
        f.build_id = select_text(&s);
        if (!store->from.wrong)
            check(store, symbols_define_native(symbols, id, &f));
    }
    select_end(&s);
}

static void read_modules(struct store *store, struct model *m)
{
    struct select s;
    select_begin(&s, &store->from, "module", "ORDER BY module_id", 0, 0);
    while (select_row(&s)) {
        struct module module;
        select_skip(&s);
        module.process = (uint32_t)select_limited(&s, ID_LIMIT);
        module.function = (uint32_t)select_limited(&s, ID_LIMIT);
        module.address = select_number(&s);
        module.length = select_number(&s);
        module.file_offset = select_number(&s);
        if (!store->from.wrong)
            check(store, model_add_module(m, &module));
    }
    select_end(&s);
}

struct line {
    uint32_t function;
    bool known; /* a row of the table, not the emptiness between two */
    uint64_t line;
};

static void read_frames(struct store *store, struct sparse *frames)
{
    struct select s;
    select_begin(&s, &store->from, "frame", "ORDER BY frame_id", 0, 0);
    while (select_row(&s)) {
        struct line *line = sparse_put(frames, (uint32_t)select_limited(&s, UINT32_MAX - 1));
        struct line read = {(uint32_t)select_limited_or(&s, ID_LIMIT, FUNCTION_UNKNOWN), true, 0};
        read.line = select_number(&s);
        check(store, !line);
        if (line)
            *line = read;
    }
    select_end(&s);
}

/* Stacks are numbered without gaps, callers first. */
static void read_stacks(struct store *store, struct symbols *symbols)
{
    struct select s;
    struct sparse frames;
    uint32_t next = STACK_FIRST;
    sparse_init(&frames, sizeof(struct line), 10);
    read_frames(store, &frames);
    select_begin(&s, &store->from, "stack", "WHERE stack_id > 1 ORDER BY stack_id", 0, 0);
    while (select_row(&s)) {
        uint32_t id = (uint32_t)select_limited(&s, UINT32_MAX - 1);
        uint32_t parent = (uint32_t)select_limited(&s, id ? id - 1 : 0);
        const struct line *line = sparse_get(&frames, (uint32_t)select_limited(&s, UINT32_MAX - 1));
        if (id != next++ || !line || !line->known)
            select_wrong(&s);
        else if (!store->from.wrong)
            check(store, symbols_define_stack(symbols, id, parent, line->function, line->line));
    }
    select_end(&s);
    sparse_release(&frames);
}

static void read_marks(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "mark", "ORDER BY mark_id", 0, 0);
    while (select_row(&s)) {
        struct record record = {.type = RECORD_MARK};
        select_number(&s);
        record.mark.name = select_text(&s);
        check(store, model_note(&r->model, &record, select_number(&s)));
    }
    select_end(&s);
}

static void read_losses(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "loss", "ORDER BY loss_id", 0, 0);
    while (select_row(&s)) {
        struct record record = {.type = RECORD_LOST};
        select_number(&s);
        record.lost.reason = (uint8_t)select_limited(&s, UINT8_MAX);
        select_skip(&s);
        record.lost.process = (uint32_t)select_limited_or(&s, ID_LIMIT, ID_NONE);
        record.lost.count = select_number(&s);
        check(store, model_note(&r->model, &record, 0));
    }
    select_end(&s);
}

static void read_end(const struct store_meta *meta, struct model *m)
{
    m->has_exit = meta->has_exit;
    m->exit_status = (uint32_t)meta->exit_status;
    m->exit_oom = (uint8_t)meta->exit_oom;
    m->stop_reason = (uint8_t)meta->stop_reason;
    m->stop_ns = meta->stop_ns;
}

static bool is(struct text text, const char *word)
{
    return strlen(word) == text.length && !memcmp(text.bytes, word, text.length);
}

static void read_totals(struct store *store, struct totals *t)
{
    struct select s;
    select_begin(&s, &store->from, "event_count", "", 0, 0);
    while (select_row(&s)) {
        struct text key = select_text(&s);
        uint64_t count = select_number(&s);
#define META(name, about)
#define COUNT(name, field, about)                                                                  \
    if (is(key, #name))                                                                            \
        t->field = count;
#include "analyzer/store.def"
#undef META
#undef COUNT
    }
    select_end(&s);
    select_begin(&s, &store->from, "allocator", "", 0, 0);
    while (select_row(&s)) {
        struct allocator_total *total = &t->allocators[select_limited(&s, ALLOCATOR_LIMIT - 1)];
        select_skip(&s);
        select_skip(&s);
        total->count = select_number(&s);
        total->bytes = select_number(&s);
    }
    select_end(&s);
}

static void read_sizes(struct store *store, struct totals *t)
{
    struct select s;
    select_begin(&s, &store->from, "size_histogram", "", 0, 0);
    while (select_row(&s)) {
        uint64_t least = select_limited(&s, UINT64_C(1) << 47);
        select_skip(&s);
        unsigned k = least ? 64 - (unsigned)__builtin_clzll(least) : 0;
        if (k >= sizeof t->sizes / sizeof *t->sizes)
            select_wrong(&s);
        else
            t->sizes[k] = select_number(&s);
    }
    select_end(&s);
}

void store_read_model(struct store *store, struct replay *r)
{
    read_processes(store, r);
    read_arguments(store, r);
    read_threads(store, r);
    read_former_names(store, r);
    read_functions(store, &r->model.symbols);
    read_modules(store, &r->model);
    read_stacks(store, &r->model.symbols);
    read_marks(store, r);
    read_losses(store, r);
    read_end(&store->meta, &r->model);
    read_totals(store, &r->totals);
    read_sizes(store, &r->totals);
    r->totals_inside = r->totals;
}
