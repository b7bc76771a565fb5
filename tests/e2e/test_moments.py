"""Moments and intervals of every report: times, shares, marks and the peak, against adding up the raw events by hand."""
import json
import random
import subprocess

import pytest
from conftest import BUILD, ROOT, held_by
from memreplay_traces import Trace

MIB = 1 << 20


@pytest.fixture
def look(memreplay, tmp_path):
    """look(bytes or Trace, command, options…) -> Finished."""

    def run(trace, *args, **how):
        path = tmp_path / "trace.lz4"
        path.write_bytes(trace if isinstance(trace, bytes) else trace.finish())
        environment = {"LC_ALL": "C.UTF-8", "COLUMNS": "100", "NO_COLOR": None, **how.pop("env", {})}
        return memreplay(*args, path, env=environment, **how)

    return run


def parsed(finished, status=0):
    assert finished.status == status, finished.err
    return json.loads(finished.out)


def stage(command=("python3", "job.py")):
    t = Trace(command)
    process = t.process()
    thread = t.new_thread(process)
    load, work = t.function("load", "/job/job.py", 3), t.function("work", "/job/job.py", 9)
    at_load, at_work = t.stack(0, load, 4), t.stack(0, work, 10)
    t.on(thread)
    return t, at_load, at_work


def job():
    """Between `loaded` and `worked`: 3 MiB that stay, 500 B that go, and 7 MiB of before that go."""
    t, load, work = stage()
    t.time(10**9)
    old = t.alloc(load, 7 * MIB)
    t.alloc(load, MIB)
    t.mark("loaded")
    t.alloc(work, 3 * MIB)
    t.free(t.alloc(work, 500))
    t.time(3 * 10**9)
    t.free(old)
    t.mark("worked")
    late = t.alloc(work, 200)
    t.time(4 * 10**9)
    t.alloc(work, 20)
    t.free(late)
    t.time(5 * 10**9)
    return t


def test_leaks_of_an_interval_were_allocated_in_it_and_lived_at_its_end(look):
    between = ("--from", "loaded", "--to", "worked")
    report = parsed(look(job(), "leaks", "--json", *between))
    assert report["total"] == {"bytes": 3 * MIB, "allocations": 1}
    assert report["window"] == {"from": "loaded", "to": "worked", "from_ns": 10**9, "to_ns": 3 * 10**9}
    assert [stack["frames"][0]["function"] for stack in report["stacks"]] == ["work"]
    assert parsed(look(job(), "leaks", "--json", "--from", "worked"))["total"] == {"bytes": 20, "allocations": 1}
    assert parsed(look(job(), "leaks", "--json", "--from", "worked", "--to", "4s"))["total"] == {"bytes": 20, "allocations": 1}
    assert parsed(look(job(), "leaks", "--json", "--from", "worked", "--to", "3.5s"))["total"] == {"bytes": 200, "allocations": 1}
    assert parsed(look(job(), "leaks", "--json", "--to", "loaded"))["total"] == {"bytes": 8 * MIB, "allocations": 2}
    assert parsed(look(job(), "leaks", "--json", "--at", "loaded"))["total"] == {"bytes": 8 * MIB, "allocations": 2}
    assert parsed(look(job(), "leaks", "--json", "--to", "peak"))["total"] == {"bytes": 11 * MIB + 500, "allocations": 4}
    assert parsed(look(job(), "leaks", "--json", "--from", "peak"))["total"] == {"bytes": 20, "allocations": 1}


def test_a_summary_of_an_interval_counts_what_happened_in_it(look):
    report = parsed(look(job(), "summary", "--json", "--from", "loaded", "--to", "worked"))
    assert (report["peak"]["bytes"], report["peak"]["time_ns"]) == (11 * MIB + 500, 10**9)
    totals = report["totals"]
    assert (totals["allocations"], totals["allocated_bytes"], totals["frees"]) == (2, 3 * MIB + 500, 2)
    assert (totals["leaked_bytes"], totals["leaked_allocations"]) == (3 * MIB, 1)
    assert report["events"]["allocations"] == 2 and sum(size["allocations"] for size in report["sizes"]) == 2
    assert report["processes"][0]["peak_bytes"] == 11 * MIB + 500
    after = parsed(look(job(), "summary", "--json", "--from", "worked"))
    assert (after["peak"]["bytes"], after["processes"][0]["peak_bytes"]) == (4 * MIB + 220, 4 * MIB + 220)
    assert after["totals"]["leaked_bytes"] == 20


