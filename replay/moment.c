/* Choosing the moment while events go by: gates and candidates (moment.h). Why a gate: outside
 * a window, or for another kind of moment, no sum may become a candidate. */
#include "replay/replay.h"

#include <string.h>

static bool inside(const struct moment_choice *choice, uint64_t time_ns)
{
    return time_ns >= choice->from_ns && time_ns <= choice->to_ns;
}

/* From when on may a higher sum be a candidate? */
void moment_gate(struct replay *r)
{
    bool open = r->options.moment.kind == MOMENT_PEAK && r->inside;
    r->gate_bytes = open ? r->moment.bytes : UINT64_MAX;
    r->high_bytes = r->gate_bytes;
    if (r->history.resolution_ns && r->history.open.high_bytes < r->gate_bytes)
        r->high_bytes = r->history.open.high_bytes;
}

void replay_rise(struct replay *r)
{
    history_rise(r);
    if (r->live_bytes > r->gate_bytes)
        moment_candidate(r, r->time_ns);
    moment_gate(r);
}

void moment_start(struct replay *r)
{
    r->inside = inside(&r->options.moment, 0);
    r->moment.chosen = r->options.moment.kind == MOMENT_PEAK && r->inside;
    moment_gate(r);
}

void moment_candidate(struct replay *r, uint64_t time_ns)
{
    r->moment = (struct moment){true, r->live_bytes, time_ns, r->serial, r->map_serial};
    r->sites.moment_epoch = ++r->sites.epoch;
    history_moment(r, time_ns);
    moment_gate(r);
}

/* The state that lasts until time_ns may be the first of the window, or the one asked for. */
void moment_advance(struct replay *r, uint64_t time_ns)
{
    const struct moment_choice *choice = &r->options.moment;
    replay_settle(r);
    if (choice->kind == MOMENT_TIME && !r->moment.chosen && time_ns > choice->time_ns) {
        history_advance(r, choice->time_ns);
        moment_candidate(r, choice->time_ns);
        r->stopped = r->options.stop_at_moment;
    }
    if (choice->kind == MOMENT_PEAK && r->time_ns < choice->from_ns && time_ns >= choice->from_ns) {
        history_advance(r, choice->from_ns);
        moment_candidate(r, choice->from_ns);
    }
    history_advance(r, time_ns);
    r->time_ns = time_ns;
    r->inside = inside(choice, time_ns);
    moment_gate(r);
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
    if (!ours)
        return;
    if (r->options.moment.kind == MOMENT_END)
        moment_candidate(r, r->time_ns);
    history_stop(r, r->time_ns, HISTORY_END);
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
