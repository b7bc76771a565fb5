/* Births and deaths (processes.h). Facts about a process come from /proc; where /proc doesn't tell,
 * they stay empty. */
#define _GNU_SOURCE
#include "recorder/collector/processes.h"
#include "recorder/collector/descriptor.h"
#include "recorder/failpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMMAND_WORDS     256
#define PRUNE_NS          UINT64_C(1000000000)
#define VAIN_SEARCHES_MAX 64u        /* of which each reads all of /proc */
#define NOBODYS_CHILD     UINT32_MAX /* a serial that is nobody's */
#define ENDED_NS                                                                                   \
    UINT64_C(60000000000) /* the longest that a forked child may wait with its first event and     \
                             still know its stacks */

void processes_init(struct processes *all, struct shared *shared, struct output *output,
                    struct serve *serve, size_t pool_bytes)
{
    *all = (struct processes){.shared = shared, .output = output, .serve = serve};
    all->last = &all->first;
    all->allowance.max_bytes = DEFINITIONS_BYTES;
    address_pool_init(&all->pool, pool_bytes);
}

uint64_t processes_definitions_bytes(uint64_t whole_bytes)
{
    uint64_t share = whole_bytes / DEFINITIONS_SHARE;
    uint64_t most = share < DEFINITIONS_MOST_BYTES ? share : DEFINITIONS_MOST_BYTES;
    return most > DEFINITIONS_BYTES ? most : DEFINITIONS_BYTES;
}

static void free_list(struct recorded *p)
{
    while (p) {
        struct recorded *next = p->next;
        recorded_free(p);
        p = next;
    }
}

void processes_release(struct processes *all)
{
    free_list(all->first);
    free_list(all->past);
    address_pool_release(&all->pool);
}

struct recorded *processes_by_serial(const struct processes *all, uint32_t serial)
{
    for (struct recorded *p = all->first; p; p = p->next)
        if (p->serial == serial)
            return p;
    for (struct recorded *p = all->past; p; p = p->next)
        if (p->serial == serial)
            return p;
    return NULL;
}

struct recorded *processes_living(const struct processes *all, uint32_t pid)
{
    struct recorded *found = NULL;
    for (struct recorded *p = all->first; p; p = p->next)
        if (p->pid == pid)
            found = p;
    return found;
}

/* The recorded image that has, or had until its exec, that pid: the latest. */
static struct recorded *by_pid(const struct processes *all, uint32_t pid)
{
    struct recorded *found = processes_living(all, pid);
    for (struct recorded *p = all->past; p && !found; p = p->next)
        if (p->pid == pid && p->execed)
            found = p;
    return found;
}

/* The nearest recorded one above: as the image's own introduction tells, which was written while it
 * certainly lived, or as /proc tells now. */
static struct recorded *nearest_ancestor(const struct processes *all, uint32_t pid,
                                         const struct introduction *intro)
{
    for (unsigned step = 0; step < ANCESTOR_STEPS && pid > 1; step++) {
        pid = intro ? intro->ancestors[step] : proc_parent(pid);
        struct recorded *p = by_pid(all, pid);
        if (p)
            return p;
    }
    return NULL;
}

/* What the image runs: as it was introduced, or as /proc tells; where that no longer tells, a
 * forked child's is its parent's. */
static void learn_image(struct recorded *p, const struct recorded *parent)
{
    if (p->parent_serial && !p->dying)
        p->image = proc_image(p->pid);
    if (p->parent_serial && parent)
        proc_image_inherit(&p->image, &parent->image);
}

static uint32_t split_command(const char *command, size_t length, struct text *words)
{
    uint32_t count = 0;
    for (size_t at = 0; at < length && count < COMMAND_WORDS;) {
        size_t word = strnlen(command + at, length - at);
        words[count++] = (struct text){command + at, (uint32_t)word};
        at += word + 1;
    }
    return count;
}

static struct text text_of(const char *string)
{
    return (struct text){string, string ? (uint32_t)strlen(string) : 0};
}

/* How it came to be, and whose child it is in the trace (NULL: nobody's). */
static enum process_how origin_of(const struct processes *all, const struct recorded *p,
                                  const struct introduction *intro, const struct recorded **parent)
{
    *parent = NULL;
    if (p->parent_serial) {
        *parent = processes_by_serial(all, p->parent_serial);
        return PROCESS_FORK;
    }
    struct recorded *before = by_pid(all, p->pid);
    if (before) {
        *parent = before;
        return PROCESS_EXEC;
    }
    if (p->pid == all->root_pid)
        return PROCESS_ROOT;
    *parent = nearest_ancestor(all, p->pid, intro);
    return PROCESS_NEW;
}

