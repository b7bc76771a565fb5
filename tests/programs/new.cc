// new nothing|kept|deleted: every form of operator new, and of delete.
// Exit status 0: as expected; 1: something that had to fail did not; 2: no such scenario.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

struct alignas(4096) page {
    char bytes[4096];
};

static volatile size_t one = 1;

int main(int argc, char **argv)
{
    const char *scenario = argc > 1 ? argv[1] : "";
    if (!std::strcmp(scenario, "nothing"))
        return 0;
    if (std::strcmp(scenario, "kept") && std::strcmp(scenario, "deleted"))
        return 2;
    double *volatile single = new double(1.0);
    char *volatile array = new char[1000 * one];
    char *volatile nothrow = new (std::nothrow) char[3000 * one];
    std::vector<char> *buffer = static_cast<std::vector<char> *>(alloca(sizeof(std::vector<char>)));
    new (buffer) std::vector<char>(5000 * one);
    page *volatile aligned = new page;
    page *volatile aligned_array = new page[2 * one];
    try {
        char *volatile never = new char[PTRDIFF_MAX * one];
        (void)never;
        return 1;
    } catch (const std::bad_alloc &) {
    }
    if (new (std::nothrow) char[PTRDIFF_MAX * one])
        return 1;
    if (!std::strcmp(scenario, "deleted")) {
        delete single;
        delete[] array;
        delete[] nothrow;
        buffer->~vector();
        delete aligned;
        delete[] aligned_array;
    }
    std::_Exit(0);
}
