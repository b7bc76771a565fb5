/* The part of TOML (toml.io, 1.0) that a list of limits needs: comments, tables, keys (bare,
 * quoted, dotted), strings on one line, whole numbers. Why our own: Debian has TOML for C++ only,
 * and a vendored parser would be ten times the code that reads a page of limits. Invariants: what
 * is accepted means what TOML says; what is beyond is refused with its line, never read otherwise.
 * Not here: which keys there are (budget.h). Not thread-safe. */
#ifndef ANALYZER_TOML_H
#define ANALYZER_TOML_H

#include "format/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct toml_value {
    bool is_number;
    uint64_t number;  /* of a whole number, >= 0 */
    const char *text; /* of a string, NUL-terminated UTF-8 without NULs; borrowed for the call */
    unsigned line;
};

/* Called for each key: table and key with dots between their parts; table "" above the first one.
 * Also for each table's head, with the key "".
 * Returns 0, or a negative error with err filled, which ends the reading. */
typedef int toml_visit(void *context, const char *table, const char *key,
                       const struct toml_value *value, struct err *err);

/* Reads a text of length bytes, which a 0 follows; name: of the file, for sentences. Returns 0,
 * -ERR_USAGE for what is no TOML or beyond what is read here, or what visit returned. */
int toml_read(const char *name, const char *text, size_t length, toml_visit *visit, void *context,
              struct err *err);

#endif
