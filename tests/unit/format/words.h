/* Events in words, one line each: how tests compare them and how tests/golden/v1.txt is written.
 * Why spelled out field by field: it shares nothing with the codec, so a field that the codec mixes
 * up is seen. Not here: anything but formatting. */
#ifndef TESTS_FORMAT_WORDS_H
#define TESTS_FORMAT_WORDS_H

#include "format/event.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines as they grow. Start with all zero; free .text. */
struct words {
    char *text;
    size_t length, capacity;
};

__attribute__((format(printf, 2, 3))) static inline void words_add(struct words *w,
                                                                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (w->length + (size_t)needed + 1 > w->capacity) {
        w->capacity = 2 * (w->length + (size_t)needed + 1);
        w->text = realloc(w->text, w->capacity);
        if (!w->text)
            abort();
    }
    va_start(arguments, format);
    vsnprintf(w->text + w->length, w->capacity - w->length, format, arguments);
    va_end(arguments);
    w->length += (size_t)needed;
}

/* A text in quotes; what is not printable ASCII as \xNN. */
static inline void words_text(struct words *w, const char *label, struct text text)
{
    words_add(w, " %s \"", label);
    for (uint32_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        words_add(w, c >= 0x20 && c < 0x7F && c != '"' && c != '\\' ? "%c" : "\\x%02X", c);
    }
    words_add(w, "\"");
}

/* Ids where ID_NONE may stand. */
static inline void words_id(struct words *w, const char *label, uint32_t id)
{
    if (id == ID_NONE)
        words_add(w, " %s none", label);
    else
        words_add(w, " %s %" PRIu32, label, id);
}

static inline void words_definition(struct words *w, const struct record *r)
{
    if (r->type == RECORD_FUNCTION) {
        words_add(w, "function %" PRIu32 " kind %u", r->function.id, r->function.kind);
        words_text(w, "name", r->function.name);
        words_text(w, "file", r->function.file);
        words_add(w, " first_line %" PRIu32, r->function.first_line);
        if (r->function.build_id.length)
            words_text(w, "build_id", r->function.build_id);
    } else if (r->type == RECORD_PROCESS) {
        words_add(w, "process %" PRIu32 " pid %" PRIu32, r->process.id, r->process.pid);
        words_id(w, "parent", r->process.parent);
        words_add(w, " how %u flags %u", r->process.how, r->process.flags);
        words_text(w, "python", r->process.python);
        words_text(w, "executable", r->process.executable);
        for (uint32_t i = 0; i < r->process.argument_count; i++)
            words_text(w, "argument", r->process.arguments[i]);
    } else {
        words_add(w, "thread %" PRIu32 " process %" PRIu32 " tid %" PRIu32 " origin %" PRIu32,
                  r->thread.id, r->thread.process, r->thread.tid, r->thread.origin_stack);
        words_text(w, "name", r->thread.name);
    }
}

static inline void words_mapping(struct words *w, const struct record *r)
{
    if (r->type == RECORD_MAP)
        words_add(w, "map 0x%" PRIx64 " length %" PRIu64 " kind %u stack %" PRIu32 " allocator %u",
                  r->map.address, r->map.length, r->map.kind, r->map.stack, r->map.allocator);
    else if (r->type == RECORD_UNMAP)
        words_add(w, "unmap 0x%" PRIx64 " length %" PRIu64, r->unmap.address, r->unmap.length);
    else if (r->type == RECORD_REMAP)
        words_add(w,
                  "remap 0x%" PRIx64 " length %" PRIu64 " to 0x%" PRIx64 " length %" PRIu64
                  " stack %" PRIu32 " flags %u",
                  r->remap.old_address, r->remap.old_length, r->remap.new_address,
                  r->remap.new_length, r->remap.stack, r->remap.flags);
    else if (r->type == RECORD_PROTECT)
        words_add(w, "protect 0x%" PRIx64 " length %" PRIu64 " writable %u", r->protect.address,
                  r->protect.length, r->protect.writable);
    else
        words_add(w, "discard 0x%" PRIx64 " length %" PRIu64, r->discard.address,
                  r->discard.length);
}

static inline void words_sample(struct words *w, const struct record *r)
{
    if (r->type == RECORD_RESIDENT_BLOCK)
        words_add(w, "resident block %" PRIu64 " bytes %" PRIu64, r->resident_block.index,
                  r->resident_block.resident_bytes);
    else if (r->type == RECORD_RESIDENT_RANGE)
        words_add(
            w, "resident range process %" PRIu32 " 0x%" PRIx64 " length %" PRIu64 " bytes %" PRIu64,
            r->resident_range.process, r->resident_range.address, r->resident_range.length,
            r->resident_range.resident_bytes);
    else
        words_add(w, "rss process %" PRIu32 " bytes %" PRIu64, r->rss.process, r->rss.rss_bytes);
}

