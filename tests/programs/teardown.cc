// Thread-local objects that allocate when their thread ends: 200 threads, and the first one.
// Each makes three blocks of 1000 bytes, of which none is left. Exit status 0 where all ran.
#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>
#include <unistd.h>

static std::atomic<int> ended;

struct held {
    void *volatile block = malloc(1000);
    void *volatile other = nullptr;
    ~held()
    {
        other = malloc(1000);
        free(block);
        free(other);
        other = malloc(1000);
        free(other);
        ended++;
    }
};

thread_local held mine;
thread_local std::vector<std::vector<int>> lists;

static void touches()
{
    (void)mine.block;
    for (int i = 0; i < 100; i++)
        lists.emplace_back(50, i);
}

int main()
{
    for (int round = 0; round < 10; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 20; i++)
            threads.emplace_back(touches);
        for (auto &thread : threads)
            thread.join();
    }
    touches();
    return ended == 200 ? 0 : 1;
}
