"""Our hooks entered where nobody expects it: from signal handlers at any of their instructions, in many threads at once, in what
runs before main and after it, around forks. Each program knows its own arithmetic; the trace must say the same, or say how much it
lost, and the program's result is that of a bare run."""
import collections
import platform
import time

import pytest

from conftest import ROOT, run

HERE = platform.machine() == "x86_64"
single_steps = pytest.mark.skipif(not HERE, reason="the programs single-step themselves, which is written for x86-64 alone")


def losses(summary):
    told = collections.Counter()
    for loss in summary["losses"]:
        told[loss["reason"]] += loss["count"]
    return dict(told)


def mallocs(summary):
    return sum(each["allocations"] for each in summary["allocators"] if each["allocator"] == "malloc")


def assert_whole(recording, memreplay):
    done = memreplay("verify", recording.trace)
    assert done.status == 0, done
    assert recording.summary()["trace"]["complete"]


@pytest.fixture
def interrupted(record, programs):
    """interrupted(scenario, ..., safe=True) -> (bare output, recording), both by lines. Without native stacks, since to learn how a
    frame is left takes thousands of instructions, each of which is a step."""
    def ran(*arguments, safe=True, timeout=240, native=False):
        argv = [programs / "interrupted", *map(str, arguments)]
        env = {"LD_PRELOAD": str(programs / "signalsafe.so")} if safe else {}
        bare = run(argv, env=env, timeout=timeout)
        assert bare.status == 0
        recording = record(argv, env=env, options=["-q"] if native else ["-q", "--no-native"], timeout=timeout)
        result, made = recording.finished.out.splitlines()
        assert result == bare.out.splitlines()[0] and result.endswith(" 0")
        assert recording.finished.err == ""
        return int(made), recording
    return ran


ROUNDS = 40


@pytest.mark.release_only  # its own preloaded library comes before the sanitizers'
@single_steps
@pytest.mark.fault("a signal handler allocates at any instruction of our hooks", program="its results and errno as without us",
                   trace="what the handler did inside a hook is counted as lost, everything else is there")
def test_signals__allocating_at_every_instruction_of_a_hook(interrupted, memreplay):
    """Every block is in the trace, or its handler interrupted our own code (counted: two calls a block), or it interrupted the
    real posix_memalign, where it is taken for a part of that (not told apart, so only bounded)."""
    made, recording = interrupted("blocks")
    assert_whole(recording, memreplay)
    summary = recording.summary()
    told, lost = mallocs(summary), losses(summary)
    assert set(lost) == {"reentered", "unknown_free"}
    assert lost["unknown_free"] == ROUNDS  # the free that a failed realloc takes back is not the thread's last one any more
    assert lost["reentered"] % 2 == 0 and lost["reentered"] > 100 * ROUNDS
    beneath = made + ROUNDS - told - lost["reentered"] // 2
    assert 0 <= beneath < 300 * ROUNDS
    totals = summary["totals"]
    assert totals["allocations"] - told == 3 * ROUNDS and totals["failed"] == ROUNDS
    assert totals["frees"] == totals["allocations"] and totals["leaked_bytes"] == 0
    assert recording.peak()["peak"]["bytes"] <= 5000 + 100 + 200 + 2 * 24


@single_steps
@pytest.mark.fault("a signal handler maps and unmaps at any instruction of our hooks", program="its results and errno as without us",
                   trace="what the handler did inside a hook is counted as lost, everything else is there")
def test_signals__mapping_at_every_instruction_of_a_hook(interrupted, memreplay):
    """glibc's own malloc here: mmap may be called in a handler."""
    made, recording = interrupted("maps", safe=False)
    assert_whole(recording, memreplay)
    summary = recording.summary()
    lost, totals = losses(summary), summary["totals"]
    assert set(lost) == {"reentered"} and lost["reentered"] > 100 * ROUNDS
    assert summary["events"]["map"] == summary["events"]["unmap"] == made - lost["reentered"] // 2
    assert (totals["allocations"], totals["frees"], totals["failed"]) == (4 * ROUNDS, 4 * ROUNDS, ROUNDS)
    assert recording.leaks()["total"]["bytes"] == 0


