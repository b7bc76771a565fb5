/* Processes, threads and facts of the recording: see model.h. */
#include "replay/model.h"

#include "format/error.h"
#include "format/grow.h"
#include <stdlib.h>
#include <string.h>

int model_init(struct model *m)
{
    *m = (struct model){0};
    sparse_init(&m->processes, sizeof(struct process), 4);
    sparse_init(&m->threads, sizeof(struct thread), 4);
    if (symbols_init(&m->symbols))
        return -ERR_NOMEM;
    const struct name *empty = m->symbols.empty;
    m->nobody = (struct process){
        .id = ID_NONE, .parent = ID_NONE, .status = -1, .python = empty, .executable = empty};
    ranges_init(&m->nobody.ranges);
    m->no_thread = (struct thread){.id = ID_NONE, .process = &m->nobody, .name = empty};
    return 0;
}

void model_release(struct model *m)
{
    for (uint32_t i = 0; i < m->processes.limit; i++) {
        struct process *p = model_process_at(m, i);
        if (!p)
            continue;
        ranges_release(&p->ranges);
        free(p->arguments);
    }
    for (uint32_t i = 0; i < m->threads.limit; i++)
        free(model_thread(m, i)->former);
    ranges_release(&m->nobody.ranges);
    symbols_release(&m->symbols);
    sparse_release(&m->processes);
    sparse_release(&m->threads);
    free(m->marks);
    free(m->losses);
    free(m->modules);
    m->marks = 0;
    m->modules = 0;
    m->losses = 0;
}

struct process *model_process_at(const struct model *m, uint32_t id)
{
    struct process *p = sparse_get(&m->processes, id);
    return p && p->defined ? p : 0;
}

struct process *model_process(struct model *m, uint32_t id)
{
    struct process *p = model_process_at(m, id);
    return p ? p : &m->nobody;
}

struct thread *model_thread(struct model *m, uint32_t id)
{
    struct thread *t = sparse_get(&m->threads, id);
    return t && t->defined ? t : &m->no_thread;
}

struct process *model_root(const struct model *m)
{
    for (uint32_t i = 0; i < m->processes.limit; i++) {
        struct process *p = model_process_at(m, i);
        if (p)
            return p;
    }
    return 0;
}

static int copy_arguments(struct model *m, struct process *p, const struct record *record)
{
    uint32_t count = record->process.argument_count;
    if (!count)
        return 0;
    p->arguments = calloc(count, sizeof *p->arguments);
    if (!p->arguments)
        return -ERR_NOMEM;
    for (; p->argument_count < count; p->argument_count++) {
        struct text text = record->process.arguments[p->argument_count];
        if (!(p->arguments[p->argument_count] = symbols_name(&m->symbols, text)))
            return -ERR_NOMEM;
    }
    return 0;
}

int model_define_process(struct model *m, const struct record *record, uint64_t time_ns)
{
    uint32_t id = record->process.id;
    if (id == ID_NONE || model_process_at(m, id))
        return 0;
    struct process *p = sparse_put(&m->processes, id);
    if (!p)
        return -ERR_NOMEM;
    *p = (struct process){.id = id,
                          .pid = record->process.pid,
                          .how = record->process.how,
                          .defined = true,
                          .flags = record->process.flags,
                          .status = -1,
                          .started_ns = time_ns};
    ranges_init(&p->ranges);
    p->parent = record->process.parent < id ? record->process.parent : ID_NONE;
    p->walked = record->process.flags & PROCESS_STACKS;
    p->python = symbols_name(&m->symbols, record->process.python);
    p->executable = symbols_name(&m->symbols, record->process.executable);
    if (!p->python || !p->executable)
        return -ERR_NOMEM;
    return copy_arguments(m, p, record);
}

int model_define_thread(struct model *m, const struct record *record)
{
    uint32_t id = record->thread.id;
    if (id == ID_NONE || model_thread(m, id) != &m->no_thread)
        return 0;
    struct thread *t = sparse_put(&m->threads, id);
    const struct name *name = symbols_name(&m->symbols, record->thread.name);
    if (!t || !name)
        return -ERR_NOMEM;
    *t = (struct thread){.id = id,
                         .tid = record->thread.tid,
                         .origin_stack = record->thread.origin_stack,
                         .defined = true,
                         .process = model_process(m, record->thread.process),
                         .name = name};
    t->named = t->tid == t->process->pid && t->process->how != PROCESS_FORK;
    return 0;
}

