/* Reading a list of keys and values, line by line (toml.h). Why parts of keys are joined by dots:
 * `app.load = "50MB"` and `"app.load" = "50MB"` name the same function to us; TOML, which sees a
 * table in the first, has the same path. */
#include "analyzer/toml.h"

#include "analyzer/glyph.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 4096

struct toml {
    const char *name, *at, *end;
    unsigned line;
    char table[TEXT_BYTES], key[TEXT_BYTES], text[TEXT_BYTES];
    struct err *err;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct toml *t, const char *format, ...)
{
    char words[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return err_set(t->err, ERR_USAGE, "%s, line %u: %s", t->name, t->line, words);
}

static void blanks(struct toml *t)
{
    while (*t->at == ' ' || *t->at == '\t')
        t->at++;
}

static bool at_end_of_line(const struct toml *t)
{
    return t->at == t->end || *t->at == '\n' || (t->at[0] == '\r' && t->at[1] == '\n');
}

static int append(struct toml *t, char *out, size_t *used, const char *bytes, size_t length)
{
    if (*used + length >= TEXT_BYTES)
        return refuse(t, "this is too long");
    memcpy(out + *used, bytes, length);
    *used += length;
    out[*used] = 0;
    return 0;
}

/* A code point as UTF-8. */
static int append_code(struct toml *t, char *out, size_t *used, uint32_t code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (!code || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return refuse(t, "no such character in a name");
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(length == 1 ? code : (0xF00u >> length & 0xFF) | code);
    return append(t, out, used, bytes, length);
}

static int hexadecimal(struct toml *t, int digits, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < digits; i++, t->at++) {
        char c = *t->at;
        if (!strchr("0123456789abcdefABCDEF", c) || !c)
            return refuse(t, "\\%c needs %d hexadecimal digits", digits == 4 ? 'u' : 'U', digits);
        *code = *code << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return 0;
}

/* What follows a backslash. */
static int escape(struct toml *t, char *out, size_t *used)
{
    static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
    char letter = *t->at++;
    uint32_t code;
    const char *found = letter ? strchr(letters, letter) : 0;
    if (found)
        return append(t, out, used, &meanings[found - letters], 1);
    if (letter != 'u' && letter != 'U')
        return refuse(t, "TOML has no such escape; a plain backslash is written \\\\");
    int rc = hexadecimal(t, letter == 'u' ? 4 : 8, &code);
    return rc ? rc : append_code(t, out, used, code);
}

/* A string in either kind of quotes, appended to out. */
static int quoted(struct toml *t, char *out, size_t *used)
{
    char quote = *t->at++;
    int rc = 0;
    if (t->at[0] == quote && t->at[1] == quote)
        return refuse(t, "a string on several lines is not read here");
    while (!rc && *t->at != quote) {
        unsigned char c = (unsigned char)*t->at;
        if (at_end_of_line(t))
            return refuse(t, "the string has no end");
        if ((c < ' ' && c != '\t') || c == 0x7F)
            return refuse(t, "a control character in a string");
        t->at++;
        rc = c == '\\' && quote == '"' ? escape(t, out, used)
                                       : append(t, out, used, (const char *)&c, 1);
    }
    t->at++;
    return rc;
}

static bool bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* A key, its parts joined by dots. */
static int read_key(struct toml *t, char *out)
{
    size_t used = 0;
    int rc = 0;
    out[0] = 0;
    do {
        if (used)
            rc = append(t, out, &used, ".", 1);
        blanks(t);
        if (rc)
            return rc;
        if (*t->at == '"' || *t->at == '\'')
            rc = quoted(t, out, &used);
        else if (bare(*t->at))
            for (; bare(*t->at) && !rc; t->at++)
                rc = append(t, out, &used, t->at, 1);
        else
            return refuse(t, "a key was expected; one with other characters than letters, digits, "
                             "- and _ stands in quotes");
        blanks(t);
    } while (!rc && *t->at == '.' && t->at++);
    return rc;
}

static int read_number(struct toml *t, struct toml_value *value)
{
    const char *start = t->at;
    value->is_number = true;
    for (; (*t->at >= '0' && *t->at <= '9') || *t->at == '_'; t->at++) {
        unsigned digit = (unsigned)(*t->at - '0');
        if (*t->at == '_' ? t->at == start || t->at[1] < '0' || t->at[1] > '9' : false)
            return refuse(t, "a _ stands between two digits");
        if (*t->at == '_')
            continue;
        if (value->number > ((uint64_t)INT64_MAX - digit) / 10)
            return refuse(t, "the number is too large");
        value->number = value->number * 10 + digit;
    }
    if (start[0] == '0' && t->at - start > 1)
        return refuse(t, "a number does not begin with 0");
    return 0;
}

static int read_value(struct toml *t, struct toml_value *value)
{
    size_t used = 0;
    blanks(t);
    *value = (struct toml_value){.line = t->line};
    t->text[0] = 0;
    value->text = t->text;
    if (*t->at == '"' || *t->at == '\'')
        return quoted(t, t->text, &used);
    if (*t->at >= '0' && *t->at <= '9')
        return read_number(t, value);
    return refuse(t, "a value is a string such as \"500MB\" or a number of bytes");
}

static int end_line(struct toml *t)
{
    blanks(t);
    if (*t->at == '#')
        while (!at_end_of_line(t)) {
            unsigned char c = (unsigned char)*t->at++;
            if ((c < ' ' && c != '\t') || c == 0x7F)
                return refuse(t, "a control character in a comment");
        }
    if (!at_end_of_line(t))
        return refuse(t, "nothing may follow here but a comment");
    t->at += t->at == t->end ? 0 : *t->at == '\r' ? 2 : 1;
    t->line++;
    return 0;
}

static int read_table(struct toml *t, toml_visit *visit, void *context)
{
    t->at++;
    if (*t->at == '[')
        return refuse(t, "arrays of tables are not read here");
    int rc = read_key(t, t->table);
    if (!rc && *t->at++ != ']')
        return refuse(t, "] is missing");
    struct toml_value none = {.text = "", .line = t->line};
    rc = rc ? rc : end_line(t);
    return rc ? rc : visit(context, t->table, "", &none, t->err);
}

static int read_pair(struct toml *t, toml_visit *visit, void *context)
{
    struct toml_value value;
    int rc = read_key(t, t->key);
    if (!rc && *t->at++ != '=')
        return refuse(t, "= is missing after %s", t->key);
    rc = rc ? rc : read_value(t, &value);
    rc = rc ? rc : end_line(t);
    return rc ? rc : visit(context, t->table, t->key, &value, t->err);
}

int toml_read(const char *name, const char *text, size_t length, toml_visit *visit, void *context,
              struct err *err)
{
    static struct toml t;
    t = (struct toml){.name = name, .at = text, .end = text + length, .line = 1, .err = err};
    int rc = 0;
    for (size_t i = 0, taken; i < length; i += taken)
        if (glyph_decode(text + i, length - i, &taken) <= 0)
            return refuse(&t, "this is no text in UTF-8");
    while (!rc && t.at < t.end) {
        blanks(&t);
        if (*t.at == '[')
            rc = read_table(&t, visit, context);
        else if (*t.at == '#' || at_end_of_line(&t))
            rc = end_line(&t);
        else
            rc = read_pair(&t, visit, context);
    }
    return rc;
}
