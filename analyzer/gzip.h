/* A gzip stream (RFC 1952) written to a FILE as it is made. Why zlib: gzip is deflate, pprof's
 * readers expect it, and zlib is on every machine. Not here: what is compressed. Not
 * thread-safe. */
#ifndef ANALYZER_GZIP_H
#define ANALYZER_GZIP_H

#include <stddef.h>
#include <stdio.h>
#include <zlib.h>

struct gzip {
    z_stream z;
    FILE *out; /* borrowed; write errors show in ferror() */
    unsigned char bytes[1 << 16];
};

/* Starts a stream to out (borrowed). Returns 0 or -ERR_NOMEM; end is needed only after 0. */
int gzip_begin(struct gzip *g, FILE *out);
/* Appends length bytes. */
void gzip_write(struct gzip *g, const void *bytes, size_t length);
/* Writes what is left, and the trailer. */
void gzip_end(struct gzip *g);

#endif
