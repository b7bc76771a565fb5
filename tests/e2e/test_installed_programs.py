"""Every program that is installed here, bare and recorded: it says the same and ends alike, and nothing of it is lost. What does
not hold is tried again, up to TRIES times: some say something else each time."""
import json
import os
import pathlib
import re

import pytest

from conftest import BUILD, run

UNSAFE = {"halt", "init", "killall5", "poweroff", "reboot", "shutdown", "telinit", "yes"}  # not to be tried with an option that they may not know
CANNOT = ("statically linked", "set-uid or set-gid")
TRIES = 3


def programs():
    """Of each folder that people start programs from; of several names of one file all, since many behave by their name."""
    folders = [*os.environ["PATH"].split(":"), "/usr/lib/git-core", "/usr/libexec", *map(str, pathlib.Path("/usr/lib").glob("llvm-*/bin"))]
    for folder in dict.fromkeys(map(os.path.realpath, filter(os.path.isdir, folders))):
        for path in sorted(pathlib.Path(folder).iterdir()):
            if path.is_file() and os.access(path, os.X_OK | os.R_OK) and path.name not in UNSAFE:
                with open(path, "rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path


def shown(done):
    """How it ended and what it said, without numbers, which may be of the moment: a pid, a time, an address."""
    status = 128 - done.status if done.status < 0 else done.status
    return status, *(re.sub(r"0x[0-9a-f]+|\d+", "#", text) for text in (done.out, done.err))


def lost(trace):
    """What the trace says was lost. Not stacks that code made at run time ends, which no table tells how to unwind; nor what a signal's
    handler does in the middle of a hook (docs/reliability.md); nor frees of blocks that a forked child has from its parent."""
    summary = json.loads(run([BUILD / "memreplay", "summary", "--json", trace]).out)
    forked = {process["pid"] for process in summary["processes"] if process["parent"] not in (None, process["pid"])}
    losses = [loss["reason"] for loss in summary["losses"]
              if loss["reason"] not in ("native_cut", "reentered") and not (loss["reason"] == "unknown_free" and loss["pid"] in forked)]
    return " ".join(losses + [word for word in ("impossible", "replaced") if summary["totals"][word]])


def tried(path, option, how, folder):
    """None: it cannot be recorded, or takes too long bare. Else what differs or was lost, as words; "": nothing."""
    bares, recordeds, words = set(), set(), ""
    trace = folder / "t.lz4"
    for _ in range(TRIES):
        bare = run(["timeout", "-k", "1", "20", path, option], cwd=folder)
        if bare.status in (124, 137):
            return None
        recorded = run([BUILD / "memrec", "run", "-q", "-f", "-o", trace, "--children", "all", *how, "--", path, option], cwd=folder)
        if recorded.status == 125 and any(why in recorded.err for why in CANNOT):
            return None
        bares.add(shown(bare))
        recordeds.add(shown(recorded))
        words = lost(trace) if bares & recordeds else f"bare {bares}, recorded {recordeds}"
        if not words:
            break
    return words


@pytest.mark.soak
@pytest.mark.release_only
@pytest.mark.parametrize("option", ["--version", "--help"])
@pytest.mark.parametrize("how", [[], ["--native"]], ids=["plain", "native"])
def test_installed__program_says_what_it_says_bare(option, how, tmp_path):
    found = {str(path): tried(path, option, how, tmp_path) for path in programs()}
    told = {path: words for path, words in found.items() if words is not None}
    print(f"{len(told)} programs, {len(found) - len(told)} cannot be recorded or wait for something")
    assert len(told) > 100
    assert {path: words for path, words in told.items() if words} == {}
