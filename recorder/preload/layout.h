/* Where things lie inside one version of CPython: the facts of layout.def as a struct.
 *
 * Values are byte offsets unless said otherwise; LAYOUT_NONE where the version has no such thing.
 * Sources: the version's own headers, read by tools/layouts. Which fact is about what:
 *   object_, type_, bytes_, text_   PyObject, PyTypeObject, PyBytesObject, the PyUnicode family
 *   runtime_, tstate_, cframe_      _PyRuntimeState, PyThreadState, _PyCFrame (3.11, 3.12)
 *   frame_                          PyFrameObject (<= 3.10), _PyInterpreterFrame (3.11+)
 *   code_, tlbc_                    PyCodeObject, _PyCodeArray (thread-local bytecode, 3.14t+)
 *   debug_                          word index in _Py_DebugOffsets (3.13+) of the same fact
 * Not here: whether the running interpreter agrees (interp.h). */
#ifndef RECORDER_PRELOAD_LAYOUT_H
#define RECORDER_PRELOAD_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

enum { LAYOUT_NONE = -1 };

/* How a frame says where it is. */
enum ip_kind {
    IP_LASTI_BYTES, /* an int: bytes from the first instruction (3.9) */
    IP_LASTI_UNITS, /* an int: 2-byte units (3.10) */
    IP_POINTER,     /* the address of an instruction (3.11+) */
};

/* How a thread finds its own attached thread state. */
enum tstate_source {
    TSTATE_IN_RUNTIME,    /* the GIL's holder stands in _PyRuntime (<= 3.11) */
    TSTATE_UNCHECKED_GET, /* _PyThreadState_UncheckedGet() (3.12) */
    TSTATE_GET_UNCHECKED, /* PyThreadState_GetUnchecked() (3.13+) */
};

/* One member per line of layout.def, in its order (layout.c asserts the number). */
struct layout {
    int32_t object_type, object_size;
    int32_t type_size, type_dealloc, type_members;
    int32_t bytes_data, bytes_type_size; /* *_type_size: tp_basicsize of the type, bytes */
    int32_t text_length, text_state;
    int32_t text_ascii_data, text_compact_data; /* characters of compact texts */
    int32_t text_data, text_type_size;          /* pointer to the characters of others */
    int32_t text_kind_bit, text_compact_bit, text_ascii_bit; /* in the 32 bits at text_state */
    int32_t tstate_source;                                   /* enum tstate_source */
    int32_t runtime_finalizing;                              /* thread state that finalises */
    int32_t runtime_tstate, runtime_interp_head, runtime_interp_main;
    int32_t tstate_thread, tstate_frame;
    int32_t tstate_mark, tstate_mark_pops; /* last_profiled_frame and its sequence (3.15) */
    int32_t cframe_frame;
    int32_t tstate_cframe, cframe_previous; /* the chain of entry records (3.10 to 3.12) */
    int32_t tstate_root_cframe;             /* its end, which 3.10 leaves as malloc gives it */
    int32_t ip_kind;                        /* enum ip_kind */
    int32_t frame_previous, frame_owner, frame_code, frame_ip;
    int32_t frame_code_tags;       /* bits of the code pointer that aren't address */
    int32_t frame_owner_shim;      /* owners from this value on are no Python frames */
    int32_t frame_owner_generator; /* the value of an owner */
    int32_t frame_entry;           /* a byte: a loop of its own began with the frame (3.11) */
    int32_t frame_type_size;
    int32_t frame_tlbc;        /* index of the thread's own bytecode */
    int32_t frame_trace_lines; /* only to be compared: it stands beside f_lasti (<= 3.10) */
    int32_t code_filename, code_name, code_first_line;
    int32_t table_kind; /* enum line_table_kind */
    int32_t code_table, code_qualname;
    int32_t code_bytecode;     /* bytes object with the instructions (<= 3.10) */
    int32_t code_instructions; /* the instructions themselves (3.11+) */
    int32_t code_traceable;    /* units before the first instruction that counts */
    int32_t code_type_size;
    int32_t code_tlbc, tlbc_entries;
    int32_t debug_finalizing, debug_tstate_frame, debug_tstate_thread;
    int32_t debug_tstate_mark, debug_tstate_mark_pops;
    int32_t debug_frame_previous, debug_frame_code, debug_frame_ip, debug_frame_owner;
    int32_t debug_code_filename, debug_code_name, debug_code_qualname, debug_code_table;
    int32_t debug_code_first_line, debug_code_instructions;
    int32_t debug_object_type, debug_text_length, debug_text_state, debug_text_ascii_data;
    int32_t debug_frame_tlbc, debug_code_tlbc;
};

/* Copy the row of CPython 3.<minor>; free_threaded: of its build without GIL.
 * Returns false if the table has no such row or the machine is not the table's: layout unchanged.
 * Any thread, any time. */
bool layout_find(struct layout *layout, int minor, bool free_threaded);

/* The column (enum layout_column of layout_table.h) of "v<minor>" or "v<minor>t", -1: none. Any
 * thread, any time. */
int layout_column(int minor, bool free_threaded);

#endif
