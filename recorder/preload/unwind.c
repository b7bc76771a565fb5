/* One symbolic step by libunwind (unwind.h; built by tools/setup-unwind, remote part only).
 *
 * Names are numbers with a region in the upper byte: RSP and RBP each have one, a word read at such
 * an address is the address in another region, a word read there in a third. What comes back is
 * taken apart the same way; whatever else a step comes to is RULE_NONE.
 * What libunwind asks of libc it gets from here: one static block for its address space, pages from
 * the kernel, and nothing to lock, for it runs under our own lock. */
#define _GNU_SOURCE
#include "recorder/preload/unwind.h"

#ifdef MEMREC_NATIVE

#    include <dlfcn.h>
#    include <link.h>
#    include <string.h>
#    include <sys/syscall.h>
#    include <unistd.h>

#    include <libunwind.h>

#    include "recorder/preload/peek.h"

/* Its own, in the part that we build; no header of its shows them. */
extern int _Ux86_64_dwarf_search_unwind_table(unw_addr_space_t space, unw_word_t ip,
                                              unw_dyn_info_t *table, unw_proc_info_t *found,
                                              int need, void *context);
extern void _Ux86_64_dwarf_put_unwind_info(unw_addr_space_t space, unw_proc_info_t *found,
                                           void *context);
/* glibc 2.35; not there in an older process that the library is loaded into. */
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

#    define HIDDEN __attribute__((visibility("hidden")))

/* ---- what it calls */

enum { SPACE_BYTES = 1 << 17 };

HIDDEN void *native_calloc(size_t count, size_t bytes)
{
    static char block[SPACE_BYTES] __attribute__((aligned(64)));
    static bool taken;
    if (taken || count * bytes > sizeof block)
        return NULL;
    taken = true;
    return block;
}

HIDDEN void native_free(void *block) { (void)block; }
HIDDEN int native_getpagesize(void) { return 4096; }

HIDDEN void *native_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, hint, bytes, protection, flags, fd, offset);
}

HIDDEN int native_munmap(void *address, size_t bytes)
{
    return (int)syscall(SYS_munmap, address, bytes);
}

HIDDEN int native_sigfillset(void *set)
{
    (void)set;
    return 0;
}

HIDDEN int native_mutex_init(void *mutex, const void *attributes)
{
    (void)mutex;
    (void)attributes;
    return 0;
}

HIDDEN int native_mutex_lock(void *mutex)
{
    (void)mutex;
    return 0;
}

HIDDEN int native_mutex_unlock(void *mutex)
{
    (void)mutex;
    return 0;
}

/* ---- names */

enum region {
    REGION_SP = 1,
    REGION_BP = 2,
    REGION_READ = 4, /* added: the word that stands at that place */
    REGION_OTHER = 0x40
};
#    define REGION_SHIFT 56
#    define MIDDLE       (UINT64_C(1) << 43)

static unw_word_t name_of(enum region region) { return (uint64_t)region << REGION_SHIFT | MIDDLE; }
static unsigned region_of(unw_word_t name) { return (unsigned)(name >> REGION_SHIFT); }

/* What a name's place is away from its region's base. */
static int64_t offset_of(unw_word_t name)
{
    return (int64_t)(name & ((UINT64_C(1) << REGION_SHIFT) - 1)) - (int64_t)MIDDLE;
}

/* The place that a read word stood at; 0: the name is of no read word. */
static unw_word_t place_of(unw_word_t word)
{
    unsigned region = region_of(word);
    unw_word_t read = (uint64_t)REGION_READ << REGION_SHIFT;
    if (region > 3 * REGION_READ && region < 4 * REGION_READ)
        return word - 2 * read;
    return region > REGION_READ && region < 2 * REGION_READ ? word - read : 0;
}

/* ---- what it reads through: one frame at a time */

static struct {
    uintptr_t ip;
    bool failed; /* no unwind information, or it asked for what it must not see */
} step;

static struct glance seen; /* pages of code and tables that are readable */

void unwind_forget(void) { memset(&seen, 0, sizeof seen); }

bool unwind_possible(void) { return &_dl_find_object != NULL; }

static bool in_module(uintptr_t address, struct dl_find_object *found)
{
    return _dl_find_object((void *)address, found) == 0;
}

