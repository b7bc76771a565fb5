"""Tests that show a fault, as rows of docs/reliability.md: their marks and how they ended.

A mark `fault(what, program=, trace=, kind=)` travels with its test as a user property, so that it comes back from pytest's
workers with the result. Each result is a line of $MEMREC_BUILD/faults.jsonl; of a test that ran again the last line counts.
With MEMREC_FAULTS=FILE the marks of what was collected are written there instead: tools/reliability asks so, with
--collect-only. Rows are grouped by kind: the mark's, else the module's FAULT_KIND, else the module's name.
Not here: the table itself, which is tools/reliability's.
"""
import json
import pathlib

import pytest


def keep_soak_apart(config, items):
    """Tests marked `soak` run only where -m names soak."""
    if "soak" in (config.option.markexpr or ""):
        return
    apart = [item for item in items if item.get_closest_marker("soak")]
    if apart:
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


def row_of(item, what, program, trace, kind=None):
    name = pathlib.Path(item.path).stem.removeprefix("test_")
    kind = kind or getattr(item.module, "FAULT_KIND", None) or name.replace("_", " ").capitalize()
    return {"kind": kind, "what": what, "program": program, "trace": trace, "soak": bool(item.get_closest_marker("soak"))}


def note_marks(items):
    for item in items:
        mark = item.get_closest_marker("fault")
        if mark is None:
            continue
        try:
            item.user_properties.append(("fault", row_of(item, *mark.args, **mark.kwargs)))
        except TypeError:
            raise pytest.UsageError(f'{item.nodeid}: fault("what goes wrong", program="what it sees", trace="what it keeps")') from None


def write_marks(items, path):
    with open(path, "w") as file:
        for item in items:
            for row in (value for name, value in item.user_properties if name == "fault"):
                file.write(json.dumps({"test": item.nodeid, **row}) + "\n")


def write_result(report, path):
    """One line for a test that shows a fault: of its call, or of a set-up that skipped or failed."""
    if not any(name == "fault" for name, _ in report.user_properties) or report.when == "teardown":
        return
    if report.when == "setup" and report.passed:
        return
    why = report.longrepr[2].removeprefix("Skipped: ") if report.skipped and isinstance(report.longrepr, tuple) else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps({"test": report.nodeid, "outcome": report.outcome, "why": why}) + "\n")
