/* Choosing the moment while events go by: gates and candidates (moment.h). Why a gate: outside
 * a window, or for another kind of moment, no sum may become a candidate. */
#include "replay/replay.h"

/* Is the highest sum so far what is looked for? */
static bool wants_highest(const struct replay *r)
{
    return r->options.moment.kind == MOMENT_PEAK && r->inside;
}

/* From when on may a higher sum be a candidate, or what a window waits for? */
void moment_gate(struct replay *r)
{
    uint64_t peak_bytes = r->options.moment.window.peak_bytes;
    r->gate_bytes = wants_highest(r) ? r->moment.bytes : UINT64_MAX;
    if (window_waits_for_peak(r) && peak_bytes && peak_bytes - 1 < r->gate_bytes)
        r->gate_bytes = peak_bytes - 1;
    r->high_bytes = r->gate_bytes;
    if (r->history.resolution_ns && r->history.open.high_bytes < r->gate_bytes)
        r->high_bytes = r->history.open.high_bytes;
}

/* The state is higher than any before, or as high as a window waits for. */
static void pass_gate(struct replay *r)
{
    if (wants_highest(r) && r->live_bytes > r->moment.bytes)
        moment_candidate(r, r->time_ns);
    if (window_waits_for_peak(r) && r->live_bytes >= r->options.moment.window.peak_bytes)
        window_peak(r);
}

bool replay_rise(struct replay *r)
{
    history_rise(r);
    if (r->live_bytes > r->gate_bytes)
        pass_gate(r);
    moment_gate(r);
    return r->stopped;
}

void moment_start(struct replay *r)
{
    window_start(r);
    if (window_waits_for_peak(r) && !r->options.moment.window.peak_bytes)
        window_peak(r);
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
    if (replay_settle(r))
        return;
    if (choice->kind == MOMENT_TIME && !r->moment.chosen && time_ns > choice->time_ns) {
        history_advance(r, choice->time_ns);
        moment_candidate(r, choice->time_ns);
        r->stopped = r->options.stop_at_moment;
    }
    window_advance(r, time_ns);
    history_advance(r, time_ns);
    r->time_ns = time_ns;
    moment_gate(r);
}

void moment_mark(struct replay *r, const struct name *name)
{
    const struct moment_choice *choice = &r->options.moment;
    window_mark(r, name);
    moment_gate(r);
    if (choice->kind != MOMENT_MARK || r->moment.chosen || !window_named(name, choice->mark))
        return;
    moment_candidate(r, r->time_ns);
    r->stopped = r->options.stop_at_moment;
}

void moment_window_opens(struct replay *r, uint64_t time_ns)
{
    if (r->options.moment.kind == MOMENT_PEAK)
        moment_candidate(r, time_ns);
}

void moment_window_closes(struct replay *r, uint64_t time_ns)
{
    if (r->options.moment.kind != MOMENT_CLOSE)
        return;
    moment_candidate(r, time_ns);
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
    window_finish(r);
}
