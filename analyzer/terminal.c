/* Rows that fit a width, with colours that take no columns (terminal.h). Why a buffer per row:
 * what is too long is cut before anything is printed. */
#include "analyzer/terminal.h"

#include "analyzer/glyph.h"
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_UNKNOWN 100
#define WIDTH_LEAST   40
#define WIDTH_MOST    400

static int columns_of(FILE *out)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    int columns = text ? atoi(text) : 0;
    if (columns <= 0 && isatty(fileno(out)) && !ioctl(fileno(out), TIOCGWINSZ, &size))
        columns = size.ws_col;
    if (columns <= 0)
        return WIDTH_UNKNOWN;
    return columns < WIDTH_LEAST ? WIDTH_LEAST : columns > WIDTH_MOST ? WIDTH_MOST : columns;
}

void terminal_init(struct terminal *t, FILE *out, bool no_color)
{
    const char *variable = getenv("NO_COLOR"), *term = getenv("TERM");
    bool plain = no_color || (variable && *variable) || (term && !strcmp(term, "dumb"));
    *t = (struct terminal){.out = out,
                           .width = columns_of(out),
                           .color = !plain && isatty(fileno(out)),
                           .utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8")};
}

void row_begin(struct row *row, const struct terminal *t)
{
    row->t = t;
    row->used = 0;
    row->columns = 0;
    row->text[0] = 0;
}

int row_left(const struct row *row) { return row->t->width - row->columns; }

/* Room is kept at the end for the code that ends a colour. */
static void raw(struct row *row, const char *text, size_t length)
{
    if (row->used + length + 8 > sizeof row->text)
        return;
    memcpy(row->text + row->used, text, length);
    row->used += length;
    row->text[row->used] = 0;
}

static void raw_string(struct row *row, const char *text) { raw(row, text, strlen(text)); }

static const char *style_code(enum style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",         [STYLE_BOLD] = "\033[1m",     [STYLE_DIM] = "\033[2m",
        [STYLE_HOT] = "\033[1;31m", [STYLE_WARM] = "\033[33m",    [STYLE_LINE] = "\033[2m",
        [STYLE_COOL] = "\033[36m",  [STYLE_NATIVE] = "\033[1;32m"};
    return codes[style];
}

/* Bytes of text whose columns come to at most `columns`, from its start or (tail) up to its end. */
static size_t prefix_bytes(const char *text, int columns)
{
    size_t length = strlen(text), taken, i = 0;
    for (int used = 0; i < length; i += taken) {
        int32_t code = glyph_decode(text + i, length - i, &taken);
        used += code < 0 ? 1 : glyph_columns(code);
        if (used > columns)
            break;
    }
    return i;
}

static const char *tail(const char *text, int columns)
{
    int skip = glyph_text_columns(text) - columns;
    const char *at = text + prefix_bytes(text, skip);
    while (glyph_text_columns(at) > columns)
        at += prefix_bytes(at, 1) ? prefix_bytes(at, 1) : prefix_bytes(at, 2);
    return at;
}

static void put_shortened(struct row *row, const char *text, int room)
{
    const char *ellipsis = row->t->utf8 ? "…" : "...";
    int mark = row->t->utf8 ? 1 : 3;
    if (room <= mark + 2)
        return;
    int head = (room - mark) / 3, rest = room - mark - head;
    raw(row, text, prefix_bytes(text, head));
    raw_string(row, ellipsis);
    raw_string(row, tail(text, rest));
}

void row_put(struct row *row, enum style style, const char *text, int room)
{
    const char *code = row->t->color ? style_code(style) : "";
    if (room > row_left(row))
        room = row_left(row);
    size_t before = row->used;
    raw_string(row, code);
    size_t start = row->used;
    if (glyph_text_columns(text) <= room)
        raw_string(row, text);
    else
        put_shortened(row, text, room);
    row->columns += glyph_text_columns(row->text + start);
    if (row->used == start)
        row->text[row->used = before] = 0;
    else if (*code)
        raw_string(row, "\033[0m");
}

void row_to(struct row *row, int column)
{
    for (; row->columns < column && row_left(row) > 0; row->columns++)
        raw(row, " ", 1);
}

void row_right(struct row *row, enum style style, const char *text, int columns)
{
    row_to(row, row->columns + columns - glyph_text_columns(text));
    row_put(row, style, text, columns);
}

void row_bar(struct row *row, enum style style, uint64_t part, uint64_t whole, int columns)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    char bar[256] = "";
    if (columns <= 0)
        return;
    double share = whole ? (double)part / (double)whole : 0;
    int start = row->columns,
        steps = row->t->utf8 ? (int)(share * columns * 8 + 0.5) : (int)(share * columns + 0.5) * 8;
    for (int i = 0; i < steps / 8 && i < 60; i++)
        strcat(bar, row->t->utf8 ? "█" : "#");
    strcat(bar, eighths[steps % 8]);
    row_put(row, style, bar, columns);
    row_to(row, start + columns);
}

void row_end(struct row *row)
{
    while (row->used && row->text[row->used - 1] == ' ')
        row->used--;
    fwrite(row->text, 1, row->used, row->t->out);
    fputc('\n', row->t->out);
}

void row_words(struct row *row, enum style style, const char *text)
{
    const struct terminal *t = row->t;
    int indent = row->columns;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        char piece[512];
        snprintf(piece, sizeof piece, "%s%.*s", row->columns > indent ? " " : "",
                 (int)(length < 500 ? length : 500), word);
        if (row->columns > indent && glyph_text_columns(piece) > row_left(row)) {
            row_end(row);
            row_begin(row, t);
            row_to(row, indent);
            continue;
        }
        row_put(row, style, piece, row_left(row));
        word += length + strspn(word + length, " ");
    }
    row_end(row);
}