/* The table of .eh_frame_hdr that binary search can use: the one that linkers make. */
static bool table_of(uintptr_t ip, unw_dyn_info_t *table)
{
    struct dl_find_object found;
    uint8_t head[12];
    if (!in_module(ip, &found) || !found.dlfo_eh_frame)
        return false;
    uintptr_t at = (uintptr_t)found.dlfo_eh_frame;
    if (!peek(&seen, at, head, sizeof head) || head[0] != 1 || head[1] != 0x1b || head[2] != 3 ||
        head[3] != 0x3b)
        return false;
    uint32_t count;
    memcpy(&count, head + 8, sizeof count);
    memset(table, 0, sizeof *table);
    table->start_ip = (uintptr_t)found.dlfo_map_start;
    table->end_ip = (uintptr_t)found.dlfo_map_end;
    table->format = UNW_INFO_FORMAT_REMOTE_TABLE;
    table->u.rti.segbase = at;
    table->u.rti.table_data = at + sizeof head;
    table->u.rti.table_len = count;
    return true;
}

static int find_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *found, int need,
                     void *context)
{
    unw_dyn_info_t table;
    int status = -UNW_ENOINFO;
    if (table_of(ip, &table))
        status = _Ux86_64_dwarf_search_unwind_table(space, ip, &table, found, need, context);
    if (status < 0)
        step.failed = true;
    return status;
}

static int find_dynamic(unw_addr_space_t space, unw_word_t *list, void *context)
{
    (void)space;
    (void)list;
    (void)context;
    return -UNW_ENOINFO;
}

static int read_memory(unw_addr_space_t space, unw_word_t at, unw_word_t *word, int write,
                       void *context)
{
    struct dl_find_object found;
    unsigned region = region_of(at);
    (void)space;
    (void)context;
    if (!write && region > 0 && region < REGION_READ)
        *word = at + ((uint64_t)REGION_READ << REGION_SHIFT);
    else if (!write && region > REGION_READ && region < 2 * REGION_READ)
        *word = at + ((uint64_t)REGION_READ << REGION_SHIFT) * 2;
    else if (write || !in_module(at, &found) || !peek(&seen, at, word, sizeof *word))
        step.failed = true;
    return step.failed ? -UNW_EINVAL : 0;
}

static int read_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *word, int write,
                         void *context)
{
    (void)space;
    (void)context;
    if (write)
        return -UNW_EINVAL;
    switch (number) {
    case UNW_X86_64_RIP: *word = step.ip; break;
    case UNW_X86_64_RSP: *word = name_of(REGION_SP); break;
    case UNW_X86_64_RBP: *word = name_of(REGION_BP); break;
    default: *word = (uint64_t)(REGION_OTHER + (unsigned)number) << REGION_SHIFT; break;
    }
    return 0;
}

static int read_float(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write,
                      void *context)
{
    (void)space;
    (void)number;
    (void)value;
    (void)write;
    (void)context;
    return -UNW_EINVAL;
}

static unw_addr_space_t address_space(void)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_info,
        .put_unwind_info = _Ux86_64_dwarf_put_unwind_info,
        .get_dyn_info_list_addr = find_dynamic,
        .access_mem = read_memory,
        .access_reg = read_register,
        .access_fpreg = read_float,
    };
    static unw_addr_space_t space;
    if (!space) {
        space = unw_create_addr_space(&accessors, 0);
        if (space)
            unw_set_caching_policy(space, UNW_CACHE_NONE);
    }
    return space;
}

bool unwind_range(uintptr_t ip, uintptr_t *from, uintptr_t *to)
{
    unw_addr_space_t space = address_space();
    unw_proc_info_t found;
    unw_dyn_info_t table;
    if (!space || !table_of(ip, &table) ||
        _Ux86_64_dwarf_search_unwind_table(space, ip, &table, &found, 0, NULL) < 0)
        return false;
    *from = found.start_ip;
    *to = found.end_ip;
    return true;
}

/* ---- the answer as a rule */

enum { OFFSET_MAX = (1 << 23) - 1, WIDE_MAX = 4096 };

static struct wide_rule wides[WIDE_MAX];
static uint32_t wide_count;

