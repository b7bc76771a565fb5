/* Applying events: see replay.h. The two functions that run for nearly every event come first. */
#include "replay/replay.h"

#include "format/error.h"
#include "replay/mappings.h"
#include "replay/outlook.h"
#include "replay/residency.h"

/* The process of a site; the current thread's in all but hostile traces. */
static inline struct process *process_of(struct replay *r, const struct site *site)
{
    struct process *p = r->thread->process;
    uint32_t id = r->sites.lanes[site->lane].process;
    return p->id == id ? p : model_process(&r->model, id);
}

/* Takes a live block out of all sums. */
static inline void subtract(struct replay *r, const struct block *block)
{
    struct site *site = &r->sites.items[block->site];
    struct process *p = process_of(r, site);
    process_settle(p);
    process_touch(r, p);
    site_touch(&r->sites, site);
    p->now.live_bytes -= block->size_bytes;
    r->live_bytes -= block->size_bytes;
    site->live_bytes -= block->size_bytes;
    site->live_count--;
}

/* Counts a block and puts it among the live ones. known: see residency_add. */
static inline int add(struct replay *r, const struct slot *slot, const struct block *known)
{
    const struct block *block = &slot->block;
    struct site *site = &r->sites.items[block->site];
    struct process *p = process_of(r, site);
    process_touch(r, p);
    site_touch(&r->sites, site);
    p->now.live_bytes += block->size_bytes;
    r->live_bytes += block->size_bytes;
    site->live_bytes += block->size_bytes;
    site->live_count++;
    if (block->size_bytes >= BIG_BLOCK_BYTES && residency_add(r, slot, known))
        return -ERR_NOMEM;
    return live_insert(&r->blocks, slot->key, slot->owner, block);
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

/* A block that is still live under the key of a new one: its free was missed. Returns false when
 * the replay stops before it. */
static bool replace(struct replay *r, uint64_t key, uint64_t owner, struct block *old)
{
    struct slot slot = {key, owner, *old};
    if (r->sites.items[old->site].ended) {
        r->dead_blocks--;
    } else {
        if (replay_settle(r))
            return false;
        if (old->size_bytes >= BIG_BLOCK_BYTES)
            residency_remove(r, &slot);
        subtract(r, &slot.block);
        r->totals.replaced++;
    }
    live_remove(&r->blocks, key, owner, old);
    return true;
}

/* Removes what stands under the key of a new block, if anything does; as replace. */
static inline bool make_way(struct replay *r, uint64_t key, uint64_t owner)
{
    if (!owner && key >= r->next_index) {
        r->next_index = key + 1;
        return true;
    }
    struct block *old = live_find(&r->blocks, key, owner);
    return !old || replace(r, key, owner, old);
}

static inline int apply_alloc(struct replay *r, const struct event *ev, uint64_t key,
                              uint64_t owner)
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
    if (!size && replay_settle(r))
        return 0;
    unsigned allocator = ev->allocator % ALLOCATOR_LIMIT;
    uint32_t site = sites_find(&r->sites, t, allocator, ev->stack);
    struct slot slot = {key, owner, {size, ++t->allocs, site}};
    if (!make_way(r, key, owner))
        return 0;
    r->serial++;
    count_alloc(r, allocator, size);
    if (r->sites.totals && r->inside)
        site_add_total(&r->sites, site, size, 1);
    return site ? add(r, &slot, 0) : -ERR_NOMEM;
}

static void unknown_free(struct replay *r, uint64_t key, uint64_t owner)
{
    r->thread->freed.valid = false;
    if (owner)
        r->totals.unknown_addresses++;
    else if (lost_holds(&r->lost, key))
        r->totals.lost_frees++;
    else
        r->totals.unknown_frees++;
}

/* Is the free of this block soon enough for `temporary`? Then it is counted. */
static inline bool count_temporary(struct replay *r, const struct block *block)
{
    const struct thread *t = r->thread;
    if (!r->sites.temporaries || !r->inside || site_lane(&r->sites, block->site)->thread != t->id ||
        t->allocs - block->serial >= r->options.temporary_threshold)
        return false;
    r->sites.temporaries[block->site].bytes += block->size_bytes;
    r->sites.temporaries[block->site].count++;
    return true;
}

static inline void apply_free(struct replay *r, uint64_t key, uint64_t owner)
{
    struct thread *t = r->thread;
    struct freed *freed = &t->freed;
    r->totals.events++;
    if (!t->process->active) {
        r->totals.late += t->process->ended;
        return;
    }
    if (replay_settle(r))
        return;
    struct block *block = live_find(&r->blocks, key, owner);
    if (!block || r->sites.items[block->site].ended) {
        unknown_free(r, key, owner);
        return;
    }
    freed->valid = true;
    freed->epoch = r->sites.epoch;
    freed->slot = (struct slot){key, owner, *block};
    freed->temporary = count_temporary(r, block);
    if (block->size_bytes >= BIG_BLOCK_BYTES)
        freed->big = residency_remove(r, &freed->slot);
    subtract(r, block);
    live_remove(&r->blocks, key, owner, block);
    r->totals.frees++;
}