@pytest.mark.parametrize("args, words", [
    (["peak"], "live at the peak, 1.00 s into 5.00 s"),
    (["peak", "--at", "loaded"], "live at mark loaded, 1.00 s into 5.00 s"),
    (["peak", "--at", "80%"], "live at 80%, 4.00 s into 5.00 s"),
    (["peak", "--at", "2s"], "live, 2.00 s into 5.00 s"),
    (["peak", "--from", "worked"], "live at the maximum from mark worked (3.00 s) on, 4.00 s into 5.00 s"),
    (["peak", "--from", "loaded", "--to", "60%"], "live at the maximum between mark loaded (1.00 s) and 60% (3.00 s), 1.00 s into 5.00 s"),
    (["leaks"], "never freed, in 3 blocks"),
    (["leaks", "--at", "loaded"], "not freed by mark loaded (1.00 s), in 2 blocks"),
    (["leaks", "--to", "2s"], "not freed by 2.00 s, in 3 blocks"),
    (["leaks", "--from", "worked"], "allocated from mark worked (3.00 s) on and never freed, in 1 block"),
    (["leaks", "--from", "loaded", "--to", "worked"],
     "allocated between mark loaded (1.00 s) and mark worked (3.00 s) and not freed by then, in 1 block"),
    (["temporary", "--from", "loaded", "--to", "worked"],
     "freed again within 1 allocation of its thread, between mark loaded (1.00 s) and mark worked (3.00 s)"),
    (["summary", "--to", "peak"], "what happened up to the peak (1.00 s)"),
    (["summary", "--from", "loaded"], "kept 3.00 MiB in 2 blocks that were allocated in it and not freed by its end")])
def test_the_text_says_what_it_shows(look, args, words):
    finished = look(job(), *args, env={"COLUMNS": "200"})
    assert finished.status == 0, finished.err
    assert words in " ".join(finished.out.split())


def test_the_first_mark_of_a_name_counts(look):
    t, load, work = stage()
    for size in (1000, 200, 30):
        t.alloc(load, size)
        t.mark("lap")
    assert parsed(look(t, "peak", "--json", "--at", "lap"))["peak"]["bytes"] == 1000
    assert parsed(look(t, "leaks", "--json", "--from", "lap"))["total"]["bytes"] == 230


def test_a_mark_that_is_named_as_a_time_or_a_word_is_reached_by_its_prefix(look):
    t, load, work = stage()
    t.alloc(load, 1000)
    t.mark("end")
    t.free(t.alloc(load, 5))
    t.mark("3s")
    t.alloc(load, 70)
    assert parsed(look(t, "peak", "--json", "--at", "mark:end"))["peak"]["bytes"] == 1000
    assert parsed(look(t, "leaks", "--json", "--from", "mark:3s"))["total"]["bytes"] == 70


@pytest.mark.parametrize("options, words", [
    (["--from", "lunch"], "no mark named lunch (its marks: loaded, worked)"), (["--to", "lunch"], "no mark named lunch"),
    (["--from", "worked", "--to", "loaded"], "--from worked lies after --to loaded"),
    (["--from", "4s", "--to", "2s"], "--from 4s lies after --to 2s"), (["--from", "peak", "--to", "0.5s"], "--from peak lies after"),
    (["--from", "6s"], "before the time asked for"), (["--from", "end"], "nothing follows the end")])
@pytest.mark.parametrize("command", ["peak", "leaks", "summary", "temporary"])
def test_what_cannot_be_is_told_in_a_sentence(look, command, options, words):
    finished = look(job(), command, *options)
    assert (finished.status, finished.out) == (2, "")
    assert words in finished.err


def test_a_pipe_has_marks_but_no_peak_beforehand(memreplay):
    whole = job().finish()
    args = ("leaks", "--json", "--from", "loaded", "--to", "worked", "-")
    done = subprocess.run([BUILD / "memreplay", *args], input=whole, capture_output=True)
    assert json.loads(done.stdout)["total"]["bytes"] == 3 * MIB
    for edge in ("peak", "80%"):
        done = subprocess.run([BUILD / "memreplay", "peak", "--from", edge, "-"], input=whole, capture_output=True)
        assert done.returncode == 2 and b"needs a file, not a pipe" in done.stderr


def test_the_documented_example_shows_what_its_page_says(record):
    recording = record(ROOT / "examples" / "moments.py")
    assert [mark["name"] for mark in recording.summary()["marks"]] == ["loaded", "warm", "served"]
    grown = {function: held_by(recording.peak("--at", "served"), function) - held_by(recording.peak("--at", "warm"), function)
             for function in ("remember", "load")}
    assert grown["remember"] > 3000 * 100 and grown["load"] == 0
    kept = recording.leaks("--from", "warm", "--to", "served")
    assert held_by(kept, "answer") > held_by(kept, "remember") >= grown["remember"] * 9 // 10
    assert held_by(kept, "load") == 0


# ---- random histories ----


