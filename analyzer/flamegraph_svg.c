/* Writing the picture (flamegraph_svg.h). Why rows from the top: a tall picture is read from its
 * beginning. */
#include "analyzer/flamegraph_svg.h"

#include "analyzer/glyph.h"
#include "analyzer/page.h"
#include "analyzer/quantity.h"
#include <math.h>
#include <string.h>

#define ROW_HEIGHT  18
#define HEAD_HEIGHT 62
#define FOOT_HEIGHT 12
#define CHAR_WIDTH  6.62 /* of the 11 px monospace font */
#define TEXT_BYTES  4096

struct frame_words {
    char name[TEXT_BYTES], place[TEXT_BYTES], code[TEXT_BYTES];
};

static void find_code(const struct flamegraph_svg *s, const struct graph_node *n, char *out)
{
    const struct symbols *symbols = &s->report->rec->replay.model.symbols;
    const struct function *f = symbols_function(symbols, n->function);
    size_t length = 0, used = 0;
    out[0] = 0;
    if (!s->code || !f || n->line > UINT32_MAX / 2)
        return;
    const char *line = code_line(s->code, f->file, (uint32_t)n->line, &length);
    glyph_append(out, 240, &used, line, length, false);
}

static void find_words(const struct flamegraph_svg *s, const struct rectangle *r,
                       struct frame_words *w)
{
    const struct symbols *symbols = &s->report->rec->replay.model.symbols;
    const struct graph_node *n = &s->graph->nodes[r->node];
    const struct frame_style style = {false, s->report->frames.home};
    *w = (struct frame_words){0};
    switch (n->kind) {
    case GRAPH_FRAME:
        frame_function(w->name, sizeof w->name, symbols, n->function, n->line, &style);
        frame_place(w->place, sizeof w->place, symbols, n->function, n->line, &style);
        find_code(s, n, w->code);
        break;
    case GRAPH_SMALL:
        snprintf(w->name, sizeof w->name, "%s small frame%s", quantity_count(r->folded).text,
                 r->folded == 1 ? "" : "s");
        break;
    case GRAPH_NO_STACK: strcpy(w->name, "(no Python stack)"); break;
    case GRAPH_UNKNOWN: strcpy(w->name, "(stack unknown)"); break;
    default: snprintf(w->name, sizeof w->name, "all: %s", quantity_size(r->bytes).text);
    }
}

/* A colour as #rrggbb, which every viewer knows. hue 0..360; the others 0..1. */
static void put_hsl(double hue, double saturation, double light, FILE *out)
{
    double reach = saturation * fmin(light, 1 - light);
    fputc('#', out);
    for (int channel = 0; channel < 3; channel++) {
        double k = fmod((channel == 0 ? 0 : channel == 1 ? 8 : 4) + hue / 30, 12);
        double value = light - reach * fmax(-1, fmin(fmin(k - 3, 9 - k), 1));
        fprintf(out, "%02x", (unsigned)lround(value * 255));
    }
}

/* As analyzer/web/color.js has them, in the light. */
static void put_fill(const struct flamegraph_svg *s, const struct rectangle *r, FILE *out)
{
    const struct symbols *symbols = &s->report->rec->replay.model.symbols;
    const struct graph_node *n = &s->graph->nodes[r->node];
    const struct function *f = n->kind == GRAPH_FRAME ? symbols_function(symbols, n->function) : 0;
    double t = sqrt(fmin(1, r->width));
    char package[256];
    unsigned hash = 7;
    if (!f)
        return put_hsl(40, 0.1, 0.9, out);
    if (f->kind != FUNCTION_PYTHON)
        return put_hsl(155, 0.34, 0.82, out);
    if (frame_import(symbols, n->function))
        return put_hsl(220, 0.1, 0.9, out);
    if (!frame_library(symbols, n->function))
        return put_hsl(44 - 28 * t, 0.9 + 0.06 * t, 0.84 - 0.14 * t, out);
    frame_package(package, sizeof package, symbols, n->function, &s->report->frames);
    for (const char *c = package; *c; c++)
        hash = hash * 31 + (unsigned char)*c;
    put_hsl(195 + hash % 56, 0.48, 0.86, out);
}

