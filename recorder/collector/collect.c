/* The collector's loop (collect.h): drain, sample, sleep; until the program and every recorded
 * process have ended, or the launcher is gone. */
#define _GNU_SOURCE
#include "recorder/collector/collect.h"
#include "recorder/collector/cgroup.h"
#include "recorder/collector/control.h"
#include "recorder/collector/guard.h"
#include "recorder/collector/merge.h"
#include "recorder/collector/sample.h"
#include "recorder/failpoint.h"

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS_BUDGET_BYTES (size_t)(32u << 20)
/* A program at work is looked at every SLEEP_BUSY_NS: it wakes us itself before a ring is full, and
 * each look costs it two switches where there is one core. */
#define SLEEP_MIN_NS  1000000
#define SLEEP_BUSY_NS 4000000
#define SLEEP_MAX_NS  10000000
/* A drain that found this much is followed by another at once. */
#define BUSY_BYTES (RING_BYTES / 4)
/* So few allocations under the same outermost frame, and a failure is the cause of the end. */
#define OOM_ALLOCS        20000
#define EXIT_GRACE_ROUNDS 3
/* Pools and trackers end this soon after the program. */
#define OTHERS_GRACE_NS UINT64_C(250000000)
/* The launcher tells who held the memory meanwhile; what was stopped is not held up for longer. */
#define TELLING_MS 60000

struct collector {
    const struct collect *config;
    struct shared shared;
    struct output output;
    struct serve *serve;
    struct pending pending;
    struct processes processes;
    struct merge *merge;
    struct guard guard;
    uint64_t sampled_ns, ended_ns;
    long sleep_ns;
    bool ended;         /* the program has */
    bool launcher_gone; /* its end of the pair is closed, or it was told that we go on alone */
    bool told;          /* the launcher knows how it ended */
    bool told_memory;   /* the launcher has told who held the memory */
    uint32_t status;
    uint64_t kills;              /* by the kernel, until the program ended */
    struct cgroup_kills counter; /* of these: of our group until the root's is known */
    uint32_t followed;           /* serial of the root's image whose group that is */
};

static void say(const struct collector *c, const struct control *message)
{
    if (!c->launcher_gone)
        send(c->config->control, message, sizeof *message, MSG_NOSIGNAL);
}

static void say_failed(const struct collect *config, const struct err *err)
{
    struct control message = {.kind = CONTROL_FAILED};
    memcpy(message.text, err->text, sizeof message.text);
    send(config->control, &message, sizeof message, MSG_NOSIGNAL);
}

/* Takes one message of the launcher. Returns false when there is none. */
static bool hear(struct collector *c, int timeout_ms)
{
    struct control message;
    struct pollfd watch = {.fd = c->config->control, .events = POLLIN};
    if (c->launcher_gone || poll(&watch, 1, timeout_ms) <= 0)
        return false;
    ssize_t got = recv(c->config->control, &message, sizeof message, 0);
    if (got != (ssize_t)sizeof message) {
        c->launcher_gone = true;
        return false;
    }
    if (message.kind == CONTROL_STARTED) {
        c->processes.root_pid = message.pid;
        serve_set_root(c->serve, message.pid);
    } else if (message.kind == CONTROL_ENDED) {
        c->ended = true;
        c->ended_ns = c->output.now_ns;
        c->status = message.status;
        c->kills = cgroup_kills_since(&c->counter);
    } else if (message.kind == CONTROL_GO) {
        c->told_memory = true;
    }
    return true;
}

/* The root may have been put into another control group than ours before it became what is
 * recorded.
 */
static void follow_root(struct collector *c, const struct recorded *p)
{
    struct cgroup_kills counter;
    if (!p->root || p->serial == c->followed)
        return;
    c->followed = p->serial;
    cgroup_kills_open(&counter, p->pid);
    if (counter.fd < 0)
        return;
    cgroup_kills_close(&c->counter);
    c->counter = counter;
    guard_follow(&c->guard, p->pid);
}

/* The outcome of the check on the first frames of each process. */
static void look_at_pythons(struct collector *c)
{
    for (struct recorded *p = c->processes.first; p; p = p->next) {
        follow_root(c, p);
        if (p->python_told)
            continue;
        uint32_t python = atomic_load(&c->shared.control->slots[p->slot_index].python);
        if (python == SLOT_PYTHON_WAITING || python == SLOT_PYTHON_NONE)
            continue;
        p->python_told = true;
        struct record record = {.type = RECORD_PYTHON,
                                .python = {.process = p->id, .walked = python == SLOT_PYTHON_OK}};
        output_record(&c->output, &record, NULL);
        if (python != SLOT_PYTHON_FAILED)
            continue;
        c->processes.not_recorded++;
        struct control message = {.kind = CONTROL_REFUSED,
                                  .text = "its frames do not look as its version's should"};
        if (p->root)
            say(c, &message);
    }
}

