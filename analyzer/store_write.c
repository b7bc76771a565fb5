/* Writing what was recorded: facts, processes, threads, functions, frames and stacks (store.h). Why
 * indices come with the tables: all are keyed by what they are written in the order of. */
#include "analyzer/store.h"

#include "analyzer/losses.h"
#include "analyzer/merged.h"
#include <stdlib.h>
#include <string.h>

/* The compiler runs at the root; the Makefile knows of the file. */
__asm__(".section .rodata\n"
        ".global embedded_schema\n"
        "embedded_schema:\n"
        ".incbin \"analyzer/schema.sql\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char embedded_schema[];

const char *store_schema(void) { return embedded_schema; }

const char *const store_started[4] = {"first", "fork", "exec", "new"};
const char *const store_ended[3] = {"exited", "execed", "given up"};
const char *const store_kinds[3] = {"python", "native", "module"};

void store_choose(struct replay_options *options)
{
    options->temporary_threshold = 1;
    options->totals = true;
    options->history = (struct history_options){.resolution_ns = HISTORY_RESOLUTION_NS};
}

static struct store_meta meta_of(const struct recording *rec)
{
    const struct replay *r = &rec->replay;
    const struct trace_header *h = rec->file.header;
    const struct model *m = &r->model;
    return (struct store_meta){
        .schema_version = STORE_VERSION,
        .started_unix_ns = h->started_unix_ns,
        .duration_ns = rec->duration_ns,
        .last_ns = r->time_ns,
        .peak_bytes = r->moment.bytes,
        .peak_ns = r->moment.time_ns,
        .peak_known = r->history.moment_tick != HISTORY_NONE,
        .rss_peak_bytes = r->rss_high_bytes,
        .resolution_ns = r->history.resolution_ns,
        .temporary_threshold = r->options.temporary_threshold,
        .has_exit = m->has_exit,
        .exit_status = m->exit_status,
        .exit_oom = m->exit_oom,
        .stop_reason = m->stop_reason,
        .stop_ns = m->stop_ns,
        .root_pid = h->root_pid,
        .page_bytes = h->page_bytes,
        .sample_bytes = h->sample_bytes,
        .trace_version = h->version,
        .trace_flags = h->flags,
        .trace_bytes = rec->file_bytes,
        .complete = rec->file.complete,
        .cut_bytes = rec->file.cut_bytes,
        .blocks = rec->file.blocks,
        .lost_blocks = rec->file.lost_blocks,
        .lost_allocations = rec->file.lost_allocations,
        .declared_events = rec->file.declared_events,
        .stacks = rec->file.stacks,
        .functions = rec->file.functions,
        .sites = r->sites.count - 1,
    };
}

static void write_fact(struct insert *i, const char *key, uint64_t value, const char *about)
{
    insert_word(i, key);
    insert_number(i, value);
    insert_word(i, about);
    insert_row(i);
}

static void write_meta(struct writing *to, const struct recording *rec)
{
    struct store_meta meta = meta_of(rec);
    struct insert i;
    insert_begin(&i, to, "meta", 3);
#define META(key, about) write_fact(&i, #key, meta.key, about);
#define COUNT(key, field, about)
#include "analyzer/store.def"
#undef META
#undef COUNT
    insert_end(&i);
    insert_begin(&i, to, "event_count", 3);
#define META(key, about)
#define COUNT(key, field, about) write_fact(&i, #key, rec->replay.totals.field, about);
#include "analyzer/store.def"
#undef META
#undef COUNT
    insert_end(&i);
}

static void write_command(struct writing *to, const struct trace_header *h)
{
    struct insert i;
    insert_begin(&i, to, "command", 2);
    for (uint32_t at = 0; at < h->argument_count; at++) {
        insert_number(&i, at);
        insert_text(&i, h->arguments[at].bytes, h->arguments[at].length);
        insert_row(&i);
    }
    insert_end(&i);
}

static void number_or_null(struct insert *i, bool known, uint64_t value)
{
    if (known)
        insert_number(i, value);
    else
        insert_null(i);
}

static void write_process(struct insert *i, const struct replay *r, const struct process *p)
{
    struct sums then = process_then(r, p);
    insert_number(i, p->id);
    insert_number(i, p->pid);
    number_or_null(i, p->parent != ID_NONE, p->parent);
    insert_word(i, store_started[p->how % 4]);
    insert_name(i, p->python);
    insert_name(i, p->executable);
    insert_number(i, p->started_ns);
    number_or_null(i, p->ended, p->ended_ns);
    insert_word(i, p->ended ? store_ended[p->end_reason % 3] : 0);
    number_or_null(i, p->status >= 0, (uint64_t)p->status);
    insert_number(i, p->flags);
    insert_number(i, p->peak_bytes);
    insert_number(i, then.live_bytes);
    insert_number(i, then.rss_bytes);
    insert_number(i, then.mapped_bytes);
    insert_number(i, then.shared_bytes);
    insert_number(i, then.arena_bytes);
    insert_row(i);
}

static void write_processes(struct writing *to, const struct replay *r)
{
    struct insert i, word;
    insert_begin(&i, to, "process", 17);
    insert_begin(&word, to, "process_argument", 3);
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        const struct process *p = model_process_at(&r->model, id);
        if (!p)
            continue;
        write_process(&i, r, p);
        for (uint32_t at = 0; at < p->argument_count; at++) {
            insert_number(&word, id);
            insert_number(&word, at);
            insert_text(&word, p->arguments[at]->bytes, p->arguments[at]->length);
            insert_row(&word);
        }
    }
    insert_end(&i);
    insert_end(&word);
}

