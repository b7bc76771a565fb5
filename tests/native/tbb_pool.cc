/* TBB's pool for Python scripts: pool(bytes) has four threads, the caller and three workers, hold
 * bytes + a number each; the first call starts them, later ones find them. Each waits until all
 * have come, or the caller would do the work alone. */
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <thread>

static void *volatile kept[64];
static std::atomic<int> held;

__attribute__((noinline)) static void work(size_t bytes)
{
    int number = held++;
    kept[number] = memset(malloc(bytes + number % 4), 1, bytes + number % 4);
}

extern "C" int pool(size_t bytes)
{
    static tbb::global_control allowed(tbb::global_control::max_allowed_parallelism, 4);
    static tbb::task_arena arena(4);
    std::atomic<int> here{0};
    arena.execute([&] {
        tbb::parallel_for(
            0, 4,
            [&](int) {
                work(bytes);
                here++;
                for (int i = 0; i < 6000 && here < 4; i++)
                    std::this_thread::sleep_for(std::chrono::milliseconds(10));
            },
            tbb::simple_partitioner());
    });
    return here;
}
