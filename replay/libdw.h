/* elfutils' libdw, opened when the first binary is read. Why not linked: with it come libdebuginfod
 * and curl where those are installed, several times the cost of starting memreplay, and most
 * commands read no binary; and where it is missing, everything but names works. Invariant: its
 * functions are called as libdw.name(), after libdw_open() said true. Not here: what they do
 * (elfutils/libdwfl.h). Not thread-safe. */
#ifndef REPLAY_LIBDW_H
#define REPLAY_LIBDW_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>

struct libdw {
#define LIBDW(name) __typeof__(&name) name;
#include "replay/libdw.def"
#undef LIBDW
};

/* Filled by libdw_open. */
extern struct libdw libdw;

/* Opens the library, once. False: it is not installed, or lacks a function. */
bool libdw_open(void);

#endif