static void tell_birth(struct processes *all, struct recorded *p, enum process_how how,
                       const struct recorded *parent, const struct introduction *intro)
{
    static struct text words[COMMAND_WORDS];
    uint32_t flags = intro ? intro->flags : all->shared->control->header.flags;
    struct record record = {.type = RECORD_PROCESS};
    record.process.pid = p->pid;
    record.process.parent = parent ? parent->id : ID_NONE;
    record.process.how = (uint8_t)how;
    record.process.flags = (uint8_t)((flags & SHM_OBJECTS ? PROCESS_OBJECTS | PROCESS_ARENAS : 0) |
                                     (flags & SHM_STACKS ? PROCESS_STACKS : 0));
    if (intro && (intro->verdict == PYTHON_KNOWN))
        record.process.python = (struct text){intro->text, (uint32_t)strlen(intro->text)};
    learn_image(p, parent);
    record.process.executable = text_of(p->image.executable);
    record.process.argument_count = split_command(p->image.command, p->image.command_bytes, words);
    record.process.arguments = words;
    output_record(all->output, &record, &p->id);
}

enum shows { SHOWS_NOT, SHOWS, SHOWS_UNKNOWN };

/* Does /proc/PID/maps show the shared file? Not to be told where it may not be read. Read in pieces
 * that overlap by the mark's length. */
static enum shows maps_shared(const struct processes *all, uint32_t pid)
{
    static char text[1 << 16];
    const char *mark = all->shared->mark;
    size_t kept = 0, keep = strlen(mark);
    int fd = FAILPOINT(others_maps, proc_open(pid, "maps"), -1);
    ssize_t got = 0;
    if (fd < 0)
        return errno == ENOENT || errno == ESRCH ? SHOWS_NOT : SHOWS_UNKNOWN;
    bool found = false;
    while (!found && (got = read(fd, text + kept, sizeof text - 1 - kept)) > 0) {
        size_t length = kept + (size_t)got;
        text[length] = 0;
        found = strstr(text, mark) != NULL;
        kept = length < keep ? length : keep;
        memmove(text, text + length - kept, kept);
    }
    enum shows answer = found ? SHOWS : got < 0 && errno != ESRCH ? SHOWS_UNKNOWN : SHOWS_NOT;
    close(fd);
    return answer;
}

/* A forked child in another pid namespace calls itself by a number that is somebody else's here:
 * its own is looked for. Returns it, 0: it came and went. */
static uint32_t find_namesake(struct processes *all, uint32_t own)
{
    DIR *folder = all->vain_searches < VAIN_SEARCHES_MAX ? opendir("/proc") : NULL;
    struct dirent *entry;
    uint32_t found = 0;
    while (folder && !found && (entry = readdir(folder)) != NULL) {
        uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);
        if (pid && !processes_living(all, pid) && proc_calls_itself(pid, own) &&
            maps_shared(all, pid) == SHOWS)
            found = pid;
    }
    if (folder)
        closedir(folder);
    all->vain_searches = found ? 0 : all->vain_searches + 1;
    return found;
}

/* Could the process be one of the program's, as far as anybody can tell whose maps may not be read?
 */
static bool may_be_ours(uint32_t pid)
{
    uint64_t started = proc_started(pid);
    return started && started >= proc_started((uint32_t)getpid());
}

/* What the kernel calls a forked child, 0: nobody. Its maps show the shared file, unless it is a
 * zombie already. What it calls itself is only what the slot says: it may be anybody's. */
static uint32_t kernel_pid(struct processes *all, uint32_t own)
{
    enum shows shows = SHOWS_NOT;
    if (!own || own > INT32_MAX)
        return 0;
    if (proc_state(own) == 'Z')
        return own;
    if (own != (uint32_t)getpid())
        shows = maps_shared(all, own);
    if (shows == SHOWS || (shows == SHOWS_UNKNOWN && may_be_ours(own)))
        return own;
    return find_namesake(all, own);
}

static void follow(struct recorded *p)
{
    if (p->dying)
        return;
    p->pagemap = descriptor_hold(proc_open(p->pid, "pagemap"));
    p->pidfd = descriptor_hold(FAILPOINT(pidfd, (int)syscall(SYS_pidfd_open, p->pid, 0), -1));
    if (p->pidfd < 0 && errno == ESRCH)
        p->dying = true; /* it came and went */
}

/* Has the process ended? By its pidfd, or where there is none (no descriptor, an old kernel) by its
 * state. */