static bool is_name(const struct name *known, const char *name, size_t length)
{
    return known->length == length && !memcmp(known->bytes, name, length);
}

bool model_thread_named(const struct thread *t, const char *name, size_t length)
{
    for (unsigned i = 0; i < t->former_count; i++)
        if (is_name(t->former[i], name, length))
            return true;
    return is_name(t->name, name, length);
}

int model_add_former(struct thread *t, const struct name *name)
{
    if (!t->former && !(t->former = calloc(FORMER_NAMES, sizeof *t->former)))
        return -ERR_NOMEM;
    for (unsigned i = 0; i < t->former_count; i++)
        if (is_name(t->former[i], name->bytes, name->length))
            return 0;
    if (t->former_count == FORMER_NAMES)
        memmove(t->former, t->former + 1, --t->former_count * sizeof *t->former);
    t->former[t->former_count++] = name;
    return 0;
}

static int note_mark(struct model *m, struct text text, uint64_t time_ns)
{
    if (m->mark_count == m->mark_capacity && !GROW(m->marks, m->mark_capacity, 16))
        return -ERR_NOMEM;
    const struct name *name = symbols_name(&m->symbols, text);
    if (!name)
        return -ERR_NOMEM;
    m->marks[m->mark_count++] = (struct mark){name, time_ns};
    return 0;
}

static struct loss *loss_of(struct model *m, uint32_t process, uint8_t reason)
{
    for (size_t i = m->loss_count; i-- > 0 && i + 64 > m->loss_count;)
        if (m->losses[i].process == process && m->losses[i].reason == reason)
            return &m->losses[i];
    if (m->loss_count == m->loss_capacity && !GROW(m->losses, m->loss_capacity, 16))
        return 0;
    m->losses[m->loss_count] = (struct loss){process, reason, 0};
    return &m->losses[m->loss_count++];
}

static int note_loss(struct model *m, const struct record *record)
{
    uint8_t reason = record->lost.reason < REASON_COUNT ? record->lost.reason : REASON_NONE;
    struct loss *loss = loss_of(m, record->lost.process, reason);
    if (!loss)
        return -ERR_NOMEM;
    loss->count += record->lost.count;
    m->lost_by_reason[reason] += record->lost.count;
    return 0;
}

static int note_python(struct model *m, const struct record *record)
{
    struct process *p = model_process_at(m, record->python.process);
    if (!p)
        return 0;
    p->walked = record->python.walked;
    if (record->python.version.length)
        p->python = symbols_name(&m->symbols, record->python.version);
    return p->python ? 0 : -ERR_NOMEM;
}

static int note_name(struct model *m, const struct record *record)
{
    struct thread *t = model_thread(m, record->name.thread);
    if (!t->defined)
        return 0;
    const struct name *name = symbols_name(&m->symbols, record->name.name);
    if (!name)
        return -ERR_NOMEM;
    int rc = t->named && name != t->name ? model_add_former(t, t->name) : 0;
    t->named = true;
    t->name = name;
    return rc;
}

int model_add_module(struct model *m, const struct module *module)
{
    if (m->module_count == m->module_capacity && !GROW(m->modules, m->module_capacity, 64))
        return -ERR_NOMEM;
    m->modules[m->module_count++] = *module;
    return 0;
}

static int note_module(struct model *m, const struct record *record)
{
    struct module module = {record->module.process, record->module.function, record->module.address,
                            record->module.length, record->module.file_offset};
    return model_add_module(m, &module);
}

int model_note(struct model *m, const struct record *record, uint64_t time_ns)
{
    switch (record->type) {
    case RECORD_MARK: return note_mark(m, record->mark.name, time_ns);
    case RECORD_LOST: return note_loss(m, record);
    case RECORD_PYTHON: return note_python(m, record);
    case RECORD_NAME: return note_name(m, record);
    case RECORD_MODULE: return note_module(m, record);
    case RECORD_EXIT:
        m->has_exit = true;
        m->exit_status = record->exit.status;
        m->exit_oom = record->exit.oom;
        return 0;
    case RECORD_STOP:
        m->stop_reason = record->stop.reason;
        m->stop_ns = time_ns;
        return 0;
    default: return 0;
    }
}

uint64_t model_lost_events(const struct model *m)
{
    const uint64_t *lost = m->lost_by_reason;
    return lost[REASON_RING_FULL] + lost[REASON_REENTERED] + lost[REASON_NO_RING] +
           lost[REASON_CORRUPT_RING] + lost[REASON_QUEUE_FULL];
}
