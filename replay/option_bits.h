/* The options as bits, and the sets of them that commands.def names. Why apart: who reads
 * commands.def needs them, and that is the parser (options.c) and the man pages (tools/manual). Not
 * here: what an option is called (options.def). */
#ifndef REPLAY_OPTION_BITS_H
#define REPLAY_OPTION_BITS_H

#include <stdint.h>

enum option_id {
#define OPTION(name, text, letter, argument, help) OPTION_##name,
#include "replay/options.def"
#undef OPTION
    OPTION_COUNT
};

#define BIT(name) (UINT64_C(1) << OPTION_##name)
#define SCOPE     (BIT(PID) | BIT(THREAD))
#define MOMENTS   (BIT(AT) | BIT(FROM) | BIT(TO) | SCOPE)
#define COMMON    (BIT(JSON) | BIT(OUTPUT) | BIT(FORCE) | BIT(NO_COLOR) | BIT(HELP) | BIT(VERSION))

/* What else a row says of its command. */
#define FILES     (UINT64_C(1) << 63) /* writes files of its own kind: no --json */
#define FRAMELESS (UINT64_C(1) << 62) /* tells no frames: none are named or folded */
#define RECORDED  (UINT64_C(1) << 61) /* keeps all frames, as they were recorded */
#define TRAITS    (FILES | FRAMELESS | RECORDED)

/* What a command with these options in its row takes. */
#define TAKES(options) (((options) | COMMON) & ~(TRAITS | ((options)&FILES ? BIT(JSON) : 0)))

#endif
