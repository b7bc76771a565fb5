/* Applying events: see replay.h. The two functions that run for nearly every event come first. */
#include "replay/replay.h"

#include "format/error.h"
#include "replay/mappings.h"
#include "replay/residency.h"

/* The process that owns a site; the current thread's in all but hostile traces. */
static inline struct process *owner(struct replay *r, const struct site *site)
{
    struct process *p = r->thread->process;
    return p->id == site->process ? p : model_process(&r->model, site->process);
}

/* Takes a live block out of all sums, but not out of its table. */
static inline void subtract(struct replay *r, const struct live_block *block, bool by_address)
{
    struct site *site = &r->sites.items[block->site];
    struct process *p = owner(r, site);
    if (block->size_bytes >= BIG_BLOCK_BYTES)
        residency_remove(r, block, by_address);
    process_settle(p);
    process_touch(r, p);
    site_touch(&r->sites, site);
    p->now.live_bytes -= block->size_bytes;
    r->live_bytes -= block->size_bytes;
    site->live_bytes -= block->size_bytes;
    site->live_count--;
}

static inline int add(struct replay *r, struct live *table, const struct live_block *block,
                      const struct live_block *known)
{
    struct site *site = &r->sites.items[block->site];
    struct process *p = owner(r, site);
    process_touch(r, p);
    site_touch(&r->sites, site);
    p->now.live_bytes += block->size_bytes;
    r->live_bytes += block->size_bytes;
    site->live_bytes += block->size_bytes;
    site->live_count++;
    if (block->size_bytes >= BIG_BLOCK_BYTES &&
        residency_add(r, block, table == &r->addresses, known))
        return -ERR_NOMEM;
    return live_insert(table, block);
}

static inline unsigned size_class(uint64_t size_bytes)
{
    return size_bytes ? 64 - (unsigned)__builtin_clzll(size_bytes) : 0;
}

static inline void count_alloc(struct replay *r, unsigned allocator, uint64_t size_bytes)
{
    r->totals.allocations++;
    r->totals.allocated_bytes += size_bytes;
    r->totals.allocators[allocator].count++;
    r->totals.allocators[allocator].bytes += size_bytes;
    r->totals.sizes[size_class(size_bytes)]++;
}

/* A block that is still live under the key of a new one: its free was missed. */
static void replace(struct replay *r, struct live *table, struct live_block *old)
{
    if (r->sites.items[old->site].ended) {
        r->dead_blocks--;
    } else {
        replay_settle(r);
        subtract(r, old, table == &r->addresses);
        r->totals.replaced++;
    }
    live_remove(table, old);
}

static int apply_alloc(struct replay *r, struct live *table, const struct event *ev)
{
    struct thread *t = r->thread;
    uint64_t size = ev->size_bytes;
    r->totals.events++;
    if (!t->process->active) {
        r->totals.late += t->process->ended;
        return 0;
    }
    if (size > SIZE_LIMIT_BYTES) {
        r->totals.impossible++;
        size = 0;
    }
    if (!size)
        replay_settle(r);
    unsigned allocator = ev->allocator % ALLOCATOR_LIMIT;
    uint32_t process = table == &r->addresses ? t->process->id : 0;
    struct live_block block = {ev->index, size, ++t->allocs,
                               sites_find(&r->sites, t, allocator, ev->stack), process};
    struct live_block *old = 0;
    if (table == &r->addresses || ev->index < r->next_index)
        old = live_find(table, ev->index, process);
    else
        r->next_index = ev->index + 1;
    if (old)
        replace(r, table, old);
    r->serial++;
    count_alloc(r, allocator, size);
    return block.site ? add(r, table, &block, 0) : -ERR_NOMEM;
}

static void unknown_free(struct replay *r, const struct live *table, uint64_t key)
{
    r->thread->freed.valid = false;
    if (table == &r->addresses)
        r->totals.unknown_addresses++;
    else if (r->reader && reader_lost(r->reader, key))
        r->totals.lost_frees++;
    else
        r->totals.unknown_frees++;
}

/* Kept for an UNFREE by the same thread. */
static inline void remember(struct replay *r, const struct live_block *block, bool by_address,
                            bool temporary)
{
    struct freed *freed = &r->thread->freed;
    freed->valid = true;
    freed->temporary = temporary;
    freed->by_address = by_address;
    freed->epoch = r->sites.epoch;
    freed->block = *block;
    if (block->size_bytes >= BIG_BLOCK_BYTES) {
        const struct live_block *big = by_address ? 0 : live_find(&r->big, block->key, 0);
        freed->big = big ? *big : (struct live_block){0};
    }
}

