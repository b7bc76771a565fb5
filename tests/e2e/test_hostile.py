"""Programs that turn against their recorder, and files that nobody sound wrote."""
import os
import pathlib
import subprocess

import pytest

from conftest import BUILD, PROGRAMS, ROOT, peak_rss

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
SANITIZED = BUILD.name == "san"
# Changed inputs of each target: the sanitized build looks for what is wrong, the release build only whether it ends.
ROUNDS = {"columns": 150, "replay": 150, "database": 150, "reader": 2000, "limits": 1500, "ring": 250}
COLLECTOR_BYTES = 400 << 20  # what is promised to definitions, and what a collector takes anyway

SCRIBBLES = {
    "words": "random words all over the shared memory",
    "heads": "heads and tails of the rings that cannot be",
    "entries": "rings that change their owner while they are read",
    "slots": "thousands of processes that never were",
    "bombs": "definitions, blocks and mappings without end",
    "cut": "the shared file is cut and holes are punched into it",
    "asks": "the collector's socket is asked for everything, half-said",
}


@pytest.mark.parametrize("deed", [
    pytest.param(deed, marks=pytest.mark.fault(f"the program scribbles: {what}", program="nothing: memrec goes on beside it",
                                               trace="it is whole; what the program claims is in it or counted as lost"))
    for deed, what in SCRIBBLES.items()])
def test_scribble__harms_nobody(memreplay, tmp_path, deed):
    trace = tmp_path / "trace.lz4"
    status, told, most_bytes = peak_rss([BUILD / "memrec", "run", "-o", trace, "--", PROGRAMS / "scribble", deed, "400"])
    assert status == 7, told
    assert "ended early" not in told
    assert memreplay("verify", trace).status == 0
    assert most_bytes < COLLECTOR_BYTES * (3 if SANITIZED else 1)


@pytest.mark.parametrize("target", ROUNDS)
def test_corpus__of_each_fuzz_target_and_changes_to_it(tmp_path, target):
    kept = tmp_path / "input"
    done = subprocess.run([BUILD / "fuzz" / target, "--seed", "7", "--rounds", str(ROUNDS[target] if SANITIZED else 30), CORPUS / target], cwd=ROOT,
                          capture_output=True, text=True, errors="replace", timeout=300, env=dict(os.environ, FUZZ_KEEP=str(kept)))
    assert done.returncode == 0, f"{target} on {kept}\n{done.stderr[-3000:]}"
    assert int(done.stdout.split()[0]) == sum(path.is_file() for path in (CORPUS / target).iterdir())


def test_corpus__is_small():
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 500_000


def test_corpus__has_a_folder_for_each_target():
    targets = {path.stem.removeprefix("fuzz_") for path in (ROOT / "tests" / "fuzz").glob("fuzz_*.c")}
    assert targets == set(ROUNDS) == {path.name for path in CORPUS.iterdir()}
