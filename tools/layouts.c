/* Prints the facts of recorder/preload/layout.def for the CPython whose headers this is compiled
 * against, as "name value" lines.
 *
 * Built and run by tools/layouts, once for each interpreter. A fact that a version doesn't have is
 * printed as NONE. The table is for x86-64 with glibc; compiled elsewhere it prints that place's
 * facts. Not here: what the facts are for (recorder/preload/layout.h). */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>

#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"

#define V(minor) (PY_VERSION_HEX >= (0x03000000 | (minor) << 16))

#if V(11)
#    include "internal/pycore_code.h"
#    include "internal/pycore_frame.h"
#else
#    include <frameobject.h>
#endif
#if V(14)
#    include "internal/pycore_interpframe.h"
#    include "internal/pycore_tstate.h"
#endif
#if V(13)
#    include "internal/pycore_runtime_init.h"
#    if V(14)
#        include "internal/pycore_debug_offsets.h"
#    endif
#endif

#ifdef Py_GIL_DISABLED
#    define FREE_THREADED 1
#else
#    define FREE_THREADED 0
#endif

static void fact(const char *name, size_t value) { printf("%s %zu\n", name, value); }
static void word(const char *name, const char *value) { printf("%s %s\n", name, value); }
#define OFFSET(name, type, member) fact(#name, offsetof(type, member))