/* The thread's latest free did not happen. */
static int apply_unfree(struct replay *r)
{
    struct freed *freed = &r->thread->freed;
    const struct block *block = &freed->slot.block;
    if (!freed->valid || !r->thread->process->active || r->sites.items[block->site].ended ||
        live_find(&r->blocks, freed->slot.key, freed->slot.owner))
        return 0;
    freed->valid = false;
    if (freed->temporary) {
        r->sites.temporaries[block->site].bytes -= block->size_bytes;
        r->sites.temporaries[block->site].count--;
    }
    if (!block->size_bytes && replay_settle(r))
        return 0;
    if (freed->epoch < r->sites.moment_epoch)
        freed->big.serial = ++r->serial; /* it was not there at the moment since */
    r->totals.unfrees++;
    return add(r, &freed->slot, &freed->big);
}

static bool still_counts(void *context, const struct block *block)
{
    const struct replay *r = context;
    return !r->sites.items[block->site].ended;
}

/* Ended processes leave their blocks among the live ones until they are half of them. */
static int sweep(struct replay *r)
{
    if (r->dead_blocks < 1024 || r->dead_blocks * 2 < live_count(&r->blocks))
        return 0;
    r->dead_blocks = 0;
    int rc = live_purge(&r->blocks, still_counts, r);
    return rc ? rc : blockmap_purge(&r->big, still_counts, r);
}

/* What the process's sites hold leaves the sums, and becomes its leaks. */
static void close_sites(struct replay *r, struct process *p, bool leaks)
{
    for (uint32_t id = p->first_site; id; id = r->sites.items[id].next) {
        struct site *site = &r->sites.items[id];
        struct site_more *more = sites_more(&r->sites, id);
        site_touch(&r->sites, site);
        r->dead_blocks += site->live_count;
        r->ended_count += site->live_count;
        site->ended = 1;
        if (!leaks)
            site->live_bytes = site->live_count = 0;
        if (!more)
            continue;
        history_gap_now(r, id, 0 - more->live_gap_bytes, 0 - more->live_unsampled_bytes);
        site_more_touch(&r->sites, more);
        if (!leaks)
            more->live_gap_bytes = more->live_unsampled_bytes = 0;
    }
}

/* What was resident until now counts for the window, too. */
static void change_rss(struct replay *r, struct process *p, uint64_t rss_bytes)
{
    uint64_t before = r->rss_bytes;
    history_rss(r, rss_bytes - p->now.rss_bytes);
    r->rss_bytes += rss_bytes - p->now.rss_bytes;
    p->now.rss_bytes = rss_bytes;
    uint64_t high = before > r->rss_bytes ? before : r->rss_bytes;
    if (r->inside && high > r->rss_high_bytes)
        r->rss_high_bytes = high;
}

static int apply_process_end(struct replay *r, const struct record *record)
{
    struct process *p = model_process_at(&r->model, record->process_end.process);
    if (!p || p->ended)
        return 0;
    if (replay_settle(r))
        return 0;
    if (record->process_end.reason != PROCESS_EXECED)
        moment_process_end(r, p);
    process_settle(p);
    process_touch(r, p);
    change_rss(r, p, 0);
    r->live_bytes -= p->now.live_bytes;
    p->now = (struct sums){0};
    p->ended = true;
    p->active = false;
    p->end_reason = record->process_end.reason;
    p->status = record->process_end.status;
    p->ended_ns = r->time_ns;
    ranges_release(&p->ranges);
    close_sites(r, p, record->process_end.reason != PROCESS_EXECED);
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
    if (!p || !p->active || replay_settle(r))
        return;
    process_touch(r, p);
    change_rss(r, p, record->rss.rss_bytes);
}

static int apply_function(struct replay *r, const struct record *record)
{
    struct symbols *s = &r->model.symbols;
    struct native_function native = {.kind = record->function.kind,
                                     .name = record->function.name,
                                     .file = record->function.file,
                                     .module = record->function.file,
                                     .build_id = record->function.build_id};
    if (native.kind == FUNCTION_MODULE)
        return symbols_define_native(s, record->function.id, &native);
    return symbols_define_function(s, record->function.id, record->function.kind,
                                   record->function.name, record->function.file,
                                   record->function.first_line);
}

static int apply_mark(struct replay *r, const struct record *record)
{
    int rc = model_note(&r->model, record, r->time_ns);
    if (rc)
        return rc;
    if (replay_settle(r))
        return 0;
    moment_mark(r, r->model.marks[r->model.mark_count - 1].name);
    history_mark(r);
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
        return r->history.failed ? -ERR_NOMEM : 0;
    case EVENT_STACK:
        return symbols_define_stack(&r->model.symbols, ev->stack, ev->parent, ev->function,
                                    ev->line);
    case EVENT_RECORD: return apply_record(r, ev->record);
    case EVENT_LOST: return lost_add(&r->lost, ev->index, ev->end_index);
    default: return 0;
    }
}

