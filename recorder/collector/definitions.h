/* What a process says of the code that its frames stand in: code objects and modules.
 *
 * One is announced by an event with the lengths of its texts and tables, which follow in DATA
 * events; when the last byte is there, it is defined. Nothing is believed: lengths are bounded, and
 * bytes that were not announced end the process's recording. Not here: nodes (recorded.h), the
 * other events (transcode.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_DEFINITIONS_H
#define RECORDER_COLLECTOR_DEFINITIONS_H

#include "recorder/collector/transcode.h"

/* The events CODE, MODULE and MODULE_GONE: w are their words. Each returns false when it makes no
 * sense. */
bool definitions_code(struct transcoder *tc, struct stream *s, const uint64_t *w);
/* As definitions_code. */
bool definitions_module(struct transcoder *tc, struct stream *s, const uint64_t *w);
/* As definitions_code. */
bool definitions_module_gone(struct transcoder *tc, const struct stream *s, uint32_t module);
/* DATA: count bytes at offset `at` of the ring. */
bool definitions_data(struct transcoder *tc, struct stream *s, uint64_t at, uint32_t count);

#endif