static void apply_free(struct replay *r, struct live *table, uint64_t key)
{
    struct thread *t = r->thread;
    bool by_address = table == &r->addresses;
    r->totals.events++;
    if (!t->process->active) {
        r->totals.late += t->process->ended;
        return;
    }
    replay_settle(r);
    struct live_block *block = live_find(table, key, by_address ? t->process->id : 0);
    if (!block || r->sites.items[block->site].ended) {
        unknown_free(r, table, key);
        return;
    }
    struct site *site = &r->sites.items[block->site];
    bool temporary = site->thread == t->id &&
                     t->allocs - block->serial < r->options.temporary_threshold && r->inside;
    if (temporary) {
        site->temporary_bytes += block->size_bytes;
        site->temporary_count++;
    }
    remember(r, block, by_address, temporary);
    subtract(r, block, by_address);
    live_remove(table, block);
    r->totals.frees++;
}

/* The thread's latest free did not happen. */
static int apply_unfree(struct replay *r)
{
    struct freed *freed = &r->thread->freed;
    struct live *table = freed->by_address ? &r->addresses : &r->blocks;
    const struct live_block *block = &freed->block;
    if (!freed->valid || !r->thread->process->active || r->sites.items[block->site].ended ||
        live_find(table, block->key, block->process))
        return 0;
    freed->valid = false;
    if (freed->temporary) {
        r->sites.items[block->site].temporary_bytes -= block->size_bytes;
        r->sites.items[block->site].temporary_count--;
    }
    if (!block->size_bytes)
        replay_settle(r);
    if (freed->epoch != r->sites.epoch)
        freed->big.serial = ++r->serial; /* it was not there at the moment since */
    r->totals.unfrees++;
    return add(r, table, block, &freed->big);
}

static bool still_counts(void *context, const struct live_block *block)
{
    const struct replay *r = context;
    return !r->sites.items[block->site].ended;
}

/* Ended processes leave their blocks in the tables until these are half of them. */
static int sweep(struct replay *r)
{
    if (r->dead_blocks < 1024 ||
        r->dead_blocks * 2 < live_count(&r->blocks) + live_count(&r->addresses))
        return 0;
    r->dead_blocks = 0;
    return live_purge(&r->blocks, still_counts, r) || live_purge(&r->addresses, still_counts, r) ||
                   live_purge(&r->big, still_counts, r)
               ? -ERR_NOMEM
               : 0;
}

/* What the process's sites hold becomes its leaks. end: and leaves the sums. */
static void close_sites(struct replay *r, struct process *p, bool end, bool leaks)
{
    for (uint32_t id = p->first_site; id; id = r->sites.items[id].next) {
        struct site *site = &r->sites.items[id];
        struct site_more *more = &r->sites.mores[id];
        if (leaks) {
            more->leak_bytes = site->live_bytes;
            more->leak_count = site->live_count;
            more->leak_gap_bytes = more->live_gap_bytes;
            more->leak_unsampled_bytes = more->live_unsampled_bytes;
        }
        if (!end)
            continue;
        site_touch(&r->sites, site);
        site_more_touch(&r->sites, more);
        r->dead_blocks += site->live_count;
        site->live_bytes = site->live_count = 0;
        more->live_gap_bytes = more->live_unsampled_bytes = 0;
        site->ended = 1;
    }
}

static int apply_process_end(struct replay *r, const struct record *record)
{
    struct process *p = model_process_at(&r->model, record->process_end.process);
    if (!p || p->ended)
        return 0;
    replay_settle(r);
    if (record->process_end.reason != PROCESS_EXECED)
        moment_process_end(r, p);
    process_settle(p);
    process_touch(r, p);
    r->live_bytes -= p->now.live_bytes;
    p->now = (struct sums){0};
    p->ended = true;
    p->active = false;
    p->end_reason = record->process_end.reason;
    p->status = record->process_end.status;
    p->ended_ns = r->time_ns;
    ranges_release(&p->ranges);
    close_sites(r, p, true, record->process_end.reason != PROCESS_EXECED);
    return sweep(r);
}

static int apply_process(struct replay *r, const struct record *record)
{
    if (model_define_process(&r->model, record, r->time_ns))
        return -ERR_NOMEM;
    struct process *p = model_process_at(&r->model, record->process.id);
    if (!p || p->ended)
        return 0;
    p->in_scope = !r->options.has_pid || p->pid == r->options.pid;
    p->active = p->in_scope;
    return 0;
}

static void apply_rss(struct replay *r, const struct record *record)
{
    struct process *p = model_process_at(&r->model, record->rss.process);
    if (!p || !p->active)
        return;
    replay_settle(r);
    process_touch(r, p);
    p->now.rss_bytes = record->rss.rss_bytes;
}

static int apply_function(struct replay *r, const struct record *record)
{
    return symbols_define_function(&r->model.symbols, record->function.id, record->function.kind,
                                   record->function.name, record->function.file,
                                   record->function.first_line);
}

static int apply_mark(struct replay *r, const struct record *record)
{
    int rc = model_note(&r->model, record, r->time_ns);
    if (rc)
        return rc;
    replay_settle(r);
    moment_mark(r, r->model.marks[r->model.mark_count - 1].name);
    return 0;
}