static void sleep_until_kicked(struct collector *c)
{
    struct shm_header *header = &c->shared.control->header;
    struct timespec limit = {.tv_nsec = c->sleep_ns};
    uint32_t kick = atomic_load(&header->kick);
    atomic_store(&header->sleeping, 1);
    syscall(SYS_futex, &header->kick, FUTEX_WAIT, kick, &limit, NULL, 0);
    atomic_store(&header->sleeping, 0);
}

static void sample_if_due(struct collector *c)
{
    if (c->output.now_ns - c->sampled_ns < SAMPLE_TICK_NS)
        return;
    c->sampled_ns = c->output.now_ns;
    sample_tick(&c->processes);
}

/* Sets the marks that were asked for before the last drain, which has brought in whatever the
 * programs had done until then. */
static void set_marks(struct collector *c, const struct pending_mark *marks, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct text name = {marks[i].name, (uint32_t)strlen(marks[i].name)};
        struct record record = {.type = RECORD_MARK, .mark.name = name};
        struct rendezvous_reply reply = {.magic = RENDEZVOUS_MAGIC,
                                         .answer = ANSWER_INERT,
                                         .root_pid = c->processes.root_pid,
                                         .time_ns = c->output.now_ns};
        if (output_record(&c->output, &record, NULL))
            reply.answer = ANSWER_MARKED;
        send(marks[i].peer, &reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(marks[i].peer);
    }
}

/* One round: drain, look around, sleep if there was little to do. Returns the bytes drained. */
static uint64_t round_once(struct collector *c)
{
    struct pending_mark marks[PENDING_LIMIT];
    unsigned asked = pending_take(&c->pending, marks);
    atomic_fetch_add(&c->shared.control->header.heartbeat, 1);
    FAILPOINT_HERE(before_drain);
    uint64_t bytes = merge_drain(c->merge);
    FAILPOINT_HERE(after_drain);
    set_marks(c, marks, asked);
    look_at_pythons(c);
    sample_if_due(c);
    if (c->output.stopped)
        atomic_store(&c->shared.control->header.recording, 0);
    if (bytes >= BUSY_BYTES) {
        c->sleep_ns = SLEEP_MIN_NS;
        return bytes;
    }
    c->sleep_ns = bytes                            ? SLEEP_BUSY_NS
                  : c->sleep_ns * 2 < SLEEP_MAX_NS ? c->sleep_ns * 2
                                                   : SLEEP_MAX_NS;
    return bytes;
}

static enum oom_cause oom_cause(const struct collector *c)
{
    int status = (int)c->status;
    bool failed = WIFEXITED(status) ? WEXITSTATUS(status) == 1 : WTERMSIG(status) == SIGABRT;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && c->kills)
        return OOM_KERNEL;
    if (c->guard.stepped_in && status != 0)
        return OOM_GUARD;
    bool near = c->processes.root_failed && c->processes.root_since_failure < OOM_ALLOCS;
    return failed && near ? OOM_PROGRAM : OOM_NO;
}

/* A loss that is no single process's. */
static void tell_lost(struct collector *c, enum reason reason, uint64_t count)
{
    struct record lost = {.type = RECORD_LOST, .lost = {ID_NONE, (uint8_t)reason, count}};
    if (count)
        output_record(&c->output, &lost, NULL);
}

static void write_exit(struct collector *c)
{
    struct record record = {.type = RECORD_EXIT, .exit = {c->status, (uint8_t)oom_cause(c)}};
    tell_lost(c, REASON_NOT_RECORDED, c->processes.not_recorded);
    tell_lost(c, REASON_NO_PLACE, c->processes.unnamed + atomic_load(&c->shared.turned_away));
    output_record(&c->output, &record, NULL);
}

static void tell_launcher(struct collector *c, uint64_t events)
{
    struct control message = {.kind = CONTROL_DONE};
    message.living = c->processes.living;
    message.oom = oom_cause(c);
    message.stopped = c->output.stopped;
    message.not_recorded = c->processes.not_recorded;
    message.no_place = c->processes.no_place + atomic_load(&c->shared.turned_away);
    message.cut_short = c->processes.stopped;
    message.met = c->processes.met + c->processes.living;
    if (c->config->header.flags & TRACE_NATIVE_MISSED)
        message.no_native = c->processes.no_python;
    message.lost_events = c->processes.lost_events;
    message.lost_stacks = c->processes.lost_stacks;
    message.events = events;
    say(c, &message);
    c->launcher_gone = true;
}

/* The program has ended; its own record closes within a few drains. Is it time to tell the launcher
 * that others live on? */
static bool only_others_live(const struct collector *c)
{
    for (const struct recorded *p = c->processes.first; p; p = p->next)
        if (p->root)
            return false;
    return c->processes.living > 0;
}

/* The launcher was killed. What was written since the last drain and before that is not lost. */
static void stop_early(struct collector *c)
{
    atomic_store(&c->shared.control->header.recording, 0);
    round_once(c);
    output_stop(&c->output, REASON_KILLED);
}