static bool has_ended(const struct recorded *p)
{
    struct pollfd end = {.fd = p->pidfd, .events = POLLIN};
    if (p->pidfd >= 0)
        return poll(&end, 1, 0) > 0;
    char state = proc_state(p->pid);
    return state == 'Z' || state == 'X' ||
           (!state && kill((pid_t)p->pid, 0) != 0 && errno == ESRCH);
}

/* No memory for it: it is to stop at once, and is counted. Its slot is lost for this recording. */
static bool turn_away(struct processes *all, struct process_slot *slot)
{
    atomic_store(&slot->stop, 1);
    atomic_store(&slot->state, SLOT_CLAIMED);
    all->no_place++;
    all->unnamed++;
    return false;
}

/* Who a forked child is, as its slot says; each word is read once. */
static void identify_child(struct processes *all, struct recorded *p, struct process_slot *slot)
{
    uint32_t own = __atomic_load_n(&slot->pid, __ATOMIC_RELAXED), pid = kernel_pid(all, own);
    uint32_t parent = __atomic_load_n(&slot->parent_serial, __ATOMIC_RELAXED);
    p->serial = __atomic_load_n(&slot->serial, __ATOMIC_RELAXED);
    p->parent_serial = parent ? parent : NOBODYS_CHILD;
    p->waits_for_parent = true;
    p->dying = !pid; /* it came and went */
    p->pid = pid ? pid : own;
}

/* Who is in the slot. Returns whether it is a new image, which *intro then introduces. */
static bool identify(struct processes *all, struct recorded *p, struct process_slot *slot,
                     struct introduction *intro)
{
    bool image = serve_take(all->serve, p->slot_index, intro, &p->image);
    if (image) {
        p->serial = intro->serial;
        p->pid = intro->pid;
        all->not_recorded += intro->verdict == PYTHON_UNKNOWN || intro->verdict == PYTHON_MISMATCH;
        all->no_python += intro->verdict == PYTHON_NONE;
    } else {
        identify_child(all, p, slot);
    }
    p->root = p->pid == all->root_pid;
    return image;
}

/* Returns false when out of memory. */
static bool add(struct processes *all, uint32_t index, struct process_slot *slot)
{
    struct recorded *p = recorded_new(&all->pool);
    const struct recorded *parent;
    struct introduction said;
    if (!p)
        return turn_away(all, slot);
    p->allowance = &all->allowance;
    p->slot_index = index;
    const struct introduction *intro = identify(all, p, slot, &said) ? &said : NULL;
    uint32_t flags = all->shared->control->header.flags;
    p->chained =
        flags & SHM_NATIVE || (flags & SHM_NATIVE_OTHERS && intro && intro->verdict == PYTHON_NONE);
    enum process_how how = origin_of(all, p, intro, &parent);
    if (how == PROCESS_EXEC && !parent->ended)
        ((struct recorded *)parent)->dying = true;
    tell_birth(all, p, how, parent, intro);
    follow(p);
    *all->last = p;
    all->last = &p->next;
    all->by_slot[index] = p;
    all->living++;
    all->changes++;
    return true;
}

static void free_slot(struct process_slot *slot)
{
    memset((char *)slot + sizeof slot->state, 0, sizeof *slot - sizeof slot->state);
    atomic_store(&slot->state, SLOT_FREE);
}

/* The new slot that was taken first, so that a parent is known before its children; SLOT_LIMIT:
 * none. Slots whose late children had their time are set free on the way. */
static uint32_t next_slot(const struct processes *all)
{
    struct process_slot *slots = all->shared->control->slots;
    uint32_t high = atomic_load(&all->shared->control->header.slot_high), best = SLOT_LIMIT;
    for (uint32_t i = 0; i < high && i < SLOT_LIMIT; i++) {
        uint32_t state = atomic_load_explicit(&slots[i].state, memory_order_acquire);
        bool fresh = state == SLOT_LIVE && !all->by_slot[i];
        if (fresh && (best == SLOT_LIMIT || slots[i].serial < slots[best].serial))
            best = i;
        else if (state == SLOT_ENDED && all->output->now_ns - all->ended_ns[i] > ENDED_NS)
            free_slot(&slots[i]);
    }
    return best;
}

void processes_inherit(struct recorded *child, const struct recorded *parent)
{
    if (!recorded_inherit(child, parent))
        child->corrupt = true;
    child->waits_for_parent = false;
}

void processes_discover(struct processes *all)
{
    uint32_t index;
    for (uint32_t i = 0; i < SLOT_LIMIT && (index = next_slot(all)) != SLOT_LIMIT; i++)
        add(all, index, &all->shared->control->slots[index]);
}