static int apply_mapping(struct replay *r, const struct record *record)
{
    r->totals.events += record->type != RECORD_RESIDENT_RANGE;
    return mappings_apply(r, record);
}

static int apply_record(struct replay *r, const struct record *record)
{
    if (record->type < RECORD_LIMIT)
        r->totals.records[record->type]++;
    switch (record->type) {
    case RECORD_FUNCTION: return apply_function(r, record);
    case RECORD_PROCESS: return apply_process(r, record);
    case RECORD_PROCESS_END: return apply_process_end(r, record);
    case RECORD_THREAD: return model_define_thread(&r->model, record);
    case RECORD_MAP:
    case RECORD_UNMAP:
    case RECORD_REMAP:
    case RECORD_PROTECT:
    case RECORD_DISCARD:
    case RECORD_RESIDENT_RANGE: return apply_mapping(r, record);
    case RECORD_RESIDENT_BLOCK:
        residency_sample(r, record->resident_block.index, record->resident_block.resident_bytes);
        return 0;
    case RECORD_RSS: apply_rss(r, record); return 0;
    case RECORD_FAILED: r->totals.events++; return 0;
    case RECORD_MARK: return apply_mark(r, record);
    default: return model_note(&r->model, record, r->time_ns);
    }
}

static int apply_rare(struct replay *r, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_UNFREE: return apply_unfree(r);
    case EVENT_THREAD: r->thread = model_thread(&r->model, ev->thread); return 0;
    case EVENT_TIME:
        if (ev->time_ns > r->time_ns)
            moment_advance(r, ev->time_ns);
        return 0;
    case EVENT_STACK:
        return symbols_define_stack(&r->model.symbols, ev->stack, ev->parent, ev->function,
                                    ev->line);
    case EVENT_RECORD: return apply_record(r, ev->record);
    default: return 0;
    }
}

static inline int apply_one(struct replay *r, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_ALLOC: return apply_alloc(r, &r->blocks, ev);
    case EVENT_FREE: apply_free(r, &r->blocks, ev->index); return 0;
    case EVENT_ALLOC_ADDRESS: return apply_alloc(r, &r->addresses, ev);
    case EVENT_FREE_ADDRESS: apply_free(r, &r->addresses, ev->address); return 0;
    default: return apply_rare(r, ev);
    }
}

static void prefetch(const struct replay *r, const struct event *ev)
{
    if (ev->kind == EVENT_FREE)
        live_prefetch_free(&r->blocks, ev->index);
    else if (ev->kind == EVENT_ALLOC)
        live_prefetch_insert(&r->blocks, ev->index);
}

int replay_apply(struct replay *r, const struct event *events, int count)
{
    enum { AHEAD = 24 };
    for (int i = 0; i < count && i < AHEAD; i++)
        prefetch(r, &events[i]);
    for (int i = 0; i < count; i++) {
        if (i + AHEAD < count)
            prefetch(r, &events[i + AHEAD]);
        int rc = apply_one(r, &events[i]);
        if (rc || r->stopped)
            return rc;
    }
    return 0;
}

int replay_init(struct replay *r, const struct replay_options *options)
{
    *r = (struct replay){.options = *options};
    live_init(&r->blocks, 0);
    live_init(&r->big, 0);
    live_init(&r->addresses, 4);
    int rc = model_init(&r->model);
    int sites_rc = sites_init(&r->sites);
    r->thread = &r->model.no_thread;
    r->model.nobody.in_scope = r->model.nobody.active = !options->has_pid;
    moment_start(r);
    return rc ? rc : sites_rc;
}

void replay_release(struct replay *r)
{
    model_release(&r->model);
    sites_release(&r->sites);
    live_release(&r->blocks);
    live_release(&r->addresses);
    live_release(&r->big);
}

static void finish_process(struct replay *r, struct process *p)
{
    process_settle(p);
    if (!p->ended)
        close_sites(r, p, false, true);
}

void replay_finish(struct replay *r)
{
    moment_finish(r);
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        struct process *p = model_process_at(&r->model, id);
        if (p)
            finish_process(r, p);
    }
    finish_process(r, &r->model.nobody);
}

int replay_run(struct replay *r, struct reader *reader, void (*progress)(void *, uint64_t),
               void *context, struct err *err)
{
    struct batch batch;
    uint32_t blocks = 0;
    int rc;
    r->reader = reader;
    while ((rc = reader_read(reader, &batch, err)) > 0 && !r->stopped) {
        if (replay_apply(r, batch.events, batch.count))
            return err_set(err, ERR_NOMEM, "out of memory");
        if (progress && reader->blocks != blocks)
            progress(context, trace_reader_offset(reader->trace));
        blocks = reader->blocks;
    }
    replay_finish(r);
    return rc < 0 ? rc : 0;
}
