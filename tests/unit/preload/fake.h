/* An interpreter made of bytes: objects laid out as a row of layout.def says, for tests of the
 * walker without Python. Definitions (define.h) are kept in tables, and refused on request. */
#ifndef TESTS_UNIT_PRELOAD_FAKE_H
#define TESTS_UNIT_PRELOAD_FAKE_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "recorder/preload/code.h"
#include "recorder/preload/define.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/walk.h"

/* tp_dealloc of the one type that is watched, whatever the row. */
enum { FAKE_DEALLOC = 48 };

enum { FAKE_CODES = 1 << 17, FAKE_NODES = 1 << 21, FAKE_UNITS = 100, FAKE_TRACEABLE = 1 };

struct fake_node {
    uint32_t parent, code_id;
    int32_t lasti;
};

static struct fake_node *fake_nodes;
static char (*fake_names)[32];
static uint32_t fake_defined_nodes, fake_defined_codes;
static bool fake_refuse_nodes, fake_refuse_codes;
static enum interp_verdict fake_verdict;
static char fake_fact[INTERP_FACT_BYTES];
static uintptr_t fake_attached, fake_remembered;
static uint32_t fake_deallocated;

bool define_code(uint32_t code_id, const struct code_facts *facts)
{
    if (fake_refuse_codes)
        return false;
    char *name = fake_names[code_id < FAKE_CODES ? code_id : 0]; /* later ones: nobody asks */
    size_t n = facts->name_bytes < 31 ? facts->name_bytes : 31;
    memcpy(name, facts->name, n);
    name[n] = 0;
    fake_defined_codes++;
    errno = ENOTTY;
    return true;
}

bool define_node(uint32_t id, uint32_t parent, uint32_t code_id, int32_t lasti_bytes)
{
    if (fake_refuse_nodes || id >= FAKE_NODES)
        return false;
    fake_nodes[id] = (struct fake_node){parent, code_id, lasti_bytes};
    fake_defined_nodes++;
    errno = ENOTTY;
    return true;
}

bool define_module(uint32_t id, const struct module_facts *facts)
{
    (void)id;
    (void)facts;
    return true;
}

void define_module_gone(uint32_t id) { (void)id; }

void define_verdict(enum interp_verdict verdict, const char *fact)
{
    fake_verdict = verdict;
    strncpy(fake_fact, fact, sizeof fake_fact - 1);
}

/* ---- objects */

static inline void fake_put(uintptr_t object, int32_t offset, uintptr_t value)
{
    memcpy((char *)object + offset, &value, sizeof value);
}

static inline void fake_put_int(uintptr_t object, int32_t offset, int32_t value)
{
    memcpy((char *)object + offset, &value, sizeof value);
}

/* Zeroed memory of the fake interpreter, which is as old as the test: a list keeps it reachable, so
 * that the leak checker has nothing to say. */
static inline void *fake_memory(size_t size)
{
    static struct kept {
        struct kept *next;
        void *memory;
    } * kept;
    struct kept *entry = malloc(sizeof *entry);
    assert_non_null(entry);
    *entry = (struct kept){kept, calloc(1, size)};
    assert_non_null(entry->memory);
    kept = entry;
    return entry->memory;
}

static inline uintptr_t fake_object(size_t size, uintptr_t type)
{
    uintptr_t object = (uintptr_t)fake_memory(size);
    fake_put(object, interp.layout.object_type, type);
    return object;
}

static inline uintptr_t fake_text(const char *ascii)
{
    const struct layout *l = &interp.layout;
    uintptr_t text = fake_object(200 + strlen(ascii), interp.text_type);
    fake_put(text, l->text_length, strlen(ascii));
    fake_put_int(text, l->text_state,
                 1 << l->text_kind_bit | 1 << l->text_compact_bit | 1 << l->text_ascii_bit);
    strcpy((char *)text + l->text_ascii_data, ascii);
    return text;
}

static inline uintptr_t fake_bytes(size_t size)
{
    uintptr_t bytes = fake_object(100 + size, interp.bytes_type);
    fake_put(bytes, interp.layout.object_size, size);
    return bytes;
}

/* (Re)make a code object in place. */
static inline void fake_code_at(uintptr_t code, const char *name)
{
    const struct layout *l = &interp.layout;
    fake_put(code, l->object_type, interp.code_type);
    fake_put(code, l->code_filename, fake_text("fake.py"));
    fake_put(code, l->code_name, fake_text(name));
    fake_put(code, l->code_table, fake_bytes(8));
    if (l->code_qualname != LAYOUT_NONE)
        fake_put(code, l->code_qualname, fake_text(name));
    if (l->code_bytecode != LAYOUT_NONE)
        fake_put(code, l->code_bytecode, fake_bytes(2 * FAKE_UNITS));
    else
        fake_put_int(code, l->code_traceable, FAKE_TRACEABLE);
    fake_put(code, l->object_size, l->code_bytecode != LAYOUT_NONE ? 1 : FAKE_UNITS);
}

