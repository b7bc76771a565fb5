/* Reading an ELF file's symbols and texts a window at a time (signature.h; elf(5)). */
#define _GNU_SOURCE
#include "recorder/collector/signature.h"
#include "recorder/failpoint.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_BYTES  65536u
#define OVERLAP_BYTES 16u /* more than any text that is looked for */
#define LOOK_BYTES    (UINT64_C(128) << 20)
#define HEADERS_MAX   1024u

static _Alignas(Elf64_Sym) char window[WINDOW_BYTES];

struct elf_file {
    int fd;
    Elf64_Ehdr head;
    uint64_t left; /* bytes of symbols and texts that may still be read */
};

static size_t read_at(int fd, void *out, size_t bytes, uint64_t at)
{
    ssize_t got =
        at > INT64_MAX ? -1 : FAILPOINT(signature_read, pread(fd, out, bytes, (off_t)at), -1);
    return got > 0 ? (size_t)got : 0;
}

static bool open_file(struct elf_file *file, int fd)
{
    file->fd = fd;
    file->left = LOOK_BYTES;
    return read_at(fd, &file->head, sizeof file->head, 0) == sizeof file->head &&
           !memcmp(file->head.e_ident, ELFMAG, SELFMAG) &&
           file->head.e_ident[EI_CLASS] == ELFCLASS64 && file->head.e_shnum <= HEADERS_MAX &&
           file->head.e_phnum <= HEADERS_MAX;
}

/* How much of a section may be read; takes it from what is left. */
static uint64_t take_section(struct elf_file *file, const Elf64_Shdr *section)
{
    uint64_t bytes = section->sh_size < file->left ? section->sh_size : file->left;
    file->left -= bytes;
    return bytes;
}

static bool section_at(const struct elf_file *file, unsigned index, Elf64_Shdr *out)
{
    return index < file->head.e_shnum &&
           read_at(file->fd, out, sizeof *out, file->head.e_shoff + index * sizeof *out) ==
               sizeof *out;
}

/* The address that a place of the file has once it is loaded at 0. */
static bool to_address(const struct elf_file *file, uint64_t offset, uint64_t *address)
{
    for (unsigned i = 0; i < file->head.e_phnum; i++) {
        Elf64_Phdr part;
        if (read_at(file->fd, &part, sizeof part, file->head.e_phoff + i * sizeof part) !=
            sizeof part)
            return false;
        if (part.p_type == PT_LOAD && offset >= part.p_offset &&
            offset - part.p_offset < part.p_filesz) {
            *address = offset - part.p_offset + part.p_vaddr;
            return true;
        }
    }
    return false;
}

/* Does a function's name say whose it is? */
static enum allocator of_name(const char *name)
{
    static const struct {
        const char *part;
        enum allocator allocator;
    } known[] = {{"unix_mmap", ALLOCATOR_IN_MIMALLOC},
                 {"mi_prim", ALLOCATOR_IN_MIMALLOC},
                 {"mi_os_", ALLOCATOR_IN_MIMALLOC},
                 {"pages_map", ALLOCATOR_IN_JEMALLOC},
                 {"pages_boot", ALLOCATOR_IN_JEMALLOC}};
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(name, known[i].part))
            return known[i].allocator;
    return ALLOCATOR_MMAP;
}

static bool covers(const Elf64_Sym *symbol, uint64_t address)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
           address - symbol->st_value < symbol->st_size;
}

static enum allocator of_symbol(const struct elf_file *file, const Elf64_Sym *symbol,
                                const Elf64_Shdr *table)
{
    Elf64_Shdr names;
    char name[128];
    if (!section_at(file, table->sh_link, &names) || symbol->st_name >= names.sh_size)
        return ALLOCATOR_MMAP;
    name[read_at(file->fd, name, sizeof name - 1, names.sh_offset + symbol->st_name)] = 0;
    return of_name(name);
}

static enum allocator by_symbols(struct elf_file *file, const Elf64_Shdr *table, uint64_t address)
{
    const Elf64_Sym *symbols = (const Elf64_Sym *)(const void *)window;
    uint64_t end = take_section(file, table);
    size_t most = WINDOW_BYTES / sizeof *symbols * sizeof *symbols, got;
    for (uint64_t at = 0; at < end; at += got) {
        got = read_at(file->fd, window, end - at < most ? end - at : most, table->sh_offset + at);
        if (got < sizeof *symbols)
            break;
        for (size_t i = 0; i < got / sizeof *symbols; i++)
            if (covers(&symbols[i], address)) {
                Elf64_Sym found = symbols[i];
                return of_symbol(file, &found, table);
            }
    }
    return ALLOCATOR_MMAP;
}

/* Bit 0: a text of mimalloc's stands in the section, bit 1: one of jemalloc's. */
static unsigned texts_in(struct elf_file *file, const Elf64_Shdr *section)
{
    static const char mimalloc[] = "mimalloc: ", jemalloc[] = "<jemalloc>: ";
    uint64_t end = take_section(file, section);
    unsigned found = 0;
    for (uint64_t at = 0; at < end;) {
        size_t wanted = end - at < WINDOW_BYTES ? end - at : WINDOW_BYTES;
        size_t got = read_at(file->fd, window, wanted, section->sh_offset + at);
        found |= memmem(window, got, mimalloc, sizeof mimalloc - 1) != NULL;
        found |= (memmem(window, got, jemalloc, sizeof jemalloc - 1) != NULL) * 2u;
        if (got < wanted || got == end - at)
            break;
        at += got - OVERLAP_BYTES;
    }
    return found;
}

static bool is_of_texts(const Elf64_Shdr *section)
{
    return section->sh_type == SHT_PROGBITS &&
           (section->sh_flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR)) == SHF_ALLOC;
}

enum allocator signature_of(int fd, uint64_t offset)
{
    static const enum allocator of_texts[] = {ALLOCATOR_MMAP, ALLOCATOR_IN_MIMALLOC,
                                              ALLOCATOR_IN_JEMALLOC, ALLOCATOR_IN_HIDDEN};
    struct elf_file file;
    Elf64_Shdr section;
    uint64_t address;
    unsigned texts = 0;
    if (!open_file(&file, fd) || !to_address(&file, offset, &address))
        return ALLOCATOR_MMAP;
    for (unsigned i = 0; section_at(&file, i, &section); i++) {
        enum allocator found = section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM
                                   ? by_symbols(&file, &section, address)
                                   : ALLOCATOR_MMAP;
        if (found != ALLOCATOR_MMAP)
            return found;
        texts |= is_of_texts(&section) ? texts_in(&file, &section) : 0;
    }
    return of_texts[texts];
}
