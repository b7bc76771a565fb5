"""Native stacks where something other than plain calls makes them: what each shows is known by construction."""
import json
import pathlib

import pytest

from test_native import NATIVE, names, needs_unwinder

pytestmark = [pytest.mark.release_only, needs_unwinder]


def told_blocks(recording):
    """{size: frames} of the blocks whose sizes the program has told, and what it told of them."""
    told = {int(size): facts for line in recording.finished.out.splitlines() for size, facts in json.loads(line).items()}
    found = {}
    for stack in recording.peak("--frames", "all")["stacks"]:
        size = stack["bytes"] // 100 * 100  # without what a bytearray adds
        if stack["allocations"] == 1 and size in told:
            found[size] = stack["frames"]
    assert found.keys() == told.keys()
    return told, found


def python_names(frames):
    return [frame["function"].rsplit(".", 1)[-1] for frame in frames if frame["kind"] == "python"]


def native_losses(recording):
    return [loss for loss in recording.summary()["losses"] if "native" in loss["reason"]]


def loops_left_over(frames):
    return [name for name in names({"frames": frames}) if name.startswith("_PyEval_EvalFrameDefault")]


def light(interpreter):
    """What is enough to see large blocks, on a loaded machine, too: of free-threaded builds every block is an object."""
    return ["--native"] + ([] if interpreter.free_threaded else ["--no-objects"])


def test_native__a_thread_state_may_lie_in_memory_that_was_used_before(record, interpreter):
    """3.10 leaves the end of a thread's chain of entry records as malloc gives it."""
    recording = record("""
        import json, threading
        kept = []
        def inner(x): kept.append(bytearray(20_000_000))
        def work(): sorted([1], key=inner)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(json.dumps({20_000_000: "inner"}))
        """, python=interpreter, options=["--native"], env={"MALLOC_PERTURB_": "165"})
    frames = told_blocks(recording)[1][20_000_000]
    at = [frame["function"] for frame in frames].index("work")
    assert python_names(frames)[-2:] == ["work", "inner"] and not loops_left_over(frames)
    assert frames[at + 1]["kind"] == "native"  # sorted
    assert not native_losses(recording)


def assert_apart(told, found):
    """Each stack begins where its thread does, or in greenlet's library, and has nothing of others."""
    for size, (own, expected) in told.items():
        frames = found[size]
        shown = names({"frames": frames})
        assert python_names(frames) == expected, shown
        assert not loops_left_over(frames), shown
        assert frames[0]["kind"] == frames[-1]["kind"] == "native", shown
        if own:
            assert not any(name.endswith("inner_bootstrap") for name in shown), shown
        else:
            assert "/_greenlet." in frames[0]["module"], shown
            assert not any(name.endswith("inner_bootstrap") for name in shown[1:]), shown  # a tracing function is called before it
        if expected[-4:-2] == ["by_qsort", "<lambda>"]:
            assert "qsort" in "".join(shown), shown


def test_native__a_greenlet_shows_its_own_stack_and_nothing_of_others(record, interpreter, packages):
    """Its C stack stands where others' stood; what they have left further out is not its own."""
    folder = packages(interpreter, "greenlet")
    recording = record(NATIVE / "greenlets.py", python=interpreter, options=light(interpreter), env={"PYTHONPATH": str(folder)})
    assert_apart(*told_blocks(recording))
    assert not native_losses(recording)


@pytest.mark.soak  # packages
@pytest.mark.parametrize("native", [True, False], ids=["native", "plain"])
def test_native__greenlets_of_gevent_show_their_own_stacks(record, interpreter, packages, native):
    folder = packages(interpreter, "gevent")
    options = [option for option in light(interpreter) if native or option != "--native"]
    recording = record(NATIVE / "gevents.py", python=interpreter, options=options, env={"PYTHONPATH": str(folder)})
    told, found = told_blocks(recording)
    assert len(told) > 100 and {own for own, _ in told.values()} == {True, False}
    if native:
        assert_apart(told, found)
    for size, (_, expected) in told.items():
        assert python_names(found[size]) == expected
    assert not native_losses(recording)


@pytest.mark.since(3, 12)
def test_native__trampolines_for_perf_are_left_by_their_epilogues(record, interpreter):
    """-X perf: each Python function is called through code made at run time, without unwind information."""
    env = {"PYTHONPERFSUPPORT": "1"}
    recording = record(NATIVE / "ways.py", python=interpreter, options=light(interpreter), env=env)
    told, found = told_blocks(recording)
    for size, expected in told.items():
        shown = names({"frames": found[size]})
        assert python_names(found[size]) == expected, shown
        assert not loops_left_over(found[size]), shown
        assert "[jit]" in shown and found[size][0]["kind"] == "native", shown
    assert not native_losses(recording)
    for process in recording.peak()["processes"]:
        pathlib.Path(f"/tmp/perf-{process['pid']}.map").unlink(missing_ok=True)


@pytest.mark.since(3, 14)
def test_native__code_of_the_jit_ends_a_stack_and_is_counted(record, interpreter):
    """No rule tells how its frames are left: what is inside of it is shown, with all Python frames in their order."""
    recording = record(NATIVE / "hot.py", python=interpreter, options=light(interpreter), env={"PYTHON_JIT": "1"})
    told, found = told_blocks(recording)
    cut = 0
    for size, expected in told.items():
        frames = found[size]
        assert python_names(frames) == expected, names({"frames": frames})
        assert not loops_left_over(frames) and frames[-1]["kind"] == "native", names({"frames": frames})
        cut += frames[0]["kind"] == "python"
    assert sum(loss["count"] for loss in native_losses(recording)) >= cut  # 0: a build without the JIT


def test_native__a_subinterpreter_shows_its_own_frames_in_their_loops(record, interpreter):
    """Whoever runs it: the loops of the interpreter that it was run from stay C code, further out."""
    recording = record(NATIVE / "interpreters.py", python=interpreter, options=light(interpreter))
    told, found = told_blocks(recording)
    for size, expected in told.items():
        frames = found[size]
        shown = names({"frames": frames})
        assert python_names(frames) == expected, shown
        kinds = [frame["kind"] for frame in frames]
        assert kinds[0] == kinds[-1] == "native", shown
        assert not loops_left_over(frames[kinds.index("python"):]), shown
    assert not native_losses(recording)
