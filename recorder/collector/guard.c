/* The decisions and signals of the guard (guard.h). Why pidfds: a number may be somebody else by
 * now. */
#define _GNU_SOURCE
#include "recorder/collector/guard.h"
#include "recorder/collector/proc.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILL_BYTES_PER_NS 8u
#define PAUSE_MIN_NS      UINT64_C(1000000)
#define PAUSE_MAX_NS      UINT64_C(100000000)
#define STOP_STEPS        100 /* of a millisecond */

void guard_open(struct guard *g, uint64_t reserve_bytes)
{
    *g = (struct guard){.headroom.meminfo = -1, .asked_bytes = reserve_bytes};
    if (reserve_bytes != GUARD_OFF)
        headroom_open(&g->headroom, "/proc", "/sys/fs/cgroup", "/proc/self/cgroup");
}

void guard_follow(struct guard *g, uint32_t pid)
{
    char membership[32];
    if (g->asked_bytes == GUARD_OFF)
        return;
    snprintf(membership, sizeof membership, "/proc/%u/cgroup", pid);
    headroom_close(&g->headroom);
    headroom_open(&g->headroom, "/proc", "/sys/fs/cgroup", membership);
}

void guard_close(struct guard *g) { headroom_close(&g->headroom); }

uint64_t guard_reserve(uint64_t asked_bytes, uint64_t whole_bytes)
{
    uint64_t share = whole_bytes / GUARD_RESERVE_SHARE;
    if (asked_bytes != GUARD_DEFAULT)
        return asked_bytes;
    return share < GUARD_RESERVE_BYTES ? share : GUARD_RESERVE_BYTES;
}

uint64_t guard_pause(uint64_t left_bytes, uint64_t reserve_bytes)
{
    uint64_t margin = left_bytes > reserve_bytes ? left_bytes - reserve_bytes : 0;
    uint64_t ns = margin / FILL_BYTES_PER_NS;
    return ns < PAUSE_MIN_NS ? PAUSE_MIN_NS : ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : ns;
}

bool guard_must_act(const struct headroom_left *left, uint64_t reserve_bytes, uint64_t held_bytes,
                    uint64_t swapped_bytes)
{
    if (swapped_bytes > left->left_bytes)
        return true;
    return left->left_bytes < reserve_bytes &&
           held_bytes + swapped_bytes >= guard_reserve(GUARD_DEFAULT, left->whole_bytes);
}

static uint64_t swapped_of(uint32_t pid)
{
    char text[4096];
    size_t length = proc_read(pid, "status", text, sizeof text - 1);
    text[length] = 0;
    const char *line = strstr(text, "\nVmSwap:");
    return line ? strtoull(line + strlen("\nVmSwap:"), NULL, 10) << 10 : 0;
}

/* What the recorded processes hold; swap is only asked for where it can matter. */
static void sum_up(const struct guard *g, const struct processes *all, uint64_t *held_bytes,
                   uint64_t *swapped_bytes)
{
    *held_bytes = *swapped_bytes = 0;
    for (const struct recorded *p = all->first; p; p = p->next) {
        *held_bytes += p->rss_bytes;
        if (g->left.swap_used_bytes > g->left.left_bytes && !p->dying)
            *swapped_bytes += swapped_of(p->pid);
    }
}

bool guard_look(struct guard *g, const struct processes *all)
{
    uint64_t held, swapped, now = all->output->now_ns;
    if (g->asked_bytes == GUARD_OFF || g->stepped_in || now < g->due_ns || !all->first)
        return false;
    if (!headroom_read(&g->headroom, &g->left)) {
        g->asked_bytes = GUARD_OFF;
        return false;
    }
    uint64_t reserve = guard_reserve(g->asked_bytes, g->left.whole_bytes);
    g->due_ns = now + guard_pause(g->left.left_bytes, reserve);
    sum_up(g, all, &held, &swapped);
    if (!guard_must_act(&g->left, reserve, held, swapped))
        return false;
    g->swapped_bytes = swapped > g->left.left_bytes ? swapped : 0;
    g->stepped_in = true;
    return true;
}

static double in_mib(uint64_t bytes) { return (double)bytes / (1 << 20); }

void guard_sentence(const struct guard *g, char *out, size_t capacity)
{
    const struct headroom_left *left = &g->left;
    if (g->swapped_bytes)
        snprintf(out, capacity,
                 "memory is nearly used up: %.1f MiB of the program are swapped out, and %.1f MiB "
                 "of memory are left",
                 in_mib(g->swapped_bytes), in_mib(left->left_bytes));
    else
        snprintf(out, capacity, "memory is nearly used up: %.1f MiB are left of %s%.0f MiB",
                 in_mib(left->left_bytes),
                 left->of_group ? "the control group's " : "the machine's ",
                 in_mib(left->whole_bytes));
}

void guard_signal(const struct processes *all, int number)
{
    for (const struct recorded *p = all->first; p; p = p->next) {
        if (p->dying)
            continue;
        if (p->pidfd >= 0)
            syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0);
        else
            kill((pid_t)p->pid, number);
    }
}

static bool all_stand(const struct processes *all)
{
    for (const struct recorded *p = all->first; p; p = p->next) {
        char state = p->dying ? 'X' : proc_state(p->pid);
        if (state && !strchr("TtZX", state))
            return false;
    }
    return true;
}

void guard_await_stop(const struct processes *all)
{
    for (unsigned step = 0; step < STOP_STEPS && !all_stand(all); step++)
        poll(NULL, 0, 1);
}