def assert_forks(made, recording, memreplay):
    """Whoever is forked inside a hook is not recorded and says so; the parent's record is whole."""
    assert_whole(recording, memreplay)
    summary = recording.summary()
    lost = losses(summary)
    assert set(lost) <= {"reentered", "unknown_free", "no_ring"} and lost["no_ring"] > made // 4
    assert len(summary["processes"]) - 1 + lost["no_ring"] <= made
    own = recording.summary("--pid", str(summary["trace"]["pid"]))
    assert own["totals"]["leaked_bytes"] == 0 and own["totals"]["replaced"] == own["totals"]["impossible"] == 0


@pytest.mark.release_only  # its own preloaded library comes before the sanitizers'
@single_steps
@pytest.mark.fault("a signal handler forks at any instruction of our hooks, and parent and child go on", program="both end as without us",
                   trace="the parent's record is whole; a child forked inside a hook is not recorded, and is counted")
def test_signals__forking_inside_a_hook(interrupted, memreplay):
    made, recording = interrupted("forks", 17)
    assert_forks(made, recording, memreplay)


@single_steps
@pytest.mark.soak
def test_signals__forking_at_every_instruction_of_a_hook(interrupted, memreplay):
    made, recording = interrupted("forks", 1, timeout=900)
    assert_forks(made, recording, memreplay)


@pytest.mark.release_only  # its own preloaded library comes before the sanitizers'
@single_steps
@pytest.mark.fault("timers interrupt four allocating threads all the time, and their handlers allocate", program="its result as without us",
                   trace="every block, or it is counted as lost")
def test_signals__storm_of_timers(interrupted, memreplay):
    made, recording = interrupted("storm")
    assert_whole(recording, memreplay)
    summary = recording.summary()
    lost, rounds = losses(summary), 4 * 300 * ROUNDS
    assert set(lost) <= {"reentered", "unknown_free"} and lost.get("reentered", 0) % 2 == 0
    beneath = made + rounds - mallocs(summary) - lost.get("reentered", 0) // 2
    assert 0 <= beneath < made
    assert summary["totals"]["failed"] == rounds and summary["totals"]["allocations"] - mallocs(summary) == 3 * rounds + 4


@pytest.mark.release_only  # its own preloaded library comes before the sanitizers'
@single_steps
@pytest.mark.fault("timers interrupt four allocating threads all the time, with native stacks", program="its result as without us",
                   trace="every block, or it is counted as lost; a stack that cannot be read is counted")
def test_signals__storm_of_timers_with_native_stacks(interrupted, memreplay):
    made, recording = interrupted("storm", native=True)
    assert_whole(recording, memreplay)
    summary = recording.summary()
    lost, rounds = losses(summary), 4 * 300 * ROUNDS
    assert set(lost) <= {"reentered", "unknown_free", "native_cut", "native_unknown"} and lost.get("reentered", 0) % 2 == 0
    beneath = made + rounds - mallocs(summary) - lost.get("reentered", 0) // 2
    assert 0 <= beneath < made
    assert summary["totals"]["failed"] == rounds


# ---- threads, forks and libraries ----

@pytest.fixture
def concurrent(record, programs, memreplay):
    """concurrent(scenario, *arguments) -> (made, freed, summary, recording); nothing found wrong, and the trace is whole."""
    def ran(*arguments, timeout=240):
        argv = [programs / "concurrent", *arguments]
        bare = run(argv, timeout=timeout)
        assert bare.status == 0 and bare.out.split()[2] == "0"
        recording = record(argv, options=["-q"], timeout=timeout)
        made, freed, wrong = map(int, recording.finished.out.split())
        assert wrong == 0 and recording.finished.err == ""
        assert_whole(recording, memreplay)
        return made, freed, recording.summary(), recording
    return ran


def kept(recording, bytes_each):
    """Blocks of malloc that are never freed."""
    held = [stack for stack in recording.leaks()["stacks"] if stack["allocator"] == "malloc"]
    assert sum(stack["bytes"] for stack in held) == bytes_each * sum(stack["allocations"] for stack in held)
    return sum(stack["allocations"] for stack in held)


@pytest.mark.fault("threads fork at the same time, while others allocate", program="nothing", trace="every child and block; nothing is lost")
def test_forks__of_four_threads_at_once(concurrent):
    made, freed, summary, recording = concurrent("forks")
    assert mallocs(summary) == made + 200 and made == freed
    assert len(summary["processes"]) == 201 and summary["losses"] == []
    assert kept(recording, 30000) == 200


