/* Reasons in words and as keys, one table (losses.h). Why words here and not in format/: they
 * are for readers of reports. */
#include "analyzer/losses.h"

#include "format/event.h"

struct reason_text {
    const char *key, *words;
};

static const struct reason_text texts[REASON_COUNT] = {
    [REASON_NONE] = {"unknown", "lost for a reason that this version does not know"},
    [REASON_RING_FULL] = {"ring_full", "events lost: the collector did not keep up"},
    [REASON_STACK_UNKNOWN] = {"stack_unknown", "allocations whose stack could not be kept"},
    [REASON_REENTERED] = {"reentered", "events lost inside our own hooks (signal handlers)"},
    [REASON_NO_RING] = {"no_ring", "events lost: more threads or processes than rings"},
    [REASON_FILE_LIMIT] = {"file_limit",
                           "the trace reached its size limit or the disk was nearly full"},
    [REASON_WRITE_ERROR] = {"write_error", "the trace could not be written any more"},
    [REASON_CORRUPT_RING] = {"corrupt_ring",
                             "events lost: a ring made no sense, or there was no memory for it"},
    [REASON_KILLED] = {"killed", "memrec was killed"},
    [REASON_UNKNOWN_FREE] = {"unknown_free",
                             "frees of older or inherited blocks, or of pymalloc's tables"},
    [REASON_LIVE_ADDRESS] = {"live_address",
                             "frees that were missed, seen when the address came back"},
    [REASON_DEEP_STACK] = {"deep_stack", "stacks cut at the depth limit, innermost frames dropped"},
    [REASON_NOT_RECORDED] = {"not_recorded", "Python processes that were not recorded"},
    [REASON_QUEUE_FULL] = {"queue_full", "events lost: no memory, or the disk was too slow"},
    [REASON_NO_PLACE] = {"no_place", "processes that could not join the recording"},
    [REASON_NATIVE_CUT] = {"native_cut", "stacks whose outer native frames could not be read"},
    [REASON_NATIVE_UNKNOWN] = {"native_unknown",
                               "allocations whose native frames could not be kept"},
};

const char *loss_words(unsigned reason) { return texts[reason < REASON_COUNT ? reason : 0].words; }

const char *loss_key(unsigned reason) { return texts[reason < REASON_COUNT ? reason : 0].key; }
