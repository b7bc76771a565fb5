/* Finding the interpreter and comparing it with its row, see interp.h.
 *
 * What is compared, before the first instruction of Python runs:
 *   every version   tp_basicsize of code, frame, bytes and str; the offsets that PyCode_Type and
 *                   PyFrame_Type publish for their members
 *   3.13+           every offset of the row that _Py_DebugOffsets has, its version, its build
 * A debug build with larger objects, a patched or unreleased interpreter with other structs fails
 * one of these; what they cannot show (thread state and frames of <= 3.12) is compared with live
 * frames by verify.c. */
#define _GNU_SOURCE
#include "recorder/preload/interp.h"
#include "recorder/failpoint.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "recorder/line_table.h"
#include "recorder/preload/code.h"
#include "recorder/preload/memory.h"
#include "recorder/preload/real.h"
#include "recorder/preload/sentence.h"
#include "recorder/preload/walk.h"

struct interp interp;

static enum interp_verdict verdict;
static char version[32];

/* A fact that a struct publishes about itself under a name. */
struct published {
    const char *name;
    int32_t expected;
};

static uintptr_t symbol(void *handle, const char *name) { return (uintptr_t)dlsym(handle, name); }

/* ---- the version */

/* "3.13.0 experimental free-threading build (main, ..." from Py_GetVersion, which formats into a
 * static buffer and may be called before Py_Initialize. */
static bool read_version(void *handle)
{
    const char *(*get_version)(void);
    get_version = (const char *(*)(void))symbol(handle, "Py_GetVersion");
    const char *text = get_version ? get_version() : NULL;
    if (!text)
        return false;
    interp.free_threaded = strstr(text, "free-threading build") != NULL;
    size_t n = strcspn(text, " ");
    if (n > sizeof version - 2)
        n = sizeof version - 2;
    memcpy(version, text, n);
    if (interp.free_threaded)
        version[n++] = 't';
    version[n] = 0;
    interp.minor = 0;
    if (version[0] == '3' && version[1] == '.')
        for (const char *p = version + 2; *p >= '0' && *p <= '9' && interp.minor < 1000; p++)
            interp.minor = interp.minor * 10 + (*p - '0');
    return true;
}

/* ---- the symbols */

static bool find_symbols(void *handle)
{
    const char *getter = interp.layout.tstate_source == TSTATE_GET_UNCHECKED
                             ? "PyThreadState_GetUnchecked"
                             : "_PyThreadState_UncheckedGet";
    interp.runtime = symbol(handle, "_PyRuntime");
    interp.code_type = symbol(handle, "PyCode_Type");
    interp.frame_type = symbol(handle, "PyFrame_Type");
    interp.bytes_type = symbol(handle, "PyBytes_Type");
    interp.text_type = symbol(handle, "PyUnicode_Type");
    interp.attached = (uintptr_t(*)(void))symbol(handle, getter);
    interp.remembered = (uintptr_t(*)(void))symbol(handle, "PyGILState_GetThisThreadState");
    return interp.runtime && interp.code_type && interp.frame_type && interp.bytes_type &&
           interp.text_type && interp.attached && interp.remembered;
}

/* ---- the comparisons: each returns true, or false with the difference in the sentence */

static bool agree(struct sentence *s, const char *what, const char *name, int64_t found,
                  int64_t expected)
{
    if (found == expected)
        return true;
    sentence_add(s, what);
    sentence_add(s, name);
    sentence_add(s, " is ");
    sentence_add_number(s, found);
    sentence_add(s, ", expected ");
    sentence_add_number(s, expected);
    return false;
}

static bool type_sizes_agree(struct sentence *s)
{
    const struct layout *l = &interp.layout;
    const struct {
        const char *name;
        uintptr_t type;
        int32_t expected;
    } types[] = {
        {"code", interp.code_type, l->code_type_size},
        {"frame", interp.frame_type, l->frame_type_size},
        {"bytes", interp.bytes_type, l->bytes_type_size},
        {"str", interp.text_type, l->text_type_size},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        int64_t found = (int64_t)memory_word(types[i].type + (uintptr_t)l->type_size);
        if (!agree(s, "the size of ", types[i].name, found, types[i].expected))
            return false;
    }
    return true;
}

/* PyMemberDef: name, type, offset, flags, doc; the same in all versions. */
enum { MEMBER_OFFSET = 16, MEMBER_BYTES = 40 };

/* The offset that a type publishes for a member, or LAYOUT_NONE. */
static int64_t member_offset(uintptr_t type, const char *name)
{
    uintptr_t member = memory_word(type + (uintptr_t)interp.layout.type_members);
    for (; member; member += MEMBER_BYTES) {
        const char *found = (const char *)memory_word(member);
        if (!found)
            break;
        if (strcmp(found, name) == 0)
            return (int64_t)memory_word(member + MEMBER_OFFSET);
    }
    return LAYOUT_NONE;
}

