"""Threads have the names that they get while they run (tests/programs/named.c), however short they live: what --thread takes and what
reports show. Each thread holds a number of bytes that no other one holds."""
import json

import pytest

from conftest import BUILD, PROGRAMS, held_by, run

NAMED = PROGRAMS / "named"


def by_thread(report):
    """{(pid, tid, name): bytes}"""
    held = {}
    for stack in report["stacks"]:
        who = stack["pid"], stack["tid"], stack["thread"]
        held[who] = held.get(who, 0) + stack["bytes"]
    return held


def names(recording, *sizes):
    """{bytes: name} of the threads that hold one of these numbers of bytes; other threads hold what they like."""
    told = [(size, name) for (_, _, name), size in by_thread(recording.leaks()).items() if size in sizes]
    assert len(told) == len(dict(told)), told
    return dict(told)


def test_threads_that_are_gone_at_once_have_the_names_that_they_gave_themselves(record):
    recording = record([NAMED, "short"])
    assert names(recording, *range(1000, 1300)) == {1000 + i: f"short-{i}" for i in range(300)}
    for i in (0, 1, 298, 299):
        assert recording.leaks("--thread", f"short-{i}")["total"]["bytes"] == 1000 + i


def test_a_thread_that_another_one_names(record):
    recording = record([NAMED, "others"])
    assert names(recording, 4001) == {4001: "by-main"}
    assert recording.leaks("--thread", "by-main")["total"]["bytes"] == 4001


def test_the_main_thread_has_its_latest_name_and_is_found_by_all(record, memreplay, tmp_path):
    """named, as the kernel calls it by its file; first-name; second-name. In a database, too."""
    recording = record([NAMED, "main"])
    assert {name for (_, _, name) in by_thread(recording.leaks())} == {"second-name"}
    whole = recording.leaks("--thread", "second-name")
    assert whole["total"]["bytes"] >= 9000
    database = tmp_path / "run.db"
    assert memreplay("sqlite", "-o", database, recording.trace).status == 0
    for name in ("named", "first-name", "second-name"):
        told = memreplay("leaks", "--json", "--thread", name, recording.trace)
        assert json.loads(told.out)["total"] == whole["total"]
        assert memreplay("leaks", "--json", "--thread", name, database).out == told.out
    assert memreplay("leaks", "--thread", "third-name", recording.trace).status == 2


def test_a_forked_child_is_not_found_by_its_parent_s_name_once_it_has_its_own(record):
    held = by_thread(record([NAMED, "forked"]).leaks("--thread", "parent-name"))
    assert sorted(size for size in held.values() if 4000 <= size <= 4002) == [4000]


def test_forked_children_begin_with_their_parent_s_name(record):
    held = by_thread(record([NAMED, "forked"]).leaks())
    own = sorted((size, name) for (pid, tid, name), size in held.items() if 4000 <= size <= 4002)
    assert own == [(4000, "parent-name"), (4001, "late-child"), (4002, "early-child")]


def test_a_vfork_child_s_name_is_not_its_parent_s(record):
    recording = record([NAMED, "vforked"])
    assert {name for (_, _, name) in by_thread(recording.leaks())} == {"before"}


def test_a_thread_without_a_name_of_its_own_has_its_creator_s(record):
    assert names(record([NAMED, "inherited"]), 7000) == {7000: "creator"}


def test_a_thread_that_is_named_past_libc_is_asked_while_it_lives(record):
    recording = record([NAMED, "past", BUILD / "memrec", "mark", "-q", "seen"])
    assert recording.leaks("--thread", "past-libc")["total"]["bytes"] >= 8000


def test_names_from_a_signal_s_handler(record):
    recording = record([NAMED, "storm"])
    assert {name for (_, _, name) in by_thread(recording.leaks())} == {"calm"}


def test_names_stay_data(record, memreplay):
    """Control characters and bytes that are no text."""
    recording = record([NAMED, "bytes"])
    told, = {name for (_, _, name) in by_thread(recording.leaks())}
    assert told == "\x1b[1m\\xff=;\u00e4\n"
    shown = memreplay("export", "--format", "csv", "-o", "-", recording.trace)
    assert shown.status == 0 and "\x1b" not in shown.out and "=;\u00e4" in shown.out


def test_the_program_s_calls_tell_it_what_they_would(record):
    recording = record([NAMED, "told"])
    assert recording.finished.out == run([NAMED, "told"]).out
    assert "-1 14" in recording.finished.out and ": 34 77" in recording.finished.out


@pytest.mark.since(3, 14)
def test_python_names_its_threads(record, interpreter):
    """From 3.14 on CPython tells the kernel its threads' names, as far as they fit."""
    recording = record("""
        import threading
        kept = []
        def hold(number):
            kept.append(bytes(1_000_000 + 10_000 * number))
        for number in range(20):
            thread = threading.Thread(target=hold, args=(number,), name=f"loader {number}")
            thread.start()
            thread.join()
        """, python=interpreter)
    for number in range(20):
        size = held_by(recording.peak("--thread", f"loader {number}"), "hold")
        assert 1_000_000 + 10_000 * number < size < 1_009_000 + 10_000 * number
    assert held_by(recording.peak("--thread", f"{interpreter.path.rsplit('/')[-1]}"), "hold") == 0