static void write_functions(struct writing *to, const struct symbols *s)
{
    struct insert i;
    insert_begin(&i, to, "function", 7);
    for (uint32_t id = 0; id < s->functions.limit; id++) {
        const struct function *f = symbols_function(s, id);
        if (!f)
            continue;
        insert_number(&i, id);
        insert_text(&i, f->name->bytes, f->name->length);
        insert_text(&i, f->file->bytes, f->file->length);
        insert_number(&i, f->first_line);
        insert_word(&i, store_kinds[f->kind % 3]);
        insert_name(&i, f->module);
        insert_name(&i, f->build_id);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_modules(struct writing *to, const struct model *m)
{
    struct insert i;
    insert_begin(&i, to, "module", 6);
    for (size_t at = 0; at < m->module_count; at++) {
        insert_number(&i, at);
        insert_number(&i, m->modules[at].process);
        insert_number(&i, m->modules[at].function);
        insert_number(&i, m->modules[at].address);
        insert_number(&i, m->modules[at].length);
        insert_number(&i, m->modules[at].file_offset);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_frames(struct writing *to, const struct merged *m)
{
    const struct symbols *s = m->symbols;
    struct insert i;
    insert_begin(&i, to, "frame", 3);
    for (uint32_t at = 0; at < s->frame_count; at++) {
        if (m->frames[at] != at)
            continue;
        insert_number(&i, at + 1);
        number_or_null(&i, symbols_function(s, s->frames[at].function), s->frames[at].function);
        insert_number(&i, s->frames[at].line);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_stack(struct insert *i, uint32_t id, bool known, uint32_t parent, uint32_t frame,
                        uint32_t depth)
{
    insert_number(i, id);
    number_or_null(i, known, parent);
    number_or_null(i, known, frame);
    insert_number(i, depth);
    insert_row(i);
}

/* Numbers what is its own first from 2 on: ids[number]; depths by number. Both zeroed before. */
static void write_stacks(struct writing *to, const struct merged *m, uint32_t *ids,
                         uint32_t *depths)
{
    uint32_t next = STACK_FIRST;
    struct insert i;
    insert_begin(&i, to, "stack", 4);
    write_stack(&i, STACK_EMPTY, false, 0, 0, 0);
    write_stack(&i, STACK_UNKNOWN, false, 0, 0, 0);
    ids[MERGED_UNKNOWN] = STACK_UNKNOWN;
    for (uint32_t number = MERGED_NODES; number < m->count; number++) {
        const struct stack_node *node = merged_node(m, number);
        uint32_t first = m->first[number], parent = merged_parent(m, number);
        if (!node->parent_plus_1)
            continue;
        ids[number] = first == number ? next++ : ids[first];
        depths[number] = depths[parent] + 1;
        if (first == number)
            write_stack(&i, ids[number], true, ids[parent], m->frames[node->frame] + 1,
                        depths[number]);
    }
    insert_end(&i);
}

static void write_marks_and_losses(struct writing *to, const struct replay *r)
{
    const struct model *m = &r->model;
    struct insert i;
    insert_begin(&i, to, "mark", 4);
    for (size_t at = 0; at < m->mark_count; at++) {
        insert_number(&i, at);
        insert_text(&i, m->marks[at].name->bytes, m->marks[at].name->length);
        insert_number(&i, m->marks[at].time_ns);
        number_or_null(&i, at < r->history.mark_count,
                       at < r->history.mark_count ? r->history.mark_ticks[at] : 0);
        insert_row(&i);
    }
    insert_end(&i);
    insert_begin(&i, to, "loss", 5);
    for (size_t at = 0; at < m->loss_count; at++) {
        const struct loss *loss = &m->losses[at];
        insert_number(&i, at);
        insert_number(&i, loss->reason);
        insert_word(&i, loss_key(loss->reason));
        number_or_null(&i, loss->process != ID_NONE, loss->process);
        insert_number(&i, loss->count);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_damage(struct writing *to, const struct file_facts *file)
{
    struct insert i;
    insert_begin(&i, to, "damage", 5);
    for (size_t at = 0; at < file->damage_count; at++) {
        const struct trace_damage *d = &file->damage[at];
        insert_number(&i, at);
        insert_number(&i, d->offset);
        insert_number(&i, d->length);
        insert_number(&i, d->blocks);
        insert_text(&i, d->what, strnlen(d->what, sizeof d->what));
        insert_row(&i);
    }
    insert_end(&i);
}

/* ids: of stacks, by number. */
static void write_threads(struct writing *to, const struct model *m, const struct merged *merged,
                          const uint32_t *ids)
{
    struct insert i;
    insert_begin(&i, to, "thread", 5);
    for (uint32_t id = 0; id < m->threads.limit; id++) {
        const struct thread *t = sparse_get(&m->threads, id);
        if (!t || !t->defined)
            continue;
        insert_number(&i, id);
        number_or_null(&i, t->process->id != ID_NONE, t->process->id);
        insert_number(&i, t->tid);
        insert_name(&i, t->name);
        insert_number(&i, ids[merged_number(merged, t->origin_stack)]);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_former_names(struct writing *to, const struct model *m)
{
    struct insert i;
    uint64_t number = 0;
    insert_begin(&i, to, "former_name", 3);
    for (uint32_t id = 0; id < m->threads.limit; id++) {
        const struct thread *t = sparse_get(&m->threads, id);
        for (unsigned at = 0; t && at < t->former_count; at++) {
            insert_number(&i, number++);
            insert_number(&i, id);
            insert_name(&i, t->former[at]);
            insert_row(&i);
        }
    }
    insert_end(&i);
}

/* Stacks, and everything that names one. */
static int write_stacks_and_sites(struct writing *to, const struct replay *r)
{
    struct merged m;
    uint32_t *ids = 0, *depths = 0, *site_stacks = calloc(r->sites.count, sizeof *site_stacks);
    int rc = merged_init(&m, &r->model.symbols, false);
    if (!rc) {
        ids = calloc(m.count, sizeof *ids);
        depths = calloc(m.count, sizeof *depths);
    }
    if (ids && depths && site_stacks) {
        write_frames(to, &m);
        write_stacks(to, &m, ids, depths);
        write_threads(to, &r->model, &m, ids);
        for (uint32_t site = 1; site < r->sites.count; site++)
            site_stacks[site] = ids[merged_number(&m, site_stack(&r->sites, site))];
        store_write_sites(to, r, site_stacks);
    } else {
        rc = -ERR_NOMEM;
    }
    merged_release(&m);
    free(ids);
    free(depths);
    free(site_stacks);
    return rc;
}

int store_write(struct writing *to, const struct recording *rec)
{
    const struct replay *r = &rec->replay;
    writing_run(to, "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -32768;"
                    "PRAGMA application_id = 1297237058; PRAGMA user_version = 3; BEGIN");
    writing_run(to, store_schema());
    write_meta(to, rec);
    write_command(to, rec->file.header);
    write_processes(to, r);
    write_functions(to, &r->model.symbols);
    write_modules(to, &r->model);
    write_marks_and_losses(to, r);
    write_damage(to, &rec->file);
    write_former_names(to, &r->model);
    int rc = write_stacks_and_sites(to, r);
    rc = rc ? rc : store_write_history(to, r);
    writing_run(to, "COMMIT");
    return rc;
}
