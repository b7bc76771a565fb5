"""Order between threads: blocks made in one and freed in another, under jitter. A wrong merge shows as a free of nothing, or an address given out twice."""
import pytest

from trees import losses

QUIET = {"lost_frees": 0, "replaced": 0, "impossible": 0, "unknown_frees": 0}


def assert_causal(recording):
    summary = recording.summary()
    assert losses(summary) == {}
    assert {each: summary["totals"][each] for each in QUIET} == QUIET
    return summary


# More of the same events show a sanitizer nothing.
CROWDS = [(4, 200_000, 2), (16, 40_000, 3), *(pytest.param(*each, marks=pytest.mark.release_only) for each in [(4, 200_000, 1), (4, 200_000, 64), (2, 400_000, 2)])]


@pytest.mark.parametrize("threads, rounds, slots", CROWDS)
def test_threads__that_free_each_others_blocks_are_told_in_order(record, programs, threads, rounds, slots):
    for seed in range(2):
        recording = record([programs / "exchange", str(threads), str(rounds), str(slots), str(seed + threads * slots)])
        blocks, size = (int(word) for word in recording.finished.out.split())
        leaks, summary = recording.leaks(), assert_causal(recording)
        left = [stack for stack in leaks["stacks"] if stack["allocator"] in ("malloc", "realloc", "posix_memalign", "aligned_alloc")]
        assert (sum(stack["allocations"] for stack in left), sum(stack["bytes"] for stack in left)) == (blocks, size)
        assert summary["totals"]["allocations"] >= threads * rounds
        assert summary["totals"]["allocations"] - summary["totals"]["frees"] == leaks["total"]["allocations"]


def test_threads__of_python_pass_blocks_on(record, interpreter):
    recording = record("""
        import queue, sys, threading
        sys.setswitchinterval(1e-5)
        line = queue.SimpleQueue()
        def made(i): return bytes(600 + i % 500)
        def make():
            for i in range(8_000):
                line.put(made(i))
            line.put(None)
        def drop():
            ends = 0
            while ends < 2:
                ends += line.get() is None
        threads = [threading.Thread(target=each) for each in (make, make, make, make, drop, drop)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """, python=interpreter)
    assert_causal(recording)
    assert not any(frame["function"] == "made" for stack in recording.leaks()["stacks"] for frame in stack["frames"])
