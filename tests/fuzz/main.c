/* Replays a corpus through a fuzz target where there is no fuzzer: what was found once stays found,
 * on any machine, in seconds.
 *
 *   TARGET [--rounds N] [--seed N] FILE…|FOLDER…
 *
 * Each file once, then N of them with a few bytes changed. Why so simple a mutator: the fuzzers do
 * the finding (tests/fuzz/run); this guards. Invariants: one seed, one series of inputs. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FILES_MAX = 4096, FILE_MAX_BYTES = 1 << 20, GROWTH = 64 };

struct file {
    char *name;
    uint8_t *bytes;
    size_t size;
};

static struct file files[FILES_MAX];
static size_t file_count;
static uint64_t state;

static uint64_t chance(uint64_t limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return limit ? (state >> 33) % limit : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void add(const char *name)
{
    struct stat st;
    if (stat(name, &st) != 0) {
        perror(name);
        exit(2);
    }
    if (S_ISDIR(st.st_mode)) {
        DIR *folder = opendir(name);
        for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
            char path[4096];
            if (entry->d_name[0] != '.' &&
                snprintf(path, sizeof path, "%s/%s", name, entry->d_name) < (int)sizeof path)
                add(path);
        }
        closedir(folder);
        return;
    }
    FILE *from = fopen(name, "rb");
    if (!from || file_count == FILES_MAX)
        exit(2);
    struct file *f = &files[file_count++];
    f->name = strdup(name);
    f->bytes = malloc(FILE_MAX_BYTES);
    f->size = f->bytes ? fread(f->bytes, 1, FILE_MAX_BYTES, from) : 0;
    fclose(from);
}

/* A few changes: a bit, a byte, a stretch of another file, some left out. */
static size_t change(uint8_t *bytes, size_t size, size_t capacity)
{
    for (uint64_t left = 1 + chance(6); left && size; left--) {
        size_t at = chance(size), length = 1 + chance(GROWTH);
        length = length < size - at ? length : size - at;
        const struct file *other = &files[chance(file_count)];
        switch (chance(4)) {
        case 0: bytes[at] ^= (uint8_t)(1u << chance(8)); break;
        case 1: bytes[at] = (uint8_t)(chance(4) ? chance(256) : 0xFF * chance(2)); break;
        case 2:
            if (other->size >= length)
                memcpy(bytes + at, other->bytes + chance(other->size - length + 1), length);
            break;
        default:
            if (chance(2) && size + length <= capacity) {
                memmove(bytes + at + length, bytes + at, size - at);
                size += length;
            } else {
                memmove(bytes + at, bytes + at + length, size - at - length);
                size -= length;
            }
        }
    }
    return size;
}

/* The input at hand is kept under its name while it runs: after a crash it is there. */
static void run_kept(const uint8_t *bytes, size_t size, const char *keep)
{
    FILE *to = keep ? fopen(keep, "wb") : NULL;
    if (to) {
        fwrite(bytes, 1, size, to);
        fclose(to);
    }
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    if (keep)
        remove(keep);
}

int main(int argc, char **argv)
{
    uint64_t rounds = 0;
    static uint8_t bytes[FILE_MAX_BYTES + GROWTH * 8];
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
            rounds = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            state = strtoull(argv[++i], NULL, 10);
        else
            add(argv[i]);
    }
    qsort(files, file_count, sizeof *files, by_name);
    for (size_t i = 0; i < file_count; i++) {
        if (getenv("FUZZ_SHOW"))
            fprintf(stderr, "%s\n", files[i].name);
        run_kept(files[i].bytes, files[i].size, NULL);
    }
    for (uint64_t i = 0; i < rounds && file_count; i++) {
        const struct file *f = &files[chance(file_count)];
        memcpy(bytes, f->bytes, f->size);
        run_kept(bytes, change(bytes, f->size, sizeof bytes), getenv("FUZZ_KEEP"));
    }
    printf("%zu files, %llu changed\n", file_count, (unsigned long long)rounds);
    for (size_t i = 0; i < file_count; i++) {
        free(files[i].name);
        free(files[i].bytes);
    }
    return 0;
}