const struct wide_rule *unwind_wide(uint64_t rule) { return &wides[rule >> 8 & (WIDE_MAX - 1)]; }

static bool fits(int64_t offset) { return offset >= -OFFSET_MAX && offset <= OFFSET_MAX; }

static uint64_t plain(bool from_bp, int64_t cfa_offset, bool saves_bp, int64_t bp_offset)
{
    return RULE_PLAIN | (from_bp ? RULE_FROM_BP : 0u) | (saves_bp ? RULE_SAVES_BP : 0u) |
           ((uint64_t)(uint32_t)cfa_offset & 0xFFFFFF) << 8 |
           ((uint64_t)(uint32_t)bp_offset & 0xFFFFFF) << 32;
}

/* The number of an equal rule, or of this one, now. */
static uint64_t wide(const struct wide_rule *rule)
{
    uint32_t i = 0;
    while (i < wide_count && memcmp(&wides[i], rule, sizeof *rule) != 0)
        i++;
    if (i == WIDE_MAX)
        return RULE_NONE;
    wides[i] = *rule;
    wide_count += i == wide_count;
    return RULE_WIDE | (uint64_t)i << 8;
}

/* A place as base and offset. cfa: 0 where it doesn't stand in memory itself. */
static bool place_is(unw_word_t place, unw_word_t cfa, uint8_t *base, int32_t *offset)
{
    unsigned region = region_of(place);
    int64_t distance = offset_of(place);
    if (cfa && region == region_of(cfa)) {
        *base = BASE_CFA;
        distance = (int64_t)(place - cfa);
    } else if (region == REGION_SP || region == REGION_BP) {
        *base = region == REGION_SP ? BASE_SP : BASE_BP;
    } else {
        return false;
    }
    *offset = (int32_t)distance;
    return fits(distance);
}

/* ip, sp, bp: names of the caller's registers. */
static uint64_t to_rule(unw_word_t ip, unw_word_t sp, unw_word_t bp)
{
    unsigned region = region_of(sp);
    unw_word_t ra_at = place_of(ip), bp_at = place_of(bp);
    bool read = region & REGION_READ, same_bp = bp == name_of(REGION_BP) || bp == 0;
    if (!ra_at || (region & 3) == 0 || region > 6 || (!same_bp && !bp_at))
        return RULE_NONE;
    int64_t cfa_offset = offset_of(sp), bp_offset = same_bp ? 0 : (int64_t)(bp_at - sp);
    if (!read && ra_at == sp - 8 && (same_bp || region_of(bp_at) == region) && fits(cfa_offset) &&
        fits(bp_offset))
        return plain(region == REGION_BP, cfa_offset, !same_bp, bp_offset);
    struct wide_rule rule = {.cfa_base = (region & 3) == REGION_BP ? BASE_BP : BASE_SP,
                             .cfa_read = read,
                             .bp_base = BASE_NOWHERE,
                             .cfa_offset = (int32_t)cfa_offset};
    unw_word_t cfa = read ? sp : 0;
    if (!fits(cfa_offset) || !place_is(ra_at, cfa, &rule.ra_base, &rule.ra_offset) ||
        (!same_bp && !place_is(bp_at, cfa, &rule.bp_base, &rule.bp_offset)))
        return RULE_NONE;
    return wide(&rule);
}

static uint64_t by_information(uintptr_t ip)
{
    unw_cursor_t cursor;
    unw_addr_space_t space = address_space();
    unw_word_t caller, sp, bp;
    step.ip = ip;
    step.failed = !space;
    if (step.failed || unw_init_remote(&cursor, space, NULL) < 0)
        return RULE_NONE;
    int status = unw_step(&cursor);
    if (step.failed || status < 0)
        return RULE_NONE;
    if (status == 0)
        return RULE_END;
    unw_get_reg(&cursor, UNW_REG_IP, &caller);
    unw_get_reg(&cursor, UNW_REG_SP, &sp);
    unw_get_reg(&cursor, UNW_X86_64_RBP, &bp);
    return step.failed ? RULE_NONE : to_rule(caller, sp, bp);
}

/* ---- without information: add $n,%rsp; pop...; ret */

enum { POPS_MAX = 8, EPILOGUE_BYTES = 7 + 2 * POPS_MAX + 1 };