class History:
    """Random events written as a trace and kept as they are: ("alloc", id, size, stack), ("free", id), ("mark", name), each with its
    time. A position is the number of events before it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.trace, *self.stacks = stage()
        self.events, self.times, self.live, self.now = [], [], {}, 0
        for _ in range(self.random.randrange(40, 160)):
            self.step()
        self.now += 5
        self.trace.time(self.now)

    def add(self, *event):
        self.events.append(event)
        self.times.append(self.now)

    def step(self):
        what = self.random.random()
        if what < 0.5:
            size, stack = self.random.choice([0, 17, 4000, 10**6]) + self.random.randrange(50), self.random.choice(self.stacks)
            block = self.trace.alloc(stack, size)
            self.live[block] = size
            self.add("alloc", block, size, stack)
        elif what < 0.8 and self.live:
            block = self.random.choice(sorted(self.live))
            del self.live[block]
            self.trace.free(block)
            self.add("free", block)
        elif what < 0.9:
            name = self.random.choice("abcdef")
            self.trace.mark(name)
            self.add("mark", name)
        else:
            self.now += self.random.randrange(1, 10**6)
            self.trace.time(self.now)

    def held(self, position, born_from=0):
        """{block: (size, stack)} that lives at a position and was made from another on."""
        live = {}
        for at, event in enumerate(self.events[:position]):
            if event[0] == "alloc" and at >= born_from:
                live[event[1]] = event[2:]
            elif event[0] == "free":
                live.pop(event[1], None)
        return live

    def bytes_at(self, position):
        return sum(size for size, stack in self.held(position).values())

    def peak(self, low, high):
        """The earliest position of the highest sum."""
        return max(range(low, high + 1), key=lambda position: (self.bytes_at(position), -position))

    def before(self, time_ns, with_it):
        return sum(time < time_ns or (with_it and time == time_ns) for time in self.times)

    def moment(self, end):
        """A way to write a moment, and its position; end: of a window that ends there, or of --at."""
        marks = {}
        for at, event in enumerate(self.events):
            if event[0] == "mark":
                marks.setdefault(event[1], at + end)
        how = self.random.randrange(4)
        if how == 0 and marks:
            return self.random.choice(sorted(marks.items()))
        if how == 1:
            return "peak", self.peak(0, len(self.events))
        share = self.random.randrange(0, 1000)
        time_ns = self.now * (share * 1000) // 1000000 if how == 2 else self.random.choice(self.times)
        return (f"{share / 10}%" if how == 2 else f"{time_ns}ns"), self.before(time_ns, end)


def by_stack(report):
    sums = {}
    for stack in report["stacks"]:
        name = stack["frames"][0]["function"]
        sums[name] = sums.get(name, 0) + stack["bytes"]
    return {name: size for name, size in sums.items() if size}


def expected_by_stack(history, live):
    names = dict(zip(history.stacks, ("load", "work")))
    sums = {}
    for size, stack in live.values():
        sums[names[stack]] = sums.get(names[stack], 0) + size
    return {name: size for name, size in sums.items() if size}


@pytest.mark.parametrize("seed", range(12))
def test_reports_at_random_moments_equal_adding_up_the_events(look, seed):
    history = History(seed)
    whole = history.trace.finish()
    for _ in range(6):
        at, position = history.moment(True)
        live = history.held(position)
        report = parsed(look(whole, "peak", "--json", "--at", at))
        assert by_stack(report) == expected_by_stack(history, live), at
        assert report["peak"]["bytes"] == history.bytes_at(position)
        assert report["peak"]["allocations"] == len(live)


@pytest.mark.parametrize("seed", range(12, 30))
def test_reports_of_random_intervals_equal_adding_up_the_events(look, seed):
    history = History(seed)
    whole = history.trace.finish()
    for _ in range(6):
        (begin, low), (end, high) = history.moment(False), history.moment(True)
        if low >= high:
            continue
        between = ("--from", begin, "--to", end)
        kept = history.held(high, born_from=low)
        report = parsed(look(whole, "leaks", "--json", *between))
        assert by_stack(report) == expected_by_stack(history, kept), between
        assert report["total"]["allocations"] == len(kept)
        top = history.peak(low, high)
        report = parsed(look(whole, "peak", "--json", *between))
        assert by_stack(report) == expected_by_stack(history, history.held(top)), between
        made = [event for event in history.events[low:high] if event[0] == "alloc"]
        report = parsed(look(whole, "summary", "--json", *between))
        assert report["peak"]["bytes"] == history.bytes_at(top)
        assert report["totals"]["allocations"] == len(made)
        assert report["totals"]["allocated_bytes"] == sum(event[2] for event in made)
        assert report["totals"]["leaked_bytes"] == sum(size for size, stack in kept.values())
