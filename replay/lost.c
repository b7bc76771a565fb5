/* Ranges in rising order, searched by halving (lost.h). */
#include "replay/lost.h"

#include "format/error.h"
#include "format/grow.h"
#include <stdlib.h>

void lost_release(struct lost *lost)
{
    free(lost->ranges);
    *lost = (struct lost){0};
}

int lost_add(struct lost *lost, uint64_t first, uint64_t end)
{
    if (lost->count == lost->capacity && !GROW(lost->ranges, lost->capacity, 16))
        return -ERR_NOMEM;
    lost->ranges[lost->count++] = (struct lost_range){first, end};
    return 0;
}

bool lost_holds(const struct lost *lost, uint64_t index)
{
    size_t low = 0, high = lost->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (index >= lost->ranges[middle].end)
            low = middle + 1;
        else
            high = middle;
    }
    return low < lost->count && index >= lost->ranges[low].first;
}

uint64_t lost_count(const struct lost *lost)
{
    uint64_t count = 0;
    for (size_t i = 0; i < lost->count; i++)
        count += lost->ranges[i].end - lost->ranges[i].first;
    return count;
}
