/* The table of layout.def, compiled: one array per fact, one index per version.
 *
 * Arrays by fact rather than structs by version, so that a cell that is missing fails to compile
 * instead of becoming the offset 0. In a header, so that code that is inlined for one column has
 * its offsets as constants (quick.c). Not here: which column holds for this process (interp.h). */
#ifndef RECORDER_PRELOAD_LAYOUT_TABLE_H
#define RECORDER_PRELOAD_LAYOUT_TABLE_H

#include "recorder/line_table.h"
#include "recorder/preload/layout.h"

#define NONE LAYOUT_NONE

#define COLUMNS(...) enum layout_column { __VA_ARGS__, LAYOUT_COLUMN_COUNT };
#define FACT(name, ...)
#include "recorder/preload/layout.def"

#define COLUMNS(...)
#define FACT(name, ...)                                                                            \
    static const int32_t values_of_##name[] = {__VA_ARGS__};                                       \
    _Static_assert(sizeof values_of_##name == LAYOUT_COLUMN_COUNT * sizeof(int32_t),               \
                   #name " needs one value for each column");
#include "recorder/preload/layout.def"

#undef NONE

/* The row of a version. With a constant column every member of it is one. */
static inline __attribute__((always_inline)) struct layout layout_row(enum layout_column column)
{
    return (struct layout){
#define COLUMNS(...)
#define FACT(name, ...) .name = values_of_##name[column],
#include "recorder/preload/layout.def"
    };
}

#endif
