/* Errors of the tools: one table of codes, and the details in a struct that the caller owns.
 * Why: a function returns 0 or -ERR_x; what a person needs (which file, which offset, what to do)
 * travels beside it and is printed by main alone. Not here: printing, exit codes. */
#ifndef FORMAT_ERROR_H
#define FORMAT_ERROR_H

enum err_code {
#define ERROR(name, value, text) ERR_##name = value,
#include "format/error.def"
#undef ERROR
};

struct err {
    int code; /* 0 or a negative -ERR_x */
    char text[512];
};

/* Words for a code, with or without its minus sign; never NULL. Thread-safe. */
const char *err_name(int code);

/* Fills err (may be NULL) with the code and a printf-style sentence; what would steer a
 * terminal (plain.h) is replaced by '?'. Returns -code so that `return err_set(err, ERR_IO, …)`
 * reads well. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