/* As many of the words as fit a width, told apart by two blanks. */
static void put_label(const struct frame_words *w, double width, FILE *out)
{
    char whole[3 * TEXT_BYTES + 8];
    int room = (int)((width - 6) / CHAR_WIDTH), columns = 0;
    int used = snprintf(whole, sizeof whole, "%s%s%s%s%s", w->name, w->place[0] ? "  " : "",
                        w->place, w->code[0] ? "  " : "", w->code);
    size_t at = 0, taken;
    if (room < 3)
        return;
    bool cut = glyph_text_columns(whole) > room;
    while (at < (size_t)used) {
        int wide = glyph_columns(glyph_decode(whole + at, (size_t)used - at, &taken));
        if (columns + wide > room - cut)
            break;
        columns += wide;
        at += taken;
    }
    page_text(whole, at, out);
    fputs(cut ? "\xe2\x80\xa6" : "", out);
}

static void put_title(const struct flamegraph_svg *s, const struct rectangle *r,
                      const struct frame_words *w, FILE *out)
{
    fputs("<title>", out);
    page_text(w->name, strlen(w->name), out);
    fputs(w->place[0] ? "  " : "", out);
    page_text(w->place, strlen(w->place), out);
    struct quantity share = quantity_share(r->bytes, s->picture->items[0].bytes);
    fprintf(out, " \xc2\xb7 %s, ", quantity_size(r->bytes).text);
    page_text(share.text, strlen(share.text), out); /* it may begin with < */
    fprintf(out, ", %s block%s", quantity_count(r->count).text, r->count == 1 ? "" : "s");
    if (w->code[0]) {
        fputs("\n", out);
        page_text(w->code, strlen(w->code), out);
    }
    fputs("</title>", out);
}

static void put_rectangle(const struct flamegraph_svg *s, const struct rectangle *r, FILE *out)
{
    struct frame_words w;
    double left = r->left * SVG_WIDTH, width = r->width * SVG_WIDTH;
    int top = HEAD_HEIGHT + (int)r->row * ROW_HEIGHT;
    find_words(s, r, &w);
    fprintf(out, "<g class=\"f\" data-x=\"%.6f\" data-w=\"%.6f\" data-row=\"%u\" data-b=\"%llu\">",
            r->left, r->width, r->row, (unsigned long long)r->bytes);
    put_title(s, r, &w, out);
    fprintf(out, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"", left, top,
            fmax(width - 0.6, 0.3), ROW_HEIGHT - 1);
    put_fill(s, r, out);
    fprintf(out, "\"/><text x=\"%.2f\" y=\"%.1f\">", left + 3, top + 12.5);
    put_label(&w, width, out);
    fputs("</text></g>\n", out);
}

static void put_head(const struct flamegraph_svg *s, int height, FILE *out)
{
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
            "%d\" role=\"img\">\n<title>",
            SVG_WIDTH, height, SVG_WIDTH, height);
    page_text(s->title, strlen(s->title), out);
    fputs("</title>\n<style>text{font:11px ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\","
          "monospace;fill:#1c1712}.f{cursor:pointer}.f:hover rect{stroke:#1c1712}"
          ".f text{pointer-events:none;white-space:pre}.head{font:600 15px sans-serif}"
          ".sub{font:12px sans-serif;fill:#5c5a57}.act{font:12px sans-serif;fill:#0b5fff;"
          "cursor:pointer}.dim rect{opacity:.4}.hit rect{fill:#f7a1ee}</style>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
          "<text class=\"head\" x=\"8\" y=\"22\">",
          out);
    page_text(s->title, strlen(s->title), out);
    fputs("</text>\n<text class=\"sub\" x=\"8\" y=\"40\">", out);
    page_text(s->subtitle, strlen(s->subtitle), out);
    fprintf(out,
            "</text>\n<text class=\"sub\" id=\"told\" x=\"8\" y=\"55\"></text>\n"
            "<text class=\"act\" id=\"reset\" x=\"%d\" y=\"22\" text-anchor=\"end\"></text>\n"
            "<text class=\"act\" id=\"search\" x=\"%d\" y=\"22\" text-anchor=\"end\"></text>\n",
            SVG_WIDTH - 70, SVG_WIDTH - 8);
}

void flamegraph_svg(const struct flamegraph_svg *s, FILE *out)
{
    const struct picture *p = s->picture;
    put_head(s, HEAD_HEIGHT + (int)p->rows * ROW_HEIGHT + FOOT_HEIGHT, out);
    fputs("<g id=\"frames\">\n", out);
    for (uint32_t i = 0; i < p->count; i++)
        put_rectangle(s, &p->items[i], out);
    fprintf(out, "</g>\n<script><![CDATA[\n%s]]></script>\n</svg>\n", web_picture_js);
}
