/* Finding a row of the table (layout_table.h) by version. */
#include "recorder/preload/layout.h"

#include "recorder/preload/layout_table.h"

/* The columns as text: "v9, v10, ..., v13t, ..." */
#define COLUMNS(...) static const char columns[] = #__VA_ARGS__;
#define FACT(name, ...)
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

int layout_column(int minor, bool free_threaded)
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
    int column = layout_column(minor, free_threaded);
    if (column < 0 || !TABLE_IS_FOR_HERE)
        return false;
    *layout = layout_row((enum layout_column)column);
    return true;
}
