/* Decompress, unpack, check (payload.h). Hostile bytes end in -ERR_DAMAGED at one of the three. */
#include "format/payload.h"
#include "format/crc32.h"
#include <stdlib.h>
#include <string.h>

int payload_reader_init(struct payload_reader *r)
{
    *r = (struct payload_reader){0};
    if (!LZ4F_isError(LZ4F_createDecompressionContext(&r->lz4, LZ4F_VERSION)))
        return 0;
    r->lz4 = NULL;
    return -ERR_NOMEM;
}

void payload_reader_release(struct payload_reader *r)
{
    LZ4F_freeDecompressionContext(r->lz4);
    free(r->bytes);
    free(r->packed);
    packer_release(&r->packer);
}

/* LZ4 takes memory at a frame's start, and says by name only that there was none. */
static bool no_memory(size_t hint)
{
    return LZ4F_isError(hint) && !strcmp(LZ4F_getErrorName(hint), "ERROR_allocation_failed");
}

/* Decompresses exactly `bytes` out of exactly frame_bytes. Returns 0, -ERR_DAMAGED or -ERR_NOMEM.
 */
static int decompress(struct payload_reader *r, const uint8_t *frame, size_t frame_bytes,
                      uint8_t *content, size_t bytes)
{
    size_t in = 0, out = 0, hint = 1;
    while (hint != 0) {
        size_t out_step = bytes - out, in_step = frame_bytes - in;
        hint = LZ4F_decompress(r->lz4, content + out, &out_step, frame + in, &in_step, NULL);
        if (LZ4F_isError(hint) || (hint != 0 && out_step == 0 && in_step == 0))
            break;
        in += in_step;
        out += out_step;
    }
    if (hint != 0)
        LZ4F_resetDecompressionContext(r->lz4);
    if (no_memory(hint))
        return -ERR_NOMEM;
    return hint == 0 && in == frame_bytes && out == bytes ? 0 : -ERR_DAMAGED;
}

/* Memory of at least so many bytes. Returns 0 or -ERR_NOMEM. */
static int make_room(uint8_t **memory, size_t *capacity, size_t bytes)
{
    if (bytes <= *capacity)
        return 0;
    uint8_t *more = realloc(*memory, bytes);
    if (!more)
        return -ERR_NOMEM;
    *memory = more;
    *capacity = bytes;
    return 0;
}

int payload_read(struct payload_reader *r, const uint8_t *in, const struct block_frame *frame,
                 const struct block_info *info, const char **what)
{
    int result = make_room(&r->bytes, &r->capacity, info->payload_bytes);
    if (result == 0)
        result = make_room(&r->packed, &r->packed_capacity, frame->packed_bytes);
    if (result)
        return result;
    bool packed = frame->packed_bytes > 0;
    *what = "a block's frame is damaged";
    result = decompress(r, in, frame->bytes, packed ? r->packed : r->bytes,
                        packed ? frame->packed_bytes : info->payload_bytes);
    if (result == 0 && packed)
        result = packer_unpack(&r->packer, r->packed, frame->packed_bytes, r->bytes,
                               info->payload_bytes);
    if (result)
        return result;
    *what = "a block's checksum is wrong";
    return crc32_update(0, r->bytes, info->payload_bytes) == info->payload_crc32 ? 0 : -ERR_DAMAGED;
}