static void say_stopping(struct collector *c)
{
    struct control message = {.kind = CONTROL_STOPPING};
    for (const struct recorded *p = c->processes.first; p; p = p->next)
        if (!p->dying && message.living < CONTROL_PIDS)
            message.pids[message.living++] = p->pid;
    say(c, &message);
}

/* Memory is nearly used up. Everything is stopped and in the file; the launcher tells who held it,
 * then all that is recorded ends. Where the launcher is gone nothing is recorded, and nothing
 * ended. */
static void step_in(struct collector *c)
{
    struct control message = {.kind = CONTROL_GUARD};
    say_stopping(c);
    guard_signal(&c->processes, SIGSTOP);
    guard_await_stop(&c->processes);
    round_once(c);
    sample_tick(&c->processes);
    output_flush(&c->output);
    guard_sentence(&c->guard, message.text, sizeof message.text);
    message.events = encoder_events(c->output.encoder);
    say(c, &message);
    for (int ms = 0; ms < TELLING_MS && !c->told_memory && !c->launcher_gone; ms += 100)
        hear(c, 100);
    guard_signal(&c->processes, c->launcher_gone ? SIGCONT : SIGKILL);
}

static void look_at_memory(struct collector *c)
{
    if (guard_look(&c->guard, &c->processes))
        step_in(c);
    else if (c->guard.stepped_in)
        guard_signal(&c->processes, SIGKILL); /* who came meanwhile */
}

static void collect_loop(struct collector *c)
{
    unsigned quiet = 0;
    c->sleep_ns = SLEEP_MIN_NS;
    for (;;) {
        uint64_t bytes = round_once(c);
        while (hear(c, 0))
            ;
        if (c->launcher_gone && !c->told)
            return stop_early(c);
        if (!c->told && !c->output.stopped)
            look_at_memory(c);
        if (c->ended && !bytes && !c->processes.living && ++quiet >= EXIT_GRACE_ROUNDS)
            return;
        bool grace_over = c->output.now_ns - c->ended_ns >= OTHERS_GRACE_NS;
        if (c->ended && !c->told && grace_over && only_others_live(c)) {
            write_exit(c);
            output_flush(&c->output);
            c->told = true;
            tell_launcher(c, encoder_events(c->output.encoder));
        }
        if (bytes < BUSY_BYTES && (!c->ended || c->processes.living))
            sleep_until_kicked(c);
    }
}

static int start(struct collector *c, struct err *err)
{
    const struct collect *config = c->config;
    int status = shared_make(&c->shared, config->flags, err);
    if (status)
        return status;
    shared_guard(&c->shared);
    c->shared.control->header.collector_pid = (uint32_t)getpid();
    status = output_start(&c->output, config->trace, &config->header, &config->limits, err);
    if (!status)
        status =
            serve_start(&c->serve, &c->shared, config->listener, config->control, &c->pending, err);
    if (status)
        return status;
    c->merge = FAILPOINT(merge_memory, malloc(sizeof *c->merge), NULL);
    if (!c->merge)
        return err_set(err, ERR_NOMEM, "no memory for the collector");
    cgroup_kills_open(&c->counter, (uint32_t)getpid()); /* before what holds many descriptors */
    guard_open(&c->guard, config->oom_reserve_bytes);
    processes_init(&c->processes, &c->shared, &c->output, c->serve, ADDRESS_BUDGET_BYTES);
    struct headroom_left left;
    if (headroom_read(&c->guard.headroom, &left))
        c->processes.allowance.max_bytes = processes_definitions_bytes(left.whole_bytes);
    merge_init(c->merge, &c->shared, &c->processes, &c->output);
    return 0;
}

static void finish(struct collector *c)
{
    FAILPOINT_HERE(at_end);
    atomic_store(&c->shared.control->header.recording, 0);
    serve_stop(c->serve);
    pending_release(&c->pending);
    if (!c->told && !c->launcher_gone)
        write_exit(c);
    uint64_t events = output_finish(&c->output);
    if (!c->told)
        tell_launcher(c, events);
    guard_close(&c->guard);
    cgroup_kills_close(&c->counter);
    merge_release(c->merge);
    free(c->merge);
    processes_release(&c->processes);
    shared_release(&c->shared);
}

int collect_run(const struct collect *config)
{
    static struct collector c; /* large */
    struct err err;
    struct control ready = {.kind = CONTROL_READY};
    FAILPOINT_HERE(collector_begins);
    c.config = config;
    pending_init(&c.pending);
    if (start(&c, &err) != 0) {
        say_failed(config, &err);
        return 1;
    }
    say(&c, &ready);
    while (!c.processes.root_pid && !c.launcher_gone)
        hear(&c, -1);
    say(&c, &ready); /* the program may run: its pid is known here */
    collect_loop(&c);
    finish(&c);
    return 0;
}
