/* One recorded process as the collector sees it: what its numbers mean (nodes, codes, addresses)
 * and what of it is alive. Invariants: nodes and codes are what the process defined, translated to
 * trace-wide ids, plus what it inherited at fork; a number that was never defined is STACK_UNKNOWN.
 * Everything that the process says is checked before it gets here or here. Not here: words and
 * rings (transcode.h, merge.h), when it is born and dies (processes.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_RECORDED_H
#define RECORDER_COLLECTOR_RECORDED_H

#include "format/ranges.h"
#include "recorder/collector/addresses.h"
#include "recorder/collector/bigblocks.h"
#include "recorder/collector/chains.h"
#include "recorder/collector/hidden.h"
#include "recorder/collector/lines.h"
#include "recorder/collector/names.h"
#include "recorder/collector/nodes.h"
#include "recorder/collector/proc.h"

/* Memory that what processes say may take in the collector, all of them together. */
struct allowance {
    size_t used_bytes, max_bytes;
};

/* The lines of a code, shared by a process and the children that inherited it. */
struct shared_lines {
    unsigned users;
    int32_t first_line;
    uint32_t count;
    struct line_run runs[];
};

struct known_code {
    uint32_t function;          /* trace-wide */
    struct shared_lines *lines; /* NULL: not defined */
};

/* A module that the process has met. */
struct known_module {
    uint32_t function; /* trace-wide; 0: not defined */
    uint64_t start;
};

struct recorded {
    struct recorded *next;
    uint32_t id; /* in the trace */
    uint32_t serial, pid, slot_index, parent_serial;
    uint64_t round; /* of drains, in which it was last drained */
    bool draining;  /* its rings are being read: it cannot be ended from within */
    bool execed;    /* ended by an exec */
    bool cut;       /* it was there when the current cut was made */
    bool root, ended, corrupt, exec_pending;
    bool waits_for_parent; /* its parent's definitions must be drained before it inherits them */
    bool dying;            /* has ended, but its last words are not drained yet */
    bool python_told;      /* the outcome of the check on the first frames is in the trace */
    int pidfd, pagemap;    /* -1: none */
    struct proc_image image;
    struct allowance *allowance; /* NULL: there is no limit */
    size_t charged_bytes;        /* of it, for definitions; for mappings and big blocks: */
    size_t watched_bytes;
    uint64_t refused;   /* definitions that were beyond it; told at its end */
    bool unwatched;     /* too many mappings to follow: none is sampled any more */
    struct nodes nodes; /* by the process's own numbers, as codes and modules are */
    bool chained;       /* native frames are recorded: nodes stand in `chains` instead */
    struct chains chains;
    struct known_module *modules;
    uint32_t module_count;
    struct known_code *codes;
    uint32_t code_count, code_capacity;
    struct addresses addresses;
    uint64_t coded_by_address; /* of these, alive */
    struct ranges ranges;
    struct bigblocks big;
    struct hidden hidden;
    uint64_t ended_ns;
    uint64_t unknown_frees, live_addresses; /* counted, told at its end */
    uint64_t rss_bytes, rss_told_ns, sampled_ns;
    size_t sample_at;       /* where the round of samples under way goes on (sample.c) */
    bool failed;            /* an allocation has failed for lack of memory */
    uint32_t failed_under;  /* outermost code of the last such stack */
    uint64_t since_failure; /* allocations under that code since */
};

/* pool: borrowed. Returns NULL when out of memory. */
struct recorded *recorded_new(struct address_pool *pool);
/* Frees everything; blocks of others that share its tables are not touched. NULL is fine. */
void recorded_free(struct recorded *p);
/* Gives back what only a living process needs; keep_definitions: children that inherit them may
 * still come. */
void recorded_end(struct recorded *p, bool keep_definitions);

/* A forked child knows what its parent knew. Returns false when out of memory. */
bool recorded_inherit(struct recorded *child, const struct recorded *parent);

/* The process defined a code object; table: its lines, read now. Returns false: the number is
 * absurd, or out of memory. Beyond the allowance nothing is defined, and counted. */
bool recorded_define_code(struct recorded *p, uint32_t code, uint32_t function,
                          const struct line_table *table);
/* The process met a module. Returns false as above. */
bool recorded_define_module(struct recorded *p, uint32_t module, uint32_t function, uint64_t start);
/* The process defined a node. Returns false as above. */
bool recorded_define_node(struct recorded *p, struct names *names, uint32_t node, uint32_t parent,
                          uint32_t code, int32_t lasti);
/* May it take so much more? */
bool recorded_may_take(const struct recorded *p, size_t bytes);
/* Keeps the account of mappings and big blocks after a change; beyond the limits mappings are no
 * longer followed. */
void recorded_account(struct recorded *p);
/* Notes a big block, so that it is sampled, where there is room for one more. */
void recorded_add_big(struct recorded *p, const struct bigblock *block);
/* The code of its stack's outermost frame; 0: none. */
static inline uint32_t recorded_outermost(const struct recorded *p, uint32_t node)
{
    return p->chained ? chains_outermost(&p->chains, node) : nodes_outermost(&p->nodes, node);
}

/* The trace-wide id of a node, where it is to be had at once; 0: it isn't, or there is none. */
static inline uint32_t recorded_known_stack(const struct recorded *p, uint32_t node)
{
    return p->chained ? chains_known(&p->chains, node) : nodes_stack(&p->nodes, node);
}

/* The trace-wide id of a node. */
static inline uint32_t recorded_stack(struct recorded *p, struct names *names, uint32_t node)
{
    if (p->chained)
        return chains_stack(&p->chains, names, node);
    uint32_t stack = nodes_stack(&p->nodes, node);
    return stack || !node ? stack : STACK_UNKNOWN;
}

#endif