static bool members_agree(struct sentence *s)
{
    const struct layout *l = &interp.layout;
    const struct published members[] = {
        {"co_filename", l->code_filename},
        {"co_name", l->code_name},
        {"co_firstlineno", l->code_first_line},
        {"co_qualname", l->code_qualname},
        {l->table_kind == LINE_TABLE_LNOTAB ? "co_lnotab" : "co_linetable", l->code_table},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!agree(s, "the offset of ", members[i].name,
                   member_offset(interp.code_type, members[i].name), members[i].expected))
            return false;
    if (l->ip_kind == IP_POINTER)
        return true;
    return agree(s, "the offset of ", "co_code", member_offset(interp.code_type, "co_code"),
                 l->code_bytecode) &&
           agree(s, "the offset of ", "f_back", member_offset(interp.frame_type, "f_back"),
                 l->frame_previous) &&
           agree(s, "the offset of ", "f_trace_lines",
                 member_offset(interp.frame_type, "f_trace_lines"), l->frame_trace_lines);
}

/* One word of _Py_DebugOffsets (3.13+, at the start of _PyRuntime). */
static int64_t debug_word(int32_t index)
{
    return (int64_t)memory_word(interp.runtime + 8 * (uintptr_t)index);
}

/* Its first words: the cookie, PY_VERSION_HEX, 1 for a free-threaded build. */
enum { DEBUG_VERSION = 1, DEBUG_FREE_THREADED = 2 };

static bool debug_header_agrees(struct sentence *s)
{
    if (memcmp((const void *)interp.runtime, "xdebugpy", 8) != 0) {
        sentence_add(s, "_PyRuntime doesn't begin with debug offsets");
        return false;
    }
    return agree(s, "_Py_DebugOffsets.", "version", debug_word(DEBUG_VERSION) >> 16,
                 0x300 | interp.minor) &&
           agree(s, "_Py_DebugOffsets.", "free_threaded", debug_word(DEBUG_FREE_THREADED),
                 interp.free_threaded);
}

static bool debug_offsets_agree(struct sentence *s)
{
    const struct layout *l = &interp.layout;
    if (l->debug_tstate_frame == LAYOUT_NONE)
        return true;
    if (!debug_header_agrees(s))
        return false;
#define DEBUG_FACT(fact)                                                                           \
    {                                                                                              \
#        fact, l->debug_##fact, l->fact                                                            \
    }
    const struct {
        const char *name;
        int32_t index, expected;
    } facts[] = {
        {"runtime_finalizing", l->debug_finalizing, l->runtime_finalizing},
        DEBUG_FACT(tstate_frame),
        DEBUG_FACT(tstate_thread),
        DEBUG_FACT(tstate_mark),
        DEBUG_FACT(tstate_mark_pops),
        DEBUG_FACT(frame_previous),
        DEBUG_FACT(frame_code),
        DEBUG_FACT(frame_ip),
        DEBUG_FACT(frame_owner),
        DEBUG_FACT(frame_tlbc),
        DEBUG_FACT(code_filename),
        DEBUG_FACT(code_name),
        DEBUG_FACT(code_qualname),
        DEBUG_FACT(code_table),
        DEBUG_FACT(code_first_line),
        DEBUG_FACT(code_instructions),
        DEBUG_FACT(code_tlbc),
        DEBUG_FACT(object_type),
        DEBUG_FACT(text_length),
        DEBUG_FACT(text_state),
        DEBUG_FACT(text_ascii_data),
    };
#undef DEBUG_FACT
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].index != LAYOUT_NONE && facts[i].expected != LAYOUT_NONE &&
            !agree(s, "_Py_DebugOffsets: ", facts[i].name, debug_word(facts[i].index),
                   facts[i].expected))
            return false;
    return true;
}

/* ---- the whole */

static enum interp_verdict compare(void *handle, struct sentence *s)
{
    if (!read_version(handle))
        return INTERP_NONE;
    sentence_add(s, "CPython ");
    sentence_add(s, version);
    sentence_add(s, ": ");
    if (!layout_find(&interp.layout, interp.minor, interp.free_threaded)) {
        sentence_add(s, "this version's layout is not known");
        return INTERP_UNKNOWN_VERSION;
    }
    interp.layout.frame_entry = LAYOUT_NONE; /* of no use without native frames */
    if (!FAILPOINT(interp_symbols, find_symbols(handle), false)) {
        sentence_add(s, "it doesn't export what stacks are read by");
        return INTERP_LAYOUT_MISMATCH;
    }
    if (!FAILPOINT(interp_layout, type_sizes_agree(s), false) || !members_agree(s) ||
        !debug_offsets_agree(s))
        return INTERP_LAYOUT_MISMATCH;
    sentence_add(s, "type sizes and member offsets agree");
    return INTERP_OK;
}

enum interp_verdict interp_probe(void *handle, char *fact, size_t capacity)
{
    static char kept_fact[INTERP_FACT_BYTES];
    struct sentence s;
    if (verdict == INTERP_NONE) {
        int saved_errno = errno;
        sentence_init(&s, kept_fact, sizeof kept_fact);
        verdict = compare(handle, &s);
        real_forget_error();
        if (verdict == INTERP_OK) {
            code_watch_deaths(interp.code_type);
            walk_start();
        }
        errno = saved_errno;
    }
    sentence_init(&s, fact, capacity);
    sentence_add(&s, kept_fact);
    return verdict;
}

const char *interp_version(void) { return version; }
