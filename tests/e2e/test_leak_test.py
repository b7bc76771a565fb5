"""The leak regression test of a small real HTTP server under load (examples/leak_test.py): exact live bytes between two marks, so that
nothing a request is nothing, and a leak is named."""
import json

import pytest

from conftest import BUILD, ROOT, run

REQUESTS = 4000


@pytest.fixture
def leak_test(python, tmp_path):
    """leak_test(options…) -> Finished; its trace is tmp_path/server.lz4."""
    return lambda *options: run([python.path, ROOT / "examples" / "leak_test.py", "--requests", str(REQUESTS), "-o",
                                 tmp_path / "server.lz4", "--memrec", BUILD / "memrec", *options], cwd=tmp_path)


def growth(memreplay, trace):
    done = memreplay("check", "--from", "warm", "--to", "done", "--max-growth", "0", "--json", trace)
    [verdict] = json.loads(done.out)["checks"]
    assert verdict["growth_bytes"] == verdict["bytes"] - verdict["from_bytes"]
    return verdict


def test_a_server_without_a_leak_grows_by_nothing_a_request(leak_test, memreplay, tmp_path):
    done = leak_test()
    assert done.status == 0, done.out + done.err
    assert "within the" in done.out
    assert abs(growth(memreplay, tmp_path / "server.lz4")["growth_bytes"]) < REQUESTS


def test_a_planted_leak_is_found_and_named(leak_test, memreplay, tmp_path):
    done = leak_test("--leak")
    assert done.status == 1, done.out + done.err
    assert "EXCEEDED" in done.out and "keep server.py" in done.out
    verdict = growth(memreplay, tmp_path / "server.lz4")
    kept = next(each for each in verdict["offenders"] if each["function"] == "keep")
    assert min(verdict["growth_bytes"], kept["growth_bytes"]) >= REQUESTS * 500, "half a kilobyte a request and more was planted"
    done = memreplay("check", "--from", "warm", "--to", "done", "--max-leaks", str(REQUESTS * 500), tmp_path / "server.lz4")
    assert done.status == 1 and "allocated from warm to done and not freed by then" in done.out and "keep server.py" in done.out


def test_growth_within_a_run_needs_a_beginning(memreplay, tmp_path):
    done = memreplay("check", "--max-growth", "0", "--to", "done", tmp_path / "server.lz4")
    assert done.status == 2 and "--from WHEN" in done.err