/* The position of the lowest bit of a bit field in the 32-bit word that holds it. */
#define BIT(name, field)                                                                           \
    do {                                                                                           \
        PyASCIIObject text = {0};                                                                  \
        unsigned bits;                                                                             \
        text.state.field = 1;                                                                      \
        memcpy(&bits, &text.state, sizeof bits);                                                   \
        fact(#name, (size_t)__builtin_ctz(bits));                                                  \
    } while (0)

static void print_objects(void)
{
    OFFSET(object_type, PyObject, ob_type);
    OFFSET(object_size, PyVarObject, ob_size);
    OFFSET(type_size, PyTypeObject, tp_basicsize);
    OFFSET(type_dealloc, PyTypeObject, tp_dealloc);
    OFFSET(type_members, PyTypeObject, tp_members);
    OFFSET(bytes_data, PyBytesObject, ob_sval);
    fact("bytes_type_size", offsetof(PyBytesObject, ob_sval) + 1);
    OFFSET(text_length, PyASCIIObject, length);
    OFFSET(text_state, PyASCIIObject, state);
    fact("text_ascii_data", sizeof(PyASCIIObject));
    fact("text_compact_data", sizeof(PyCompactUnicodeObject));
    OFFSET(text_data, PyUnicodeObject, data);
    fact("text_type_size", sizeof(PyUnicodeObject));
    BIT(text_kind_bit, kind);
    BIT(text_compact_bit, compact);
    BIT(text_ascii_bit, ascii);
}

static void print_thread_state(void)
{
#if V(13)
    word("tstate_source", "TSTATE_GET_UNCHECKED");
#elif V(12)
    word("tstate_source", "TSTATE_UNCHECKED_GET");
#else
    word("tstate_source", "TSTATE_IN_RUNTIME");
#endif
    OFFSET(runtime_finalizing, _PyRuntimeState, _finalizing);
#if V(12)
    word("runtime_tstate", "NONE");
    word("runtime_interp_head", "NONE");
    word("runtime_interp_main", "NONE");
#else
    OFFSET(runtime_tstate, _PyRuntimeState, gilstate.tstate_current);
    OFFSET(runtime_interp_head, _PyRuntimeState, interpreters.head);
    OFFSET(runtime_interp_main, _PyRuntimeState, interpreters.main);
#endif
    OFFSET(tstate_thread, PyThreadState, thread_id);
#if V(13)
    OFFSET(tstate_frame, PyThreadState, current_frame);
    word("cframe_frame", "NONE");
#elif V(11)
    OFFSET(tstate_frame, PyThreadState, cframe);
    OFFSET(cframe_frame, _PyCFrame, current_frame);
#else
    OFFSET(tstate_frame, PyThreadState, frame);
    word("cframe_frame", "NONE");
#endif
#if V(13) || !V(10)
    word("tstate_cframe", "NONE");
    word("cframe_previous", "NONE");
    word("tstate_root_cframe", "NONE");
#elif V(11)
    OFFSET(tstate_cframe, PyThreadState, cframe);
    OFFSET(cframe_previous, _PyCFrame, previous);
    OFFSET(tstate_root_cframe, PyThreadState, root_cframe);
#else
    OFFSET(tstate_cframe, PyThreadState, cframe);
    OFFSET(cframe_previous, CFrame, previous);
    OFFSET(tstate_root_cframe, PyThreadState, root_cframe);
#endif
#if V(15)
    OFFSET(tstate_mark, PyThreadState, last_profiled_frame);
    OFFSET(tstate_mark_pops, PyThreadState, last_profiled_frame_seq);
#else
    word("tstate_mark", "NONE");
    word("tstate_mark_pops", "NONE");
#endif
}

#if V(11)
static void print_frame(void)
{
    word("ip_kind", "IP_POINTER");
    word("frame_trace_lines", "NONE");
    OFFSET(frame_previous, _PyInterpreterFrame, previous);
    OFFSET(frame_owner, _PyInterpreterFrame, owner);
#    if V(13)
    OFFSET(frame_code, _PyInterpreterFrame, f_executable);
    OFFSET(frame_ip, _PyInterpreterFrame, instr_ptr);
#    else
    OFFSET(frame_code, _PyInterpreterFrame, f_code);
    OFFSET(frame_ip, _PyInterpreterFrame, prev_instr);
#    endif
#    if V(14)
    fact("frame_code_tags", Py_TAG_BITS);
    fact("frame_owner_shim", FRAME_OWNED_BY_INTERPRETER);
#    elif V(12)
    fact("frame_code_tags", 0);
    fact("frame_owner_shim", FRAME_OWNED_BY_CSTACK);
#    else
    fact("frame_code_tags", 0);
    word("frame_owner_shim", "NONE");
#    endif
    fact("frame_owner_generator", FRAME_OWNED_BY_GENERATOR);
#    if V(12)
    word("frame_entry", "NONE");
#    else
    OFFSET(frame_entry, _PyInterpreterFrame, is_entry);
#    endif
    fact("frame_type_size",
         offsetof(PyFrameObject, _f_frame_data) + offsetof(_PyInterpreterFrame, localsplus));
#    if V(14) && FREE_THREADED
    OFFSET(frame_tlbc, _PyInterpreterFrame, tlbc_index);
#    else
    word("frame_tlbc", "NONE");
#    endif
}
#else
static void print_frame(void)
{
    word("ip_kind", V(10) ? "IP_LASTI_UNITS" : "IP_LASTI_BYTES");
    OFFSET(frame_previous, PyFrameObject, f_back);
    word("frame_owner", "NONE");
    OFFSET(frame_code, PyFrameObject, f_code);
    OFFSET(frame_ip, PyFrameObject, f_lasti);
    OFFSET(frame_trace_lines, PyFrameObject, f_trace_lines);
    fact("frame_code_tags", 0);
    word("frame_owner_shim", "NONE");
    word("frame_owner_generator", "NONE");
    word("frame_entry", "NONE");
    fact("frame_type_size", sizeof(PyFrameObject));
    word("frame_tlbc", "NONE");
}
#endif

static void print_code(void)
{
    OFFSET(code_filename, PyCodeObject, co_filename);
    OFFSET(code_name, PyCodeObject, co_name);
    OFFSET(code_first_line, PyCodeObject, co_firstlineno);
#if V(11)
    word("table_kind", "LINE_TABLE_LOCATIONS");
    OFFSET(code_table, PyCodeObject, co_linetable);
    OFFSET(code_qualname, PyCodeObject, co_qualname);
    word("code_bytecode", "NONE");
    OFFSET(code_instructions, PyCodeObject, co_code_adaptive);
    OFFSET(code_traceable, PyCodeObject, _co_firsttraceable);
    fact("code_type_size", offsetof(PyCodeObject, co_code_adaptive));
#else
    word("table_kind", V(10) ? "LINE_TABLE_PAIRS" : "LINE_TABLE_LNOTAB");
#    if V(10)
    OFFSET(code_table, PyCodeObject, co_linetable);
#    else
    OFFSET(code_table, PyCodeObject, co_lnotab);
#    endif
    word("code_qualname", "NONE");
    OFFSET(code_bytecode, PyCodeObject, co_code);
    word("code_instructions", "NONE");
    word("code_traceable", "NONE");
    fact("code_type_size", sizeof(PyCodeObject));
#endif
#if V(14) && FREE_THREADED
    OFFSET(code_tlbc, PyCodeObject, co_tlbc);
    OFFSET(tlbc_entries, _PyCodeArray, entries);
#else
    word("code_tlbc", "NONE");
    word("tlbc_entries", "NONE");
#endif
}

/* Indexes into _Py_DebugOffsets taken as an array of 64-bit words. */
#if V(13)
#    define WORD(name, member) fact(#    name, offsetof(_Py_DebugOffsets, member) / 8)
static void print_debug_offsets(void)
{
    WORD(debug_finalizing, runtime_state.finalizing);
    WORD(debug_tstate_frame, thread_state.current_frame);
    WORD(debug_tstate_thread, thread_state.thread_id);
#    if V(15)
    WORD(debug_tstate_mark, thread_state.last_profiled_frame);
    WORD(debug_tstate_mark_pops, thread_state.last_profiled_frame_seq);
#    else
    word("debug_tstate_mark", "NONE");
    word("debug_tstate_mark_pops", "NONE");
#    endif
    WORD(debug_frame_previous, interpreter_frame.previous);
    WORD(debug_frame_code, interpreter_frame.executable);
    WORD(debug_frame_ip, interpreter_frame.instr_ptr);
    WORD(debug_frame_owner, interpreter_frame.owner);
    WORD(debug_code_filename, code_object.filename);
    WORD(debug_code_name, code_object.name);
    WORD(debug_code_qualname, code_object.qualname);
    WORD(debug_code_table, code_object.linetable);
    WORD(debug_code_first_line, code_object.firstlineno);
    WORD(debug_code_instructions, code_object.co_code_adaptive);
    WORD(debug_object_type, pyobject.ob_type);
    WORD(debug_text_length, unicode_object.length);
    WORD(debug_text_state, unicode_object.state);
    WORD(debug_text_ascii_data, unicode_object.asciiobject_size);
#    if V(14)
    WORD(debug_frame_tlbc, interpreter_frame.tlbc_index);
    WORD(debug_code_tlbc, code_object.co_tlbc);
#    else
    word("debug_frame_tlbc", "NONE");
    word("debug_code_tlbc", "NONE");
#    endif
}
#else
static void print_debug_offsets(void)
{
    static const char *const names[] = {
        "debug_finalizing",        "debug_tstate_frame",    "debug_tstate_thread",
        "debug_frame_previous",    "debug_frame_code",      "debug_frame_ip",
        "debug_frame_owner",       "debug_code_filename",   "debug_code_name",
        "debug_code_qualname",     "debug_code_table",      "debug_code_first_line",
        "debug_code_instructions", "debug_object_type",     "debug_text_length",
        "debug_text_state",        "debug_text_ascii_data", "debug_frame_tlbc",
        "debug_code_tlbc",         "debug_tstate_mark",     "debug_tstate_mark_pops"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        word(names[i], "NONE");
}
#endif

int main(void)
{
    fact("minor", PY_MINOR_VERSION);
    fact("free_threaded", FREE_THREADED);
    print_objects();
    print_thread_state();
    print_frame();
    print_code();
    print_debug_offsets();
    return 0;
}