static inline int apply_one(struct replay *r, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_ALLOC: return apply_alloc(r, ev, ev->index, 0);
    case EVENT_FREE: apply_free(r, ev->index, 0); return 0;
    case EVENT_ALLOC_ADDRESS: return apply_alloc(r, ev, ev->address, thread_owner(r->thread));
    case EVENT_FREE_ADDRESS: apply_free(r, ev->address, thread_owner(r->thread)); return 0;
    default: return apply_rare(r, ev);
    }
}

/* As replay_apply, bringing near what lies ahead. */
static int apply_far(struct replay *r, const struct event *events, int count, struct outlook o)
{
    for (int i = 0; i < count && i < FAR; i++)
        outlook_bring_places(r, &events[i], o);
    for (int i = 0; i < count && i < NEAR; i++)
        outlook_bring_blocks(r, &events[i], o);
    for (int i = 0; i < count; i++) {
        if (i + FAR < count)
            outlook_bring_places(r, &events[i + FAR], o);
        if (i + NEAR < count)
            outlook_bring_blocks(r, &events[i + NEAR], o);
        if (o.freed_sites && i + SOON < count)
            outlook_bring_sites(r, &events[i + SOON]);
        int rc = apply_one(r, &events[i]);
        if (rc || r->stopped)
            return rc;
    }
    return 0;
}

int replay_apply(struct replay *r, const struct event *events, int count)
{
    struct outlook o = outlook_of(r, events, count);
    if (o.blocks || o.sites)
        return apply_far(r, events, count, o);
    for (int i = 0; i < count; i++) {
        int rc = apply_one(r, &events[i]);
        if (rc || r->stopped)
            return rc;
    }
    return 0;
}

int replay_init(struct replay *r, const struct replay_options *options)
{
    *r = (struct replay){.options = *options};
    live_init(&r->blocks);
    blockmap_init(&r->big);
    int rc = model_init(&r->model);
    int sites_rc = sites_init(&r->sites, options->temporary_threshold > 0, options->totals);
    r->thread = &r->model.no_thread;
    r->model.nobody.in_scope = r->model.nobody.active = !options->has_pid;
    int history_rc = sites_rc ? 0 : history_init(r);
    moment_start(r);
    return rc ? rc : sites_rc ? sites_rc : history_rc;
}

void replay_release(struct replay *r)
{
    model_release(&r->model);
    sites_release(&r->sites);
    live_release(&r->blocks);
    lost_release(&r->lost);
    window_release(&r->window);
    blockmap_release(&r->big);
    history_release(&r->history);
}

static void finish_process(struct process *p)
{
    process_settle(p);
    if (p->high_bytes > p->peak_bytes)
        p->peak_bytes = p->high_bytes;
}

int replay_finish(struct replay *r)
{
    moment_finish(r);
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        struct process *p = model_process_at(&r->model, id);
        if (p)
            finish_process(p);
    }
    finish_process(&r->model.nobody);
    history_finish(r);
    window_own_peaks(r);
    return r->history.failed || r->window.failed ? -ERR_NOMEM : 0;
}

void replay_trim(struct replay *r)
{
    live_release(&r->blocks);
    blockmap_release(&r->big);
    sites_close(&r->sites);
}

/* Reading ahead of a moment to stop at would find what lies behind it, one time more, one time
 * less. */
static enum feed_mode feed_mode(const struct replay_options *o)
{
    bool stops = o->stop_at_moment && o->moment.kind != MOMENT_PEAK && o->moment.kind != MOMENT_END;
    return stops ? FEED_ALONE : o->feed;
}

static int apply_all(struct replay *r, struct feed *feed, void (*progress)(void *, uint64_t),
                     void *context, struct err *err)
{
    const struct batch *batch;
    uint64_t shown = 0;
    int rc = 1;
    while (!r->stopped && (rc = feed_next(feed, &batch, err)) > 0) {
        if (replay_apply(r, batch->events, batch->count))
            return err_set(err, ERR_NOMEM, "out of memory");
        if (progress && batch->file_bytes != shown)
            progress(context, batch->file_bytes);
        shown = batch->file_bytes;
    }
    return rc;
}

int replay_run(struct replay *r, struct reader *reader, void (*progress)(void *, uint64_t),
               void *context, struct err *err)
{
    struct feed feed;
    int rc = feed_open(&feed, reader, feed_mode(&r->options), r->options.batch_events);
    if (rc)
        err_set(err, ERR_NOMEM, "out of memory");
    else
        rc = apply_all(r, &feed, progress, context, err);
    feed_close(&feed);
    if (replay_finish(r) && rc >= 0)
        return err_set(err, ERR_NOMEM, "out of memory");
    return rc < 0 ? rc : 0;
}
