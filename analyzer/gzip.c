/* zlib's deflate with gzip's header and trailer, a buffer at a time (gzip.h). Why a low level: the
 * same names come again and again, and higher ones take three times as long for a tenth less. */
#include "analyzer/gzip.h"

#include "format/error.h"
#include <limits.h>

#define LEVEL       4
#define GZIP_WINDOW (15 + 16) /* zlib.h, deflateInit2: 16 more asks for gzip */

int gzip_begin(struct gzip *g, FILE *out)
{
    g->z = (z_stream){0};
    g->out = out;
    return deflateInit2(&g->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK
               ? 0
               : -ERR_NOMEM;
}

static void pump(struct gzip *g, int flush)
{
    do {
        g->z.next_out = g->bytes;
        g->z.avail_out = sizeof g->bytes;
        deflate(&g->z, flush);
        fwrite(g->bytes, 1, sizeof g->bytes - g->z.avail_out, g->out);
    } while (!g->z.avail_out);
}

void gzip_write(struct gzip *g, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    while (length) {
        unsigned part = length < UINT_MAX ? (unsigned)length : UINT_MAX;
        g->z.next_in = (unsigned char *)at;
        g->z.avail_in = part;
        pump(g, Z_NO_FLUSH);
        at += part;
        length -= part;
    }
}

void gzip_end(struct gzip *g)
{
    g->z.avail_in = 0;
    pump(g, Z_FINISH);
    deflateEnd(&g->z);
}
