/* The table of layout.def, compiled: one array per fact, one index per version.
 *
 * Arrays by fact rather than structs by version, so that a cell that is missing fails to compile
 * instead of becoming the offset 0. */
#include "recorder/preload/layout.h"

#include <stddef.h>
#include <string.h>

#include "recorder/line_table.h"

#define NONE LAYOUT_NONE

/* The columns as text: "v9, v10, ..., v13t, ..." */
#define COLUMNS(...) static const char columns[] = #__VA_ARGS__;
#define FACT(name, ...)
#include "recorder/preload/layout.def"

#define COLUMNS(...) enum column { __VA_ARGS__, COLUMN_COUNT };
#define FACT(name, ...)
#include "recorder/preload/layout.def"

#define COLUMNS(...)
#define FACT(name, ...)                                                                            \
    static const int32_t values_of_##name[] = {__VA_ARGS__};                                       \
    _Static_assert(sizeof values_of_##name == COLUMN_COUNT * sizeof(int32_t),                      \
                   #name " needs one value for each column");
#include "recorder/preload/layout.def"

#define COLUMNS(...)
#define FACT(name, ...) FACT_##name,
enum fact {
#include "recorder/preload/layout.def"
    FACT_COUNT
};
_Static_assert(sizeof(struct layout) == FACT_COUNT * sizeof(int32_t), "a fact without member");

/* The table's offsets hold for one machine. */
#if defined(__x86_64__) && defined(__LP64__)
enum { TABLE_IS_FOR_HERE = 1 };
#else
enum { TABLE_IS_FOR_HERE = 0 };
#endif

/* The index of "v<minor>" or "v<minor>t" in columns, or -1. */
static int column_of(int minor, bool free_threaded)
{
    int index = 0;
    for (const char *p = columns; *p; p++) {
        if (*p != 'v')
            continue;
        int number = 0;
        for (p++; *p >= '0' && *p <= '9'; p++)
            number = number * 10 + (*p - '0');
        if (number == minor && (*p == 't') == free_threaded)
            return index;
        index++;
        if (!*p)
            break;
    }
    return -1;
}

bool layout_find(struct layout *layout, int minor, bool free_threaded)
{
    int column = column_of(minor, free_threaded);
    if (column < 0 || !TABLE_IS_FOR_HERE)
        return false;
#define COLUMNS(...)
#define FACT(name, ...) layout->name = values_of_##name[column];
#include "recorder/preload/layout.def"
    return true;
}
