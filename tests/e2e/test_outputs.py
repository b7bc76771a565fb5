"""Where files are written: new and their owner's alone, never through a link, whole or not at all; pipes and devices as they stand."""
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

import binaries
from conftest import BUILD, run
from test_memreplay import job

FAULT_KIND = "Other people in the same folder"

WRITERS = {
    "report": ("peak",), "json": ("summary", "--json"), "page": ("flamegraph",), "picture": ("flamegraph", "--svg"), "diff": ("diff", "--html"),
    "export": ("export", "--format", "csv"), "pprof": ("export", "--format", "pprof"), "check": ("check", "--max-peak", "1TB"), "sqlite": ("sqlite",),
}
STREAMS = {name: words for name, words in WRITERS.items() if name != "sqlite"}  # a database must be sought in


@pytest.fixture
def trace(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "job.lz4"
    path.write_bytes(job().finish())
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture(params=WRITERS)
def write(request, trace):
    """write(output, options…) -> Finished, under umask 0."""
    return lambda output, *options: written(WRITERS[request.param], trace, output, *options)


def written(words, trace, output, *options, before="umask 0"):
    traces = [trace, trace] if words[0] == "diff" else [trace]
    return run(["bash", "-c", f'{before}; exec "$@"', "bash", BUILD / "memreplay", *words, *options, "-o", output, *traces])


def test_output__is_new_and_private(write, folder):
    out = folder / "out"
    assert write(out).status == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600 and out.stat().st_size
    os.chmod(out, 0o666)
    out.write_text("mine")
    refused = write(out)
    assert refused.status == 2 and "-f replaces it" in refused.err and out.read_text() == "mine"
    before = out.stat().st_ino
    with open(out) as held:  # so that its number is not given out again
        assert write(out, "-f").status == 0
        assert held.read() == "mine"
    assert out.stat().st_ino != before and stat.S_IMODE(out.stat().st_mode) == 0o600
    assert os.listdir(folder) == ["out"]


@pytest.mark.fault("memreplay's -o FILE is somebody's link, to a file or to none", program="nothing",
                   trace="the link is refused, or with -f replaced; what it leads to is as it was")
@pytest.mark.parametrize("there", [True, False])
def test_output__is_never_written_through_a_link(write, folder, tmp_path, there):
    victim, out = tmp_path / "victim", folder / "out"
    if there:
        victim.write_text("mine")
    out.symlink_to(victim)
    refused = write(out)
    assert refused.status == 2 and "exists" in refused.err and out.is_symlink()
    assert victim.exists() == there
    assert write(out, "-f").status == 0
    assert not out.is_symlink() and out.stat().st_size and os.listdir(folder) == ["out"]
    assert victim.read_text() == "mine" if there else not victim.exists()


def test_output__that_cannot_be_finished_leaves_the_old_one(request, trace, folder):
    out = folder / "out"
    out.write_text("mine")
    for words in WRITERS.values():
        failed = written(words, trace, out, "-f", before="trap '' XFSZ; ulimit -f 0")
        assert failed.status == 3 and "cannot be written" in failed.err, (words, failed)
        assert out.read_text() == "mine" and os.listdir(folder) == ["out"]


@pytest.mark.parametrize("words", STREAMS.values(), ids=STREAMS)
def test_output__goes_to_pipes_and_devices_as_they_stand(trace, folder, words):
    traces = [trace, trace] if words[0] == "diff" else [trace]
    argv = " ".join(map(str, [BUILD / "memreplay", *words]))
    names = " ".join(map(str, traces))

    def said(redirection):
        return subprocess.run(["bash", "-c", redirection.format(argv=argv, names=names)], capture_output=True, cwd=folder, timeout=60)

    plain = said("{argv} -o - {names}")
    assert plain.returncode == 0 and plain.stdout and b"wrote" not in plain.stderr
    assert said("{argv} -o /dev/stdout {names}").stdout == plain.stdout
    assert said("{argv} -o /dev/fd/7 {names} 7>&1").stdout == plain.stdout
    assert said("{argv} -o >(cat) {names} | cat").stdout == plain.stdout
    assert said("echo first > kept; {argv} -o /dev/stdout {names} >> kept; cat kept").stdout == b"first\n" + plain.stdout
    assert said("mkfifo pipe; cat pipe & {argv} -o pipe {names}; wait").stdout == plain.stdout
    assert said("{argv} -o /dev/null {names}").returncode == 0
    full = said("{argv} -o /dev/full {names}")
    assert full.returncode == 3 and b"cannot be written" in full.stderr
    assert said("{argv} -o /dev/fd/77 {names}").returncode == 2
    assert sorted(os.listdir(folder)) == ["kept", "pipe"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's pipe")
@pytest.mark.fault("memreplay's -o FILE is somebody else's pipe", program="nothing", trace="it is refused; nothing is written into it")
def test_output__is_not_handed_to_somebody_elses_pipe(trace, folder):
    os.mkfifo(folder / "out")
    os.chown(folder / "out", 65534, 65534)
    reader = os.open(folder / "out", os.O_RDONLY | os.O_NONBLOCK)
    for force in ((), ("-f",)):
        refused = written(WRITERS["export"], trace, folder / "out", *force)
        assert refused.status == 2 and ("exists" in refused.err or "no plain file" in refused.err)
    assert os.read(reader, 1) == b""
    os.close(reader)


@pytest.mark.fault("memrec's -o FILE is somebody's link", program="is not started; memrec says why and exits with 125",
                   trace="with -f the link is replaced; what it leads to is as it was")
def test_trace__is_never_written_through_a_link(memrec, folder, tmp_path):
    victim, out = tmp_path / "victim", folder / "t.lz4"
    for there in (False, True):
        if there:
            victim.write_text("mine")
        out.symlink_to(victim)
        refused = memrec("run", "-o", out, "--", "/bin/echo", "program ran")
        assert (refused.status, refused.out) == (125, "") and "exists" in refused.err and out.is_symlink()
        assert victim.exists() == there
        assert memrec("run", "-f", "-o", out, "--", "/bin/echo", "program ran").status == 0
        assert not out.is_symlink() and stat.S_IMODE(out.stat().st_mode) == 0o600
        assert victim.exists() == there and (not there or victim.read_text() == "mine")
        out.unlink()


def test_trace__is_new_and_private(folder):
    argv = ["bash", "-c", 'umask 0; exec "$@"', "bash", BUILD / "memrec", "run", "-q", "--", "/bin/echo", "program ran"]
    assert run(argv, cwd=folder).out == "program ran\n"
    [name] = os.listdir(folder)
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


# ---- set-uid ----

@pytest.fixture
def anybodys():
    """A folder that everybody may enter, on a file system that knows set-uid."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        path.rmdir()
        pytest.skip("/var/tmp is mounted nosuid")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def given_away(path, to):
    shutil.copy(path, to)
    os.chown(to, 65534, 65534)
    os.chmod(to, 0o4755)
    return to


@pytest.mark.release_only
@pytest.mark.parametrize("name, status", [("memrec", 125), ("memreplay", 2)])
def test_tools__do_not_run_set_uid(anybodys, name, status):
    done = run([given_away(BUILD / name, anybodys / name), "--version"])
    assert (done.status, done.out) == (status, "") and "set-uid" in done.err and len(done.err.splitlines()) == 1


@pytest.mark.release_only
@pytest.mark.fault("a set-uid program is linked with the library, below a recorded one", program="runs as bare: the library does nothing there",
                   trace="it is not in it", kind="Other people in the same folder")
@pytest.mark.parametrize("set_uid", [False, True])
def test_library__does_nothing_in_a_set_uid_program(record, anybodys, programs, set_uid):
    library, program = shutil.copy(BUILD / "libmemrec.so", anybodys), anybodys / "program"
    source = programs.parent.parent.parent / "tests" / "programs" / "environ.c"
    binaries.program(program, source, "-Wl,--no-as-needed", library, f"-Wl,-rpath,{anybodys}")
    if set_uid:
        os.chown(program, 65534, 65534)
        os.chmod(program, 0o4755)
    recording = record(f"""
        import os, subprocess
        env = dict(os.environ)
        del env["LD_PRELOAD"]
        print(subprocess.run([{str(program)!r}], env=env, capture_output=True, text=True).stdout)
    """, options=["--children", "all"])
    assert recording.finished.out.strip() == f"preload=no library=yes rings={'no' if set_uid else 'yes'}"
