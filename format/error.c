/* Words for the codes of error.def, and the filling of a struct err.
 * Why replace control characters: names and texts come from hostile files and end on a terminal. */
#include "format/error.h"
#include "format/plain.h"
#include <stdarg.h>
#include <stdio.h>

const char *err_name(int code)
{
    switch (code < 0 ? -code : code) {
    case 0: return "no error";
#define ERROR(name, value, text)                                                                   \
    case value:                                                                                    \
        return text;
#include "format/error.def"
#undef ERROR
    }
    return "unknown error";
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (!err)
        return -(int)code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    err->code = -(int)code;
    plain_make(err->text, '?');
    return err->code;
}
