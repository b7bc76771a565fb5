/* Choosing the moment while events go by: gates and candidates (moment.h). Why a gate: outside
 * a window, or for another kind of moment, no sum may become a candidate. */
#include "replay/replay.h"

#include <string.h>

static bool inside(const struct moment_choice *choice, uint64_t time_ns)
{
    return time_ns >= choice->from_ns && time_ns <= choice->to_ns;
}

/* From when on may a higher sum be a candidate? */
static void set_gate(struct replay *r)
{
    bool open = r->options.moment.kind == MOMENT_PEAK && r->inside;
    r->high_bytes = open ? r->moment.bytes : UINT64_MAX;
}

void moment_start(struct replay *r)
{
    r->inside = inside(&r->options.moment, 0);
    r->moment.chosen = r->options.moment.kind == MOMENT_PEAK && r->inside;
    set_gate(r);
}

void moment_candidate(struct replay *r, uint64_t time_ns)
{
    r->moment = (struct moment){true, r->live_bytes, time_ns, r->serial, r->map_serial};
    r->sites.epoch++;
    set_gate(r);
}

/* The state that lasts until time_ns may be the first of the window, or the one asked for. */
void moment_advance(struct replay *r, uint64_t time_ns)
{
    const struct moment_choice *choice = &r->options.moment;
    replay_settle(r);
    if (choice->kind == MOMENT_TIME && !r->moment.chosen && time_ns > choice->time_ns) {
        moment_candidate(r, choice->time_ns);
        r->stopped = r->options.stop_at_moment;
    }
    if (choice->kind == MOMENT_PEAK && r->time_ns < choice->from_ns && time_ns >= choice->from_ns)
        moment_candidate(r, choice->from_ns);
    r->time_ns = time_ns;
    r->inside = inside(choice, time_ns);
    set_gate(r);
}

void moment_mark(struct replay *r, const struct name *name)
{
    const struct moment_choice *choice = &r->options.moment;
    if (choice->kind != MOMENT_MARK || r->moment.chosen)
        return;
    if (name->length != strlen(choice->mark) || memcmp(name->bytes, choice->mark, name->length))
        return;
    moment_candidate(r, r->time_ns);
    r->stopped = r->options.stop_at_moment;
}

void moment_process_end(struct replay *r, const struct process *p)
{
    const struct process *root = model_root(&r->model);
    bool ours = r->options.has_pid ? p->in_scope : root && p->pid == root->pid;
    if (r->options.moment.kind == MOMENT_END && ours)
        moment_candidate(r, r->time_ns);
}

void moment_finish(struct replay *r)
{
    const struct moment_choice *choice = &r->options.moment;
    replay_settle(r);
    bool reached = choice->kind == MOMENT_END ||
                   (choice->kind == MOMENT_TIME && choice->time_ns <= r->time_ns);
    if (reached && !r->moment.chosen)
        moment_candidate(r, choice->kind == MOMENT_TIME ? choice->time_ns : r->time_ns);
}
