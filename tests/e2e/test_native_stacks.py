"""Native stacks where something other than plain calls makes them: what each shows is known by construction."""
import json

import pytest

from test_native import names, needs_unwinder

pytestmark = [pytest.mark.release_only, needs_unwinder]


def told_blocks(recording):
    """{size: frames} of the blocks whose sizes the program has told, and what it told of them."""
    told = {int(size): facts for size, facts in json.loads(recording.finished.out.splitlines()[-1]).items()}
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