static inline void words_ending(struct words *w, const struct record *r)
{
    switch (r->type) {
    case RECORD_PROCESS_END:
        words_add(w, "process end %" PRIu32 " reason %u status %" PRId64, r->process_end.process,
                  r->process_end.reason, r->process_end.status);
        break;
    case RECORD_THREAD_END: words_add(w, "thread end %" PRIu32, r->thread_end.thread); break;
    case RECORD_MODULE_GONE:
        words_add(w, "module gone process %" PRIu32 " 0x%" PRIx64, r->module_gone.process,
                  r->module_gone.address);
        break;
    case RECORD_FAILED:
        words_add(w, "failed allocator %u size %" PRIu64 " stack %" PRIu32, r->failed.allocator,
                  r->failed.size_bytes, r->failed.stack);
        break;
    case RECORD_LOST:
        words_add(w, "lost");
        words_id(w, "process", r->lost.process);
        words_add(w, " reason %u count %" PRIu64, r->lost.reason, r->lost.count);
        break;
    case RECORD_EXIT:
        words_add(w, "exit status %" PRIu32 " oom %u", r->exit.status, r->exit.oom);
        break;
    default: words_add(w, "stop reason %u", r->stop.reason); break;
    }
}

static inline void words_naming(struct words *w, const struct record *r)
{
    if (r->type == RECORD_MARK) {
        words_add(w, "mark");
        words_text(w, "name", r->mark.name);
    } else if (r->type == RECORD_MODULE) {
        words_add(w, "module process %" PRIu32, r->module.process);
        words_text(w, "path", r->module.path);
        words_text(w, "build_id", r->module.build_id);
        words_add(w, " 0x%" PRIx64 " length %" PRIu64 " offset %" PRIu64, r->module.address,
                  r->module.length, r->module.file_offset);
        if (r->module.function)
            words_add(w, " function %" PRIu32, r->module.function);
    } else if (r->type == RECORD_NAME) {
        words_add(w, "name thread %" PRIu32, r->name.thread);
        words_text(w, "name", r->name.name);
    } else {
        words_add(w, "python process %" PRIu32 " walked %u", r->python.process, r->python.walked);
        words_text(w, "version", r->python.version);
    }
}

static inline void words_record(struct words *w, const struct record *r)
{
    switch (r->type) {
    case RECORD_FUNCTION:
    case RECORD_PROCESS:
    case RECORD_THREAD: words_definition(w, r); break;
    case RECORD_MAP:
    case RECORD_UNMAP:
    case RECORD_REMAP:
    case RECORD_PROTECT:
    case RECORD_DISCARD: words_mapping(w, r); break;
    case RECORD_RESIDENT_BLOCK:
    case RECORD_RESIDENT_RANGE:
    case RECORD_RSS: words_sample(w, r); break;
    case RECORD_MARK:
    case RECORD_MODULE:
    case RECORD_NAME:
    case RECORD_PYTHON: words_naming(w, r); break;
    default: words_ending(w, r); break;
    }
}

/* Adds the event's line. */
static inline void words_event(struct words *w, const struct event *ev)
{
    switch ((enum event_kind)ev->kind) {
    case EVENT_ALLOC:
        words_add(w, "alloc %" PRIu64 " allocator %u stack %" PRIu32 " size %" PRIu64, ev->index,
                  ev->allocator, ev->stack, ev->size_bytes);
        break;
    case EVENT_ALLOC_ADDRESS:
        words_add(w, "alloc at 0x%" PRIx64 " allocator %u stack %" PRIu32 " size %" PRIu64,
                  ev->address, ev->allocator, ev->stack, ev->size_bytes);
        break;
    case EVENT_FREE: words_add(w, "free %" PRIu64, ev->index); break;
    case EVENT_FREE_ADDRESS: words_add(w, "free at 0x%" PRIx64, ev->address); break;
    case EVENT_UNFREE: words_add(w, "unfree"); break;
    case EVENT_THREAD: words_add(w, "current thread %" PRIu32, ev->thread); break;
    case EVENT_TIME: words_add(w, "time %" PRIu64, ev->time_ns); break;
    case EVENT_STACK:
        words_add(w, "stack %" PRIu32 " parent %" PRIu32 " function %" PRIu32 " line %" PRIu64,
                  ev->stack, ev->parent, ev->function, ev->line);
        break;
    case EVENT_RECORD: words_record(w, ev->record); break;
    case EVENT_LOST: words_add(w, "lost"); break; /* of no payload */
    }
    words_add(w, "\n");
}

#endif