/* Forgets who ended so long ago that no late child can name it. */
static void prune(struct processes *all)
{
    struct recorded **at = &all->past;
    if (all->output->now_ns - all->pruned_ns < PRUNE_NS)
        return;
    all->pruned_ns = all->output->now_ns;
    while (*at && all->output->now_ns - (*at)->ended_ns <= ENDED_NS)
        at = &(*at)->next;
    free_list(*at);
    *at = NULL;
}

void processes_check(struct processes *all)
{
    prune(all);
    for (struct recorded *p = all->first; p; p = p->next) {
        if (p->dying || p->draining)
            continue;
        if (has_ended(p) || (p->exec_pending && maps_shared(all, p->pid) == SHOWS_NOT))
            p->dying = true;
    }
}

static void tell_loss(struct processes *all, const struct recorded *p, enum reason reason,
                      uint64_t count)
{
    struct record record = {.type = RECORD_LOST};
    if (!count)
        return;
    record.lost.process = p->id;
    record.lost.reason = (uint8_t)reason;
    record.lost.count = count;
    output_record(all->output, &record, NULL);
}

static void tell_losses(struct processes *all, struct recorded *p)
{
    struct process_slot *slot = &all->shared->control->slots[p->slot_index];
    uint32_t gave_up = atomic_load(&slot->gave_up);
    uint64_t reentered = atomic_load(&slot->reentered), lost = atomic_load(&slot->lost_nodes),
             no_ring = atomic_load(&slot->no_ring);
    tell_loss(all, p, REASON_STACK_UNKNOWN, lost);
    tell_loss(all, p, REASON_DEEP_STACK, atomic_load(&slot->deep_stacks));
    tell_loss(all, p, REASON_NATIVE_CUT, atomic_load(&slot->native_cut));
    tell_loss(all, p, REASON_NATIVE_UNKNOWN, atomic_load(&slot->native_lost));
    tell_loss(all, p, REASON_REENTERED, reentered);
    tell_loss(all, p, REASON_NO_RING, no_ring);
    tell_loss(all, p, REASON_UNKNOWN_FREE, p->unknown_frees);
    tell_loss(all, p, REASON_LIVE_ADDRESS, p->live_addresses);
    if (gave_up == REASON_RING_FULL || gave_up == REASON_NO_RING || gave_up == REASON_CORRUPT_RING)
        tell_loss(all, p, (enum reason)gave_up, 1);
    if (!atomic_load(&slot->joined)) {
        tell_loss(all, p, REASON_NO_PLACE, 1);
        all->no_place++;
    }
    if (p->corrupt)
        tell_loss(all, p, REASON_CORRUPT_RING, 1);
    tell_loss(all, p, REASON_QUEUE_FULL, p->refused);
    all->met += atomic_load(&slot->joined) != 0;
    all->stopped += gave_up != 0 || p->corrupt;
    all->lost_events += reentered + no_ring;
    all->lost_stacks += lost;
}

static void move_to_past(struct processes *all, struct recorded *p)
{
    struct recorded **at = &all->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (!*at)
        all->last = at;
    p->next = all->past;
    all->past = p;
}

/* Forked children that wait for this process's definitions take them before they go. */
static void let_inherit(struct processes *all, struct recorded *p)
{
    processes_discover(all);
    for (struct recorded *child = all->first; child; child = child->next)
        if (child->waits_for_parent && child->parent_serial == p->serial)
            processes_inherit(child, p);
}

void processes_end(struct processes *all, struct recorded *p, enum process_end reason)
{
    struct record record = {.type = RECORD_PROCESS_END};
    struct process_slot *slot = &all->shared->control->slots[p->slot_index];
    tell_losses(all, p);
    record.process_end.process = p->id;
    record.process_end.reason = (uint8_t)reason;
    record.process_end.status = -1;
    output_record(all->output, &record, NULL);
    if (p->root) {
        all->root_failed = p->failed;
        all->root_since_failure = p->since_failure;
    }
    bool forks = atomic_load(&slot->forks_open) != 0;
    let_inherit(all, p);
    p->execed = reason == PROCESS_EXECED;
    p->ended_ns = all->output->now_ns;
    all->changes++;
    all->by_slot[p->slot_index] = NULL;
    all->ended_ns[p->slot_index] = all->output->now_ns;
    all->living--;
    atomic_store(&slot->state, SLOT_ENDED);
    if (!forks)
        free_slot(slot);
    recorded_end(p, forks);
    move_to_past(all, p);
}
