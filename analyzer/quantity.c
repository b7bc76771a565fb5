/* Numbers as people read them, with three significant digits (quantity.h). Why no locale: a
 * report must read alike everywhere. */
#include "analyzer/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct quantity quantity_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct quantity q;
    unsigned unit = 0;
    double value = (double)bytes;
    if (bytes < 1024) {
        snprintf(q.text, sizeof q.text, "%" PRIu64 " B", bytes);
        return q;
    }
    for (; value >= 1023.5 && unit < 6; unit++)
        value /= 1024;
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(q.text, sizeof q.text, "%.*f %s", decimals, value, units[unit]);
    return q;
}

struct quantity quantity_share(uint64_t part, uint64_t whole)
{
    struct quantity q;
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;
    if (!whole)
        snprintf(q.text, sizeof q.text, "-");
    else if (part && percent < 0.05)
        snprintf(q.text, sizeof q.text, "<0.1%%");
    else
        snprintf(q.text, sizeof q.text, "%.1f%%", percent);
    return q;
}

struct quantity quantity_time(uint64_t ns)
{
    struct quantity q;
    double s = (double)ns / 1e9;
    uint64_t whole = ns / 1000000000;
    if (ns < 1000000)
        snprintf(q.text, sizeof q.text, "%" PRIu64 " us", ns / 1000);
    else if (s < 0.9995)
        snprintf(q.text, sizeof q.text, "%.0f ms", s * 1e3);
    else if (s < 119.95)
        snprintf(q.text, sizeof q.text, "%.*f s", s < 9.995 ? 2 : 1, s);
    else if (whole < 7200)
        snprintf(q.text, sizeof q.text, "%" PRIu64 " min %02" PRIu64 " s", whole / 60, whole % 60);
    else
        snprintf(q.text, sizeof q.text, "%" PRIu64 " h %02" PRIu64 " min", whole / 3600,
                 whole / 60 % 60);
    return q;
}

struct quantity quantity_count(uint64_t count)
{
    struct quantity q;
    char digits[QUANTITY_BYTES];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, count), out = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            q.text[out++] = ',';
        q.text[out++] = digits[i];
    }
    q.text[out] = 0;
    return q;
}

struct quantity quantity_change(int64_t bytes)
{
    struct quantity q, size = quantity_size(bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes);
    snprintf(q.text, sizeof q.text, "%s%.30s", bytes < 0 ? "-" : bytes ? "+" : "", size.text);
    return q;
}

struct quantity quantity_growth(uint64_t before, uint64_t after)
{
    struct quantity q = {""};
    double percent = before ? 100.0 * ((double)after - (double)before) / (double)before : 0;
    if (before && before != after && percent > -0.05 && percent < 0.05)
        snprintf(q.text, sizeof q.text, "<0.1%%");
    else if (before && percent >= 1000)
        snprintf(q.text, sizeof q.text, "%.3g times", (double)after / (double)before);
    else if (before)
        snprintf(q.text, sizeof q.text, "%s%.1f%%", after > before ? "+" : "", percent);
    return q;
}
