/* A payload packed before its LZ4 frame is made (FORMAT.md 3.4): each column by itself, its
 * repetitions taken out by LZ4 and what is left written as prefix codes, where that is smaller.
 *
 *   count | of each column: length, method, packed length, length after LZ4 | columns
 *
 * Why inside the frame: stock tools accept the file, and LZ4 alone leaves a fifth to a half on the
 * table. Why columns by themselves: the bytes of each are of one kind. Invariants: unpacking gives
 * the payload back byte for byte, or says that it is damaged; it writes nothing beyond. Not here:
 * the codes (huffman.h), the frame (trace_write.c). Not thread-safe. */
#ifndef FORMAT_PACK_H
#define FORMAT_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Memory that is kept from block to block. All zero is a good start. */
struct packer {
    uint8_t *packed, *between; /* the result; one column after LZ4 */
    size_t packed_capacity, between_capacity;
    void *search;          /* of LZ4's thorough variant; NULL: not needed yet */
    size_t searched_bytes; /* what large columns took that were searched thoroughly */
};

/* Also of one that is all zero. */
void packer_release(struct packer *p);

/* Packs a payload as encoder_seal gave it. Returns the bytes at p->packed (until the next call),
 * less than `bytes`, or 0 where packing gains nothing or memory is out. */
size_t packer_pack(struct packer *p, const uint8_t *payload, size_t bytes);

/* Unpacks in[in_bytes], whatever it holds, into out[bytes]; in is not in p's memory. Returns 0,
 * -ERR_DAMAGED (out then holds anything) or -ERR_NOMEM. */
int packer_unpack(struct packer *p, const uint8_t *in, size_t in_bytes, uint8_t *out, size_t bytes);

#endif
