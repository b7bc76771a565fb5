/* Reading the source of a graph's frames (code.h). Why wants first: files are then read once, one
 * after another, whatever frames ask for. */
#include "analyzer/code.h"

#include "analyzer/json.h"
#include "replay/descriptor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUCH 0.01f /* of what a measure holds: worth its surroundings */

/* A path in use and the place where it stands; paths are interned, so pointers compare. */
struct known {
    const struct name *path;
    uint32_t place;
};

static bool python_name(const struct name *path)
{
    static const char *const endings[] = {".py", ".pyw", ".pyx", ".pxi"};
    if (path->bytes[0] != '/' || strlen(path->bytes) != path->length)
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (path->length > length && !strcmp(path->bytes + path->length - length, endings[i]))
            return true;
    }
    return false;
}

static const char *unfit(const struct stat *st, uint64_t started_unix_ns)
{
    uint64_t changed_ns =
        (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
    if (!S_ISREG(st->st_mode))
        return "This is no regular file.";
    if (!started_unix_ns || st->st_mtim.tv_sec < 0 || changed_ns > started_unix_ns)
        return "The file has changed since the recording began, so its lines were left out.";
    if ((uint64_t)st->st_size > CODE_FILE_BYTES)
        return "The file is too large to be shown.";
    return 0;
}

static int read_whole(struct code_file *f, int fd, size_t size)
{
    f->text = malloc(size + 1);
    if (!f->text)
        return -ERR_NOMEM;
    f->length = descriptor_read(fd, f->text, size);
    f->text[f->length] = 0;
    return 0;
}

static int read_file(struct code_file *f, uint64_t started_unix_ns)
{
    struct stat st;
    int fd = open(f->path->bytes, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = 0;
    if (fd < 0 || fstat(fd, &st))
        f->why_not = errno == ENOENT ? "The file was not there when this page was made."
                                     : "The file could not be read when this page was made.";
    else
        f->why_not = unfit(&st, started_unix_ns);
    if (!f->why_not)
        rc = read_whole(f, fd, (size_t)st.st_size);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int by_want(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int by_path(const void *a, const void *b)
{
    const struct known *left = a, *right = b;
    return left->path < right->path ? -1 : left->path > right->path;
}

static int by_score(const void *a, const void *b, void *context)
{
    const struct graph_node *nodes = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    if (nodes[left].score != nodes[right].score)
        return nodes[left].score > nodes[right].score ? -1 : 1;
    return left < right ? -1 : left > right;
}

/* The path of a frame that may have source; NULL for all else. */
static const struct name *path_of(const struct graph_node *n, const struct symbols *symbols)
{
    const struct function *f = n->kind == GRAPH_FRAME ? symbols_function(symbols, n->function) : 0;
    bool may = f && f->kind == FUNCTION_PYTHON && n->line && n->line < UINT32_MAX / 2;
    return may && python_name(f->file) ? f->file : 0;
}

/* All paths, each once; also makes s->files. NULL when out of memory. */
static struct known *find_paths(struct code *s, const struct graph *g,
                                const struct symbols *symbols)
{
    uint32_t count = 0, kept = 0;
    struct known *known = malloc((g->node_count + 1ul) * sizeof *known);
    for (uint32_t i = 0; known && i < g->node_count; i++)
        if (path_of(&g->nodes[i], symbols))
            known[count++].path = path_of(&g->nodes[i], symbols);
    if (!known)
        return 0;
    qsort(known, count, sizeof *known, by_path);
    for (uint32_t i = 0; i < count; i++)
        if (!kept || known[kept - 1].path != known[i].path)
            known[kept++].path = known[i].path;
    s->files = calloc(kept + 1ul, sizeof *s->files);
    for (uint32_t i = 0; s->files && i < kept; i++) {
        known[i].place = i;
        s->files[i].path = known[i].path;
    }
    s->file_count = kept;
    if (s->files)
        return known;
    free(known);
    return 0;
}

static void want_lines(struct code *s, const struct graph_node *n, uint32_t place)
{
    uint32_t context = n->score >= MUCH ? CODE_CONTEXT : 1, line = (uint32_t)n->line;
    uint32_t first = line > context ? line - context : 1;
    for (uint32_t i = first; i <= line + context; i++)
        s->wants[s->want_count++] = (uint64_t)place << 32 | i;
}

/* Sorts the wants, takes out what stands there twice, and tells files where theirs are. */
static void sort_wants(struct code *s)
{
    uint32_t kept = 0;
    qsort(s->wants, s->want_count, sizeof *s->wants, by_want);
    for (uint32_t i = 0; i < s->want_count; i++) {
        if (kept && s->wants[kept - 1] == s->wants[i])
            continue;
        struct code_file *f = &s->files[s->wants[i] >> 32];
        f->first_want = f->want_count++ ? f->first_want : kept;
        s->wants[kept++] = s->wants[i];
    }
    s->want_count = kept;
}

static int find_wants(struct code *s, const struct graph *g, const struct symbols *symbols,
                      const struct known *known)
{
    uint32_t *order = malloc((g->node_count + 1ul) * sizeof *order);
    s->wants = malloc((CODE_LINES + 2 * CODE_CONTEXT + 1) * sizeof *s->wants);
    for (uint32_t i = 0; order && i < g->node_count; i++)
        order[i] = i;
    if (order)
        qsort_r(order, g->node_count, sizeof *order, by_score, g->nodes);
    for (uint32_t i = 0; order && s->wants && i < g->node_count; i++) {
        const struct graph_node *n = &g->nodes[order[i]];
        struct known wanted = {path_of(n, symbols), 0}, *found;
        if (!wanted.path || s->want_count >= CODE_LINES)
            continue;
        found = bsearch(&wanted, known, s->file_count, sizeof wanted, by_path);
        want_lines(s, n, found->place);
    }
    free(order);
    if (!order || !s->wants)
        return -ERR_NOMEM;
    sort_wants(s);
    return 0;
}

int code_read(struct code *s, const struct graph *g, const struct symbols *symbols,
              uint64_t started_unix_ns)
{
    *s = (struct code){0};
    struct known *known = find_paths(s, g, symbols);
    int rc = known ? find_wants(s, g, symbols, known) : -ERR_NOMEM;
    for (uint32_t i = 0; i < s->file_count && !rc; i++)
        if (s->files[i].want_count)
            rc = read_file(&s->files[i], started_unix_ns);
    free(known);
    return rc;
}

void code_release(struct code *s)
{
    for (uint32_t i = 0; s->files && i < s->file_count; i++)
        free(s->files[i].text);
    free(s->files);
    free(s->wants);
    *s = (struct code){0};
}

/* Steps through the lines of a text: false at its end. */
static bool next_line(const char **at, const char *end, const char **line, size_t *length)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *length = (size_t)((stop ? stop : end) - *at);
    if (*length && (*line)[*length - 1] == '\r')
        --*length;
    *at = stop ? stop + 1 : end;
    return true;
}

/* A cut never parts a character. */
static size_t shown_length(const char *line, size_t length)
{
    if (length <= CODE_LINE_BYTES)
        return length;
    length = CODE_LINE_BYTES;
    while (length && ((unsigned char)line[length] & 0xC0) == 0x80)
        length--;
    return length;
}

static void put_lines(const struct code *s, const struct code_file *f, struct json *j)
{
    const char *at = f->text, *line;
    size_t length;
    uint32_t number = 0, last = 0, left = f->want_count;
    const uint64_t *want = s->wants + f->first_want;
    while (left && next_line(&at, f->text + f->length, &line, &length)) {
        if (++number != (uint32_t)*want)
            continue;
        if (last + 1 != number || !last) {
            if (last)
                json_end_array(j);
            json_flat_array(j, 0);
            json_number(j, 0, number);
        }
        json_text(j, 0, line, shown_length(line, length));
        last = number;
        want++;
        left--;
    }
    if (last)
        json_end_array(j);
}

static void put_file(const struct code *s, const struct code_file *f, struct json *j)
{
    json_array(j, 0);
    json_text(j, 0, f->path->bytes, f->path->length);
    if (f->why_not)
        json_string(j, 0, f->why_not);
    else
        json_null(j, 0);
    json_array(j, 0);
    if (f->text)
        put_lines(s, f, j);
    json_end_array(j);
    json_end_array(j);
}

int code_pack(const struct code *s, struct pack *p)
{
    char *text = 0;
    size_t length = 0;
    struct json j;
    struct pack section = {0};
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return -ERR_NOMEM;
    json_init(&j, out);
    json_array(&j, 0);
    for (uint32_t i = 0; i < s->file_count; i++)
        if (s->files[i].want_count)
            put_file(s, &s->files[i], &j);
    json_end_array(&j);
    section.failed = fclose(out) != 0;
    pack_bytes(&section, text, length);
    free(text);
    pack_section(p, "srcl", &section);
    return p->failed ? -ERR_NOMEM : 0;
}

const char *code_line(const struct code *s, const struct name *path, uint32_t line, size_t *length)
{
    *length = 0;
    for (uint32_t i = 0; i < s->file_count; i++) {
        const struct code_file *f = &s->files[i];
        const char *at = f->text, *text = "";
        if (f->path != path || !f->text)
            continue;
        while (line-- && next_line(&at, f->text + f->length, &text, length))
            ;
        if (line != UINT32_MAX)
            *length = 0;
        for (; *length && strchr(" \t\f", *text); ++text)
            --*length;
        return text;
    }
    return "";
}