static unsigned frame_freed(const uint8_t *code, int32_t *bytes)
{
    if (code[0] != 0x48 || code[2] != 0xC4 || (code[1] != 0x83 && code[1] != 0x81))
        return 0;
    if (code[1] == 0x83)
        *bytes = (int8_t)code[3];
    else
        memcpy(bytes, code + 3, sizeof *bytes);
    return code[1] == 0x83 ? 4 : 7;
}

static uint64_t by_epilogue(uintptr_t ip)
{
    uint8_t code[EPILOGUE_BYTES + 1] = {0};
    int32_t bytes = 0, bp_at = -1;
    struct glance look = {0};
    if (!peek(&look, ip, code, EPILOGUE_BYTES))
        return RULE_NONE;
    unsigned at = frame_freed(code, &bytes);
    for (int pops = 0; pops < POPS_MAX; pops++, bytes += 8) {
        if (code[at] == 0x5D)
            bp_at = bytes;
        if (code[at] >= 0x58 && code[at] <= 0x5F && code[at] != 0x5C)
            at++;
        else if (code[at] == 0x41 && code[at + 1] >= 0x58 && code[at + 1] <= 0x5F)
            at += 2;
        else
            break;
    }
    if (code[at] != 0xC3 || bytes < 0 || !fits(bytes + 8))
        return RULE_NONE;
    return plain(false, bytes + 8, bp_at >= 0, bp_at - (bytes + 8));
}

static bool code_is(uintptr_t ip, const void *code, size_t bytes)
{
    uint8_t here[16];
    struct dl_find_object found;
    return in_module(ip, &found) && peek(&seen, ip, here, bytes) && memcmp(here, code, bytes) == 0;
}

/* Does a signal handler return through here (mov $15,%rax; syscall)? Another signal may interrupt
 * these two: the second is as much of it. */
static bool is_signal_return(uintptr_t ip, bool exact)
{
    static const uint8_t code[] = {0x48, 0xC7, 0xC0, 0x0F, 0, 0, 0, 0x0F, 0x05};
    enum { SECOND = 7 };
    return code_is(ip, code, sizeof code) || (exact && code_is(ip - SECOND, code, sizeof code));
}

/* Does a stack that makecontext made begin here? Its first function returns to the first
 * instruction of glibc's __start_context, mov %rbx,%rsp, and what lies before that is padding. */
static bool is_context_start(uintptr_t ip)
{
    static const uint8_t code[] = {0x48, 0x89, 0xDC}, landing[] = {0xF3, 0x0F, 0x1E, 0xFA};
    return code_is(ip, code, sizeof code) ||
           (code_is(ip, landing, sizeof landing) && code_is(ip + 4, code, sizeof code));
}

/* Is it code of greenlet? _greenlet.cpython-..., before 1.0 without the underscore. */
static bool copies_stacks(uintptr_t ip)
{
    static const char greenlet[] = "/greenlet.", underscored[] = "/_greenlet.";
    struct dl_find_object found;
    const char *path = in_module(ip, &found) ? found.dlfo_link_map->l_name : NULL;
    return path && (strstr(path, underscored) || strstr(path, greenlet));
}

uint64_t unwind_learn(uintptr_t ip, bool exact)
{
    uint64_t rule = by_information(exact ? ip : ip - 1);
    if ((rule & RULE_KIND_BITS) == RULE_NONE && !exact)
        rule = is_context_start(ip) ? RULE_END : by_epilogue(ip);
    if (is_signal_return(ip, exact))
        rule |= RULE_INTERRUPTED;
    if (copies_stacks(exact ? ip : ip - 1))
        rule |= RULE_COPIES;
    return rule;
}

#else

bool unwind_possible(void) { return false; }

uint64_t unwind_learn(uintptr_t ip, bool exact)
{
    (void)ip;
    (void)exact;
    return RULE_NONE;
}

bool unwind_range(uintptr_t ip, uintptr_t *from, uintptr_t *to)
{
    (void)ip;
    (void)from;
    (void)to;
    return false;
}

const struct wide_rule *unwind_wide(uint64_t rule)
{
    static const struct wide_rule none;
    (void)rule;
    return &none;
}

void unwind_forget(void) {}

#endif