def test_forks__with_atfork_handlers_that_allocate(concurrent):
    """A child frees what its parent's handler made: inherited, so unknown to its own record."""
    made, freed, summary, recording = concurrent("handlers")
    assert mallocs(summary) == made and made == freed
    assert len(summary["processes"]) == 101 and losses(summary) == {"unknown_free": 100}
    assert kept(recording, 0) == 0


def test_vforks__that_allocate_on_their_parents_memory(concurrent):
    made, freed, summary, recording = concurrent("vforks")
    assert (made, freed, mallocs(summary), kept(recording, 1000)) == (200, 180, 200, 20)
    assert len(summary["processes"]) == 1 and summary["losses"] == []


def test_threads__whose_key_destructors_allocate_in_four_rounds(concurrent):
    made, freed, summary, recording = concurrent("keys")
    assert made == freed == mallocs(summary) == 64 * 4
    assert kept(recording, 0) == 0 and summary["losses"] == []


@pytest.mark.fault("thousands of threads allocate for the first time when our destructor cannot run any more", program="nothing",
                   trace="every block: their rings are found and used again")
def test_threads__that_allocate_first_in_the_last_round_of_destructors(concurrent):
    """4,096 rings are all there are; a ring that such a thread leaves behind is used again."""
    made, freed, summary, recording = concurrent("late")
    assert made == mallocs(summary) == kept(recording, 1000) == 5000
    assert freed == 0 and summary["losses"] == []


def test_threads__created_and_ended_in_storms(concurrent):
    made, freed, summary, recording = concurrent("storm")
    assert made == freed == mallocs(summary) == 2000
    assert kept(recording, 0) == 0 and summary["losses"] == []


RINGS = 4096


@pytest.mark.fault("more threads at once than there are rings (4,096)", program="nothing",
                   trace="the threads that found one, whole; the others are counted")
def test_threads__more_at_once_than_rings(concurrent):
    """One after the other: each finds a ring but the last ones. The first thread has one, too."""
    made, freed, summary, recording = concurrent("line")
    assert made == freed == 4500
    assert mallocs(summary) == RINGS - 1 and losses(summary) == {"no_ring": 2 * (4500 - (RINGS - 1))}
    assert kept(recording, 0) == 0


def test_threads__that_ask_for_more_than_there_is_all_at_once(concurrent):
    """Thousands may ask for rings at once: recording goes on, and who found none in time is counted. Seven need not ask."""
    made, freed, summary, recording = concurrent("crowd")
    assert made == freed == 4500
    assert set(losses(summary)) == {"no_ring"} and 7 <= mallocs(summary) < RINGS
    assert 2 * 4500 <= 2 * mallocs(summary) + losses(summary)["no_ring"] < 2 * 4500 + 20  # an allocation and a free each
    assert kept(recording, 0) == 0


@pytest.mark.fault("more threads at once than the first rings (8), and the collector does not answer", program="one wait of 2 s, then nothing",
                   trace="the threads that have rings, whole; every event of the others is counted")
def test_threads__that_nobody_gives_rings_to(concurrent):
    made, freed, summary, recording = concurrent("unanswered")
    assert made == freed == 1020
    assert mallocs(summary) == 1000 + 7  # the first thread has one of the eight
    assert losses(summary) == {"no_ring": 2 * 13}
    assert kept(recording, 0) == 0


def test_libraries__whose_constructors_allocate(concurrent, programs):
    """Loaded and unloaded by two threads in turn or together: each loading makes four blocks by malloc, of which none is left."""
    _, _, summary, recording = concurrent("libraries", programs / "constructor.so")
    reallocs = sum(each["allocations"] for each in summary["allocators"] if each["allocator"] == "realloc")
    assert 1 <= reallocs <= 200 and summary["losses"] == []
    assert sum(stack["allocations"] for stack in recording.leaks()["stacks"] if stack["allocator"] == "realloc") == 0
    assert {stack["bytes"] for stack in recording.leaks()["stacks"]} & {700, 800, 3000, 4000} == set()


