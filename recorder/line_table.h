/* What the recorded process hands over so that the collector can turn instructions into lines.
 *
 * CPython keeps, beside each code object's bytecode, a table of lines in one of three formats. The
 * preload library copies the bytes as they are (decoding costs time in the program);
 * recorder/collector/lines.c decodes them. Not here: how either side gets the bytes across (the
 * ring). */
#ifndef RECORDER_LINE_TABLE_H
#define RECORDER_LINE_TABLE_H

/* The numbers travel in the ring; they are never reused. */
enum line_table_kind {
    LINE_TABLE_NONE = 0,      /* no table: every instruction is on first_line */
    LINE_TABLE_LNOTAB = 1,    /* CPython 3.9, Objects/lnotab_notes.txt: (byte delta, line delta) */
    LINE_TABLE_PAIRS = 2,     /* CPython 3.10, PEP 626: (byte delta, line delta; -128: no line) */
    LINE_TABLE_LOCATIONS = 3, /* CPython 3.11+, Objects/locations.md: variable-length entries */
};

#endif
