/* The op bytes of a payload and the order of its columns (FORMAT.md 3 and 3.1), for both
 * directions. Not here: what they carry (encode.c, decode.c). */
#ifndef FORMAT_OP_H
#define FORMAT_OP_H

enum column_id {
    COLUMN_OPS,
    COLUMN_STACKS,
    COLUMN_SIZES,
    COLUMN_FREES,
    COLUMN_ADDRESSES,
    COLUMN_RECORDS,
    COLUMN_PAGES,
    COLUMN_COUNT,
    COLUMN_COUNT_1 = COLUMN_PAGES /* of CODING_1 */
};

enum op {
    OP_ALLOC_LIMIT = 0x80, /* below it every byte is an ALLOC */
    OP_ALLOCATOR_MASK = 0x1F,
    OP_STACK_GIVEN = 0x20,
    OP_SIZE_GIVEN = 0x40,
    OP_FREE_RECENT = 0x80, /* + distance from the newest, < OP_FREE_SPAN */
    OP_FREE_NEAR = 0xA0,   /* + distance from the last freed + OP_NEAR_BIAS, < OP_FREE_SPAN */
    OP_FREE_SPAN = 0x20,
    OP_NEAR_BIAS = 0x10,
    OP_FREE_FAR = 0xC0,
    OP_FREE_ADDRESS,
    OP_ADDRESS,
    OP_UNFREE,
    OP_THREAD,
    OP_TIME,
    OP_STACK,
    OP_RECORD,
    OP_LIMIT_1,                  /* CODING_1: this byte and those above are reserved */
    OP_FREE_NEWEST = OP_LIMIT_1, /* + distance from the newest coded by address, < PLACE_NEWEST */
    OP_ADDRESS_EXPECTED = OP_FREE_NEWEST + 0x20,
    OP_TIME_COARSE,
    OP_LIMIT /* this byte and those above are reserved */
};

/* The bytes of `pages`: the slot that an address is close to (PLACE_PAGES of them), or */
enum page_code {
    PAGE_NEW = 0x40,   /* none: it is told from the last address of a new page */
    PAGE_EXACT = 0x80, /* with it: the difference is in bytes, not in units of 16 */
};

#endif