static inline uintptr_t fake_code(const char *name)
{
    uintptr_t code = (uintptr_t)fake_memory(1024);
    fake_code_at(code, name);
    return code;
}

/* A code object's last reference goes away. */
static inline void fake_code_dies(uintptr_t code)
{
    void (*dealloc)(void *);
    memcpy(&dealloc, (char *)interp.code_type + FAKE_DEALLOC, sizeof dealloc);
    dealloc((void *)code);
}

static inline void fake_dealloc(void *code)
{
    (void)code;
    __atomic_add_fetch(&fake_deallocated, 1, __ATOMIC_RELAXED);
}

/* ---- frames */

static inline void fake_frame_ip(uintptr_t frame, uintptr_t code, int32_t lasti_bytes)
{
    const struct layout *l = &interp.layout;
    if (l->ip_kind == IP_POINTER)
        fake_put(frame, l->frame_ip,
                 code + (uintptr_t)l->code_instructions + (uintptr_t)lasti_bytes);
    else
        fake_put_int(frame, l->frame_ip,
                     l->ip_kind == IP_LASTI_UNITS && lasti_bytes >= 0 ? lasti_bytes / 2
                                                                      : lasti_bytes);
}

static inline void fake_frame_at(uintptr_t frame, uintptr_t previous, uintptr_t code,
                                 int32_t lasti_bytes)
{
    const struct layout *l = &interp.layout;
    memset((void *)frame, 0, 256);
    fake_put(frame, l->frame_previous, previous);
    fake_put(frame, l->frame_code, code);
    fake_frame_ip(frame, code, lasti_bytes);
}

static inline uintptr_t fake_frame(uintptr_t previous, uintptr_t code, int32_t lasti_bytes)
{
    uintptr_t frame = (uintptr_t)fake_memory(256);
    fake_frame_at(frame, previous, code, lasti_bytes);
    return frame;
}

/* The interpreter's own frame that begins a chain (3.12+), or 0. */
static inline uintptr_t fake_shim(uintptr_t previous)
{
    if (interp.layout.frame_owner_shim == LAYOUT_NONE)
        return previous;
    uintptr_t frame = (uintptr_t)fake_memory(256);
    fake_put(frame, interp.layout.frame_previous, previous);
    ((uint8_t *)frame)[interp.layout.frame_owner] = (uint8_t)interp.layout.frame_owner_shim;
    return frame;
}

/* ---- the interpreter */

static inline void fake_set_top(uintptr_t frame)
{
    const struct layout *l = &interp.layout;
    if (l->cframe_frame == LAYOUT_NONE) {
        fake_put(fake_remembered, l->tstate_frame, frame);
        return;
    }
    fake_put(fake_remembered, l->tstate_frame, fake_remembered + 512);
    fake_put(fake_remembered + 512, l->cframe_frame, frame);
}

static inline void fake_attach(uintptr_t tstate)
{
    fake_attached = tstate;
    if (interp.layout.runtime_tstate != LAYOUT_NONE)
        fake_put(interp.runtime, interp.layout.runtime_tstate, tstate);
}

static inline uintptr_t fake_get_attached(void) { return fake_attached; }
static inline uintptr_t fake_get_remembered(void) { return fake_remembered; }

static inline uintptr_t fake_tstate(void)
{
    uintptr_t tstate = (uintptr_t)fake_memory(1024);
    fake_put(tstate, interp.layout.tstate_thread, (uintptr_t)pthread_self());
    return tstate;
}

/* Begin as CPython 3.<minor>, with this thread attached and no frame. Walking is on, not yet
 * trusted. */
static inline void fake_start(int minor, bool free_threaded)
{
    if (!fake_nodes) {
        fake_nodes = calloc(FAKE_NODES, sizeof *fake_nodes);
        fake_names = calloc(FAKE_CODES, sizeof *fake_names);
    }
    assert_true(layout_find(&interp.layout, minor, free_threaded));
    interp.runtime = (uintptr_t)fake_memory(4096);
    if (!interp.code_type) { /* the watch of deaths knows one type for ever */
        interp.code_type = (uintptr_t)fake_memory(512);
        interp.bytes_type = (uintptr_t)fake_memory(512);
        interp.text_type = (uintptr_t)fake_memory(512);
        fake_put(interp.code_type, FAKE_DEALLOC, (uintptr_t)fake_dealloc);
        interp.layout.type_dealloc = FAKE_DEALLOC;
        code_watch_deaths(interp.code_type);
    }
    interp.attached = fake_get_attached;
    interp.remembered = fake_get_remembered;
    interp.minor = minor;
    interp.free_threaded = free_threaded;
    fake_remembered = fake_tstate();
    fake_attach(fake_remembered);
    fake_set_top(0);
    walk_start();
}

#endif
