/* The offsets of modules that a trace's frames stand at: which there are, sorted and each once, and
 * what each stands for. Why apart: looking up, packing and renaming all go through the same list.
 * Invariants: sorted by module, then offset; the frames of an answer are indices of
 * symbols.frames. Not here: looking up (naming.h). Not thread-safe. */
#ifndef REPLAY_ASKED_H
#define REPLAY_ASKED_H

#include "replay/symbols.h"

struct asked_offset {
    uint64_t offset;
    uint32_t module;       /* index of modules */
    uint32_t first, count; /* its frames in `frames`, outermost first; none: no name */
    bool answered;
};

struct asked_module {
    uint32_t function;     /* id of the first equal FUNCTION of kind MODULE */
    uint32_t first, count; /* its offsets */
};

struct asked {
    struct asked_offset *items;
    struct asked_module *modules;
    uint32_t *of_frame; /* by frame as the trace had them: 1 + index of items; 0: no module's */
    uint32_t *frames;
    uint32_t count, module_count, frame_count, answer_frames, answer_capacity;
};

/* All frames of kind MODULE; wanted: by frame, only these; NULL: all. Returns 0 or -ERR_NOMEM;
 * release is needed in both cases. */
int asked_init(struct asked *a, const struct symbols *s, const uint8_t *wanted);
/* Frees everything. */
void asked_release(struct asked *a);

/* The item of a module and an offset, or NULL. */
struct asked_offset *asked_find(const struct asked *a, uint32_t module, uint64_t offset);
/* Appends one more frame, an index of symbols.frames, to the answer that is being made. Returns 0
 * or -ERR_NOMEM. */
int asked_add_frame(struct asked *a, struct asked_offset *item, uint32_t frame);

#endif
