/* Parsing moments and bounds (typed.h): apart from the options, which have enough of their own. */
#include "replay/typed.h"

#include "format/size.h"
#include <stdlib.h>
#include <string.h>

static int unit_ns(const char *unit, double *ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},  {"s", 1e9},
                 {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].name))
            continue;
        *ns = units[i].ns;
        return 1;
    }
    return 0;
}

static enum when_kind when_word(const char *text)
{
    return !strcmp(text, "peak")    ? WHEN_PEAK
           : !strcmp(text, "start") ? WHEN_START
           : !strcmp(text, "end")   ? WHEN_END
                                    : WHEN_NONE;
}

/* A time or a share; what is none of them stays the mark that it is. */
static int parse_figure(struct when *when, const char *text, struct err *err)
{
    char *unit;
    double ns = 0, value = strtod(text, &unit);
    if (!strcmp(unit, "%")) {
        *when = (struct when){.kind = WHEN_SHARE, .text = text};
        when->share_ppm = value <= 100 ? (uint32_t)(value * 1e4 + 0.5) : 0;
        return value <= 100 ? 0
                            : err_set(err, ERR_USAGE,
                                      "%s is beyond the end: a share goes from 0%% to 100%%", text);
    }
    if (!unit_ns(unit, &ns))
        return 0;
    *when = (struct when){.kind = WHEN_TIME, .text = text};
    if (value * ns >= 1e19)
        return err_set(err, ERR_USAGE, "%s is too long a time", text);
    when->time_ns = (uint64_t)(value * ns + 0.5);
    return 0;
}

int when_parse(struct when *when, const char *text, struct err *err)
{
    *when = (struct when){.kind = when_word(text), .text = text};
    if (when->kind != WHEN_NONE)
        return 0;
    when->kind = WHEN_MARK;
    when->mark = strncmp(text, "mark:", 5) || !text[5] ? text : text + 5;
    if (when->mark != text || text[0] < '0' || text[0] > '9')
        return 0;
    return parse_figure(when, text, err);
}

static bool share_parse(const char *text, uint32_t *share_ppm)
{
    char *end;
    double value = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : -1;
    if (value < 0 || strcmp(end, "%") != 0 || value > 400000)
        return false;
    *share_ppm = (uint32_t)(value * 1e4 + 0.5);
    return true;
}

int bound_parse(struct bound *bound, const char *name, const char *text, bool shares,
                struct err *err)
{
    *bound = (struct bound){.given = true};
    if (size_parse(text, &bound->bytes))
        return 0;
    bound->is_share = shares && share_parse(text, &bound->share_ppm);
    if (bound->is_share)
        return 0;
    return err_set(err, ERR_USAGE, "--%s takes a size such as 500MB or 2GiB%s, not %s", name,
                   shares ? ", or a share such as 2%" : "", text);
}