def assert_early(recording, memreplay):
    """It allocates five times, the first time before our constructor."""
    assert recording.finished == (0, "0\n", "")
    assert_whole(recording, memreplay)
    summary = recording.summary()
    told = {each["allocator"]: each["allocations"] for each in summary["allocators"]}
    assert (told["posix_memalign"], told["aligned_alloc"]) == (5, 5)
    assert summary["totals"]["impossible"] == summary["totals"]["replaced"] == 0 and losses(summary) == {}


def test_early__before_our_constructor_and_after_main(record, programs, memreplay):
    assert run([programs / "early"]) == (0, "0\n", "")
    assert_early(record([programs / "early"], options=["-q"]), memreplay)


@pytest.mark.fault("the first allocation of all comes from libc, which holds a lock of its own", program="runs as bare", trace="whole")
def test_early__beneath_libcs_own_lock(record, programs, memreplay):
    assert run([programs / "early_locale"]) == (0, "0\n", "")
    recording = record([programs / "early_locale"], options=["-q"])
    assert recording.finished == (0, "0\n", "")
    assert_whole(recording, memreplay)


def test_early__under_an_auditor_of_the_loader(record, programs, memreplay):
    env = {"LD_AUDIT": str(programs / "audit.so")}
    assert run([programs / "early"], env=env) == (0, "0\n", "")
    assert_early(record([programs / "early"], env=env, options=["-q"]), memreplay)


def test_thread_locals__that_allocate_when_they_are_torn_down(record, programs, memreplay):
    """201 threads, the first one included: three blocks of 1,000 bytes each, none left."""
    assert run([programs / "teardown"]) == (0, "", "")
    recording = record([programs / "teardown"], options=["-q"])
    assert recording.finished == (0, "", "")
    assert_whole(recording, memreplay)
    summary = recording.summary()
    assert summary["losses"] == [] and summary["totals"]["unknown_frees"] == 0
    assert not any(stack["allocator"] == "malloc" and stack["bytes"] % 1000 == 0 and stack["bytes"] for stack in recording.leaks()["stacks"])
    assert mallocs(summary) >= 201 * 3


CROWDED = [test_forks__of_four_threads_at_once, test_forks__with_atfork_handlers_that_allocate, test_vforks__that_allocate_on_their_parents_memory,
           test_threads__whose_key_destructors_allocate_in_four_rounds, test_threads__that_allocate_first_in_the_last_round_of_destructors,
           test_threads__created_and_ended_in_storms, test_threads__that_ask_for_more_than_there_is_all_at_once]


@pytest.mark.soak
@pytest.mark.parametrize("test", CROWDED, ids=[test.__name__ for test in CROWDED])
def test_concurrency__for_minutes(concurrent, test, soak_seconds):
    """The tests above again and again: what goes wrong once in a hundred times."""
    end, rounds = time.monotonic() + soak_seconds / len(CROWDED), 0
    while not rounds or time.monotonic() < end:
        test(concurrent)
        rounds += 1
    print(f"{rounds} rounds")


def assert_stepped(interpreter, record, programs, memreplay):
    script = ROOT / "tests" / "programs" / "stepped.py"
    bare = run([interpreter.path, script, programs / "stepper.so", "1"], timeout=240)
    assert bare.status == 0 and bare.out.endswith(" True 0\n")
    recording = record([interpreter.path, script, programs / "stepper.so", "1"], options=["-q"], timeout=400)
    assert recording.finished.out == bare.out
    assert_whole(recording, memreplay)
    summary = recording.summary()
    steps = int(recording.finished.err)
    assert set(losses(summary)) <= {"reentered", "stack_unknown", "unknown_free", "live_address"}
    assert summary["events"]["map"] >= steps - losses(summary)["reentered"]


@single_steps
@pytest.mark.fault("a signal handler maps memory at any instruction of the interpreter, half-built frames included",
                   program="its result as without us", trace="the mapping, without a stack where the frames can't be followed just then")
def test_signals__mapping_at_every_instruction_of_python(python, record, programs, memreplay):
    assert_stepped(python, record, programs, memreplay)


@single_steps
@pytest.mark.soak
def test_signals__mapping_at_every_instruction_of_every_python(interpreter, record, programs, memreplay):
    assert_stepped(interpreter, record, programs, memreplay)
