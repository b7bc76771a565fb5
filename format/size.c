/* Reading sizes (size.h): a number by strtod, then a unit from one table. */
#include "format/size.h"

#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

bool size_parse(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"K", 1024},
                 {"KiB", 1024},
                 {"KB", 1e3},
                 {"M", 1048576},
                 {"MiB", 1048576},
                 {"MB", 1e6},
                 {"G", 1073741824},
                 {"GiB", 1073741824},
                 {"GB", 1e9},
                 {"T", 1099511627776},
                 {"TiB", 1099511627776},
                 {"TB", 1e12}};
    char *end;
    double number = strtod(text, &end);
    if (end == text || !(number >= 0))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        double total = number * units[i].factor;
        if (strcasecmp(end, units[i].unit) != 0 || total >= 9.2e18)
            continue;
        *bytes = (uint64_t)total;
        return true;
    }
    return false;
}
