/* The trace's file: its name, made new and private.
 * Why strict: O_EXCL, no following of links, 0600: other people's folders are shared. Not here:
 * writing it (writer.h). */
#ifndef RECORDER_COLLECTOR_TRACE_NAME_H
#define RECORDER_COLLECTOR_TRACE_NAME_H

#include "recorder/collector/target.h"

/* Creates the file that the options ask for, or the default name with .1, .2 … where it exists.
 * path receives PATH_MAX bytes. Returns a descriptor, or a negative error with err filled. */
int trace_name_open(const struct options *o, const struct target *t, char *path, struct err *err);

#endif
