"""What the machine may refuse, refused by the machine itself: system calls, descriptors, room in file systems, file sizes.

The same build that people get; no failpoints. A program with a dozen threads, a forked child and a Python below it runs bare
and recorded: output and status must be the same, and what is lost must be told.
"""
import os
import shutil
import signal

import pytest

from conftest import BUILD, PROGRAMS, Recording, run
from test_failpoints import JOB
from trees import losses

FAULT_KIND = "Refused by the machine"
MEMREC = BUILD / "memrec"
EPERM, ENOSYS = 1, 38
pytestmark = pytest.mark.release_only


@pytest.fixture(scope="module")
def job(tmp_path_factory, python):
    script = tmp_path_factory.mktemp("job") / "job.py"
    script.write_text(JOB)
    return [python.path, script], run([python.path, script])


@pytest.fixture
def harmless(job, tmp_path):
    """harmless(before, inside) -> what memrec said and the recording: `before` comes before memrec, `inside` before Python."""
    def recorded(before=(), inside=(), trace=None):
        argv, bare = job
        trace = trace or tmp_path / "t.lz4"
        done = run([*before, MEMREC, "run", "-o", trace, "--", *inside, *argv])
        if done.status in (77, 125) and "seccomp" in done.err:
            pytest.skip("no seccomp filters here")
        assert (done.status, done.out) == (bare.status, bare.out), done.err
        assert done.err.startswith(bare.err)
        return done.err[len(bare.err):], Recording(trace, done)
    return recorded


def deny(error, names):
    done = run([PROGRAMS / "deny", str(error), names, "true"])
    if done.status == 77:
        pytest.skip("no seccomp filters here")
    return [PROGRAMS / "deny", str(error), names]


def assert_whole(words, recording):
    summary = recording.summary()
    assert summary["trace"]["complete"] and summary["trace"]["lost_events"] == 0 and set(losses(summary)) <= {"unknown_free"}
    assert "lost" not in words and "could not" not in words and "nothing was recorded" not in words


@pytest.mark.fault("seccomp denies memrec what it can do without", program="runs as bare", trace="whole, nothing is lost")
@pytest.mark.parametrize("names", ["memfd_create", "pidfd_open", "close_range", "setrlimit", "memfd_create,pidfd_open,close_range,setrlimit"])
def test_seccomp__of_memrec_and_all_below(harmless, names):
    assert_whole(*harmless(before=deny(EPERM, names)))


@pytest.mark.fault("seccomp denies memrec sockets or random numbers", program="is not started; memrec says why and exits with 125", trace="no file is left")
@pytest.mark.parametrize("names", ["socket", "socketpair", "getrandom"])
def test_seccomp__of_what_cannot_be_missed_is_told_before_the_start(job, tmp_path, names):
    done = run([*deny(ENOSYS, names), MEMREC, "run", "-o", tmp_path / "t.lz4", "--", *job[0]])
    assert (done.status, done.out) == (125, "") and done.err.startswith("memrec: no socket") and not (tmp_path / "t.lz4").exists()


@pytest.mark.fault("seccomp denies the program what only the recorder asks for", program="runs as bare", trace="whole, nothing is lost")
@pytest.mark.parametrize("names", ["mincore", "process_vm_readv", "kill", "gettid", "tgkill", "rt_sigprocmask", "kill,gettid,tgkill,rt_sigprocmask,mincore"])
def test_seccomp__of_the_program(harmless, names):
    assert_whole(*harmless(inside=deny(EPERM, names)))


@pytest.mark.fault("seccomp denies the program a way to the collector", program="runs as bare", trace="the loss is told, with counts")
@pytest.mark.parametrize("names", ["sendto", "recvmsg", "madvise"])
def test_seccomp__that_keeps_the_program_out_is_told(harmless, names):
    words, recording = harmless(inside=deny(EPERM, names))
    assert recording.summary()["trace"]["complete"]
    assert "could not join" in words or "stopped recording" in words, words


@pytest.mark.fault("seccomp denies a program below the first one every socket, a limit for its wait, or a look at who is to come",
                   program="runs as bare", trace="whole, without that process: who cannot ask is not known")
@pytest.mark.parametrize("names", ["socket", "connect", "setsockopt", "access"])
def test_seccomp__of_sockets_leaves_the_program_out(harmless, names):
    words, recording = harmless(inside=deny(EPERM, names))
    summary = recording.summary()
    assert summary["trace"]["complete"] and len(summary["processes"]) == 1


@pytest.mark.fault("a sandbox of the program's kills it for a call that only the recorder makes", program="is killed (SIGSYS): a limit, see above", trace="everything up to that instant")
@pytest.mark.parametrize("names", ["mincore"])
def test_seccomp__that_kills_is_a_limit(python, tmp_path, names):
    deny(EPERM, names)
    inside = [PROGRAMS / "deny", "0", names, python.path, "-c", "kept = bytes(30_000_000); x = bytes(5_000_000); del x; print('over')"]
    assert run(inside)[:2] == (0, "over\n")
    done = run([MEMREC, "run", "-o", tmp_path / "t.lz4", "--", *inside])
    assert (done.status, done.out) == (128 + signal.SIGSYS, "")
    peak = Recording(tmp_path / "t.lz4", done).peak()
    assert peak["trace"]["complete"] and peak["trace"]["lost_events"] == 0 and peak["peak"]["bytes"] > 35_000_000


@pytest.mark.fault("the program has no descriptor left when its threads need more rings", program="runs as bare", trace="whole, with the loss and its count: `no_ring`")
def test_descriptors__all_taken_by_the_program(record, python, tmp_path):
    source = """
import os, threading
kept = []
def thread():
    ready.wait(); kept.append([str(i) for i in range(3000)]); ready.wait()
ready = threading.Barrier(13)
threads = [threading.Thread(target=thread) for _ in range(12)]
files = []
try:
    while True: files.append(os.open("/dev/null", os.O_RDONLY))
except OSError as told: print(told.errno)
for each in threads: each.start()
ready.wait(); ready.wait()
for each in threads: each.join()
print(len(kept))
"""
    (tmp_path / "bare.py").write_text(source)
    bare = run(["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", python.path, tmp_path / "bare.py"])
    recording = record(["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", python.path, tmp_path / "bare.py"])
    assert recording.finished.out == bare.out == "24\n12\n"
    summary = recording.summary()
    assert summary["trace"]["complete"] and losses(summary)["no_ring"] > 1000 and "events were lost" in recording.finished.err


@pytest.fixture
def mounted(tmp_path):
    """mounted(script) -> the beginning of a command that mounts as the shell's words say, seen by nobody else."""
    if os.getuid() != 0 or not shutil.which("unshare") or run(["unshare", "-m", "true"]).status:
        pytest.skip("needs root and a mount namespace")

    def begin(script):
        probe = run(["unshare", "-m", "sh", "-c", script])
        if probe.status:
            pytest.skip(f"cannot mount here: {probe.err.strip()}")
        return ["unshare", "-m", "sh", "-c", script + ' && exec "$@"', "sh"]
    return begin


@pytest.mark.fault("the disk is full: a tmpfs of 1 MB", program="runs as bare", trace="ends there and says so, or is cut at its last block; memrec says so")
def test_disk__full(mounted, job, tmp_path):
    folder, kept = tmp_path / "small", tmp_path / "kept.lz4"
    folder.mkdir()
    before = mounted(f"mount -t tmpfs -o size=1m tmpfs {folder}")
    argv, bare = job
    done = run([*before, "sh", "-c", f'head -c 960k /dev/zero > {folder}/filler; "$@"; s=$?; cp {folder}/t.lz4 {kept}; exit $s', "sh",
                MEMREC, "run", "-o", folder / "t.lz4", "--", *argv])
    assert (done.status, done.out) == (bare.status, bare.out) and "recording stopped early" in done.err
    trace = Recording(kept, done).summary()["trace"]
    assert trace["damaged_blocks"] == 0


@pytest.mark.fault("memfd_create denied and /dev/shm read-only", program="runs as bare", trace="whole, nothing is lost: the rings lie in a nameless file in /tmp")
def test_shared_memory__without_dev_shm(mounted, harmless):
    assert_whole(*harmless(before=[*mounted("mount -t tmpfs -o ro tmpfs /dev/shm"), *deny(ENOSYS, "memfd_create")]))


@pytest.mark.fault("memfd_create denied, and /dev/shm too small for all rings (as a container's)", program="runs as bare: no page of a ring is touched before it is there",
                   trace="whole, with the loss and its count: `no_ring`")
def test_shared_memory__in_a_dev_shm_that_is_too_small(mounted, harmless):
    words, recording = harmless(before=[*mounted("mount -t tmpfs -o size=12m tmpfs /dev/shm"), *deny(ENOSYS, "memfd_create")])
    assert losses(recording.summary())["no_ring"] > 0 and "events were lost" in words


@pytest.mark.fault("memfd_create denied, /dev/shm and /tmp read-only", program="is not started; memrec says why and exits with 125", trace="no file is left")
def test_shared_memory__nowhere_is_told_before_the_start(mounted, job, tmp_path):
    before = [*mounted("mount -t tmpfs -o ro tmpfs /dev/shm && mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp"), *deny(ENOSYS, "memfd_create")]
    out = BUILD / "nowhere.lz4"
    done = run([*before, MEMREC, "run", "-f", "-o", out, "--", job[0][0], "-c", "print(1)"])
    assert (done.status, done.out) == (125, "") and "no shared memory can be had" in done.err and not out.exists()


SUMS = "print(sum(len(str(i)) for i in range(100_000)))"


@pytest.mark.fault("the program runs with a limit on its address space, descriptors, file sizes or processes", program="runs as bare", trace="whole, nothing is lost")
@pytest.mark.parametrize("limit", ["ulimit -v 200000", "ulimit -n 40", "ulimit -f 2000", "ulimit -s 1024", "ulimit -l 0"])
def test_limits__of_the_program_alone(python, tmp_path, limit):
    inside = ["sh", "-c", limit + '; exec "$@"', "sh", python.path, "-c", SUMS]
    bare = run(inside)
    done = run([MEMREC, "run", "-o", tmp_path / "t.lz4", "--", *inside])
    assert (done.status, done.out) == (bare.status, bare.out), done.err
    assert_whole(done.err, recording := Recording(tmp_path / "t.lz4", done))
    assert recording.peak()["processes"][1]["peak_bytes"] > 500_000


@pytest.mark.fault("the program's limit on its address space has no room for rings", program="runs as bare", trace="whole, with the loss and its count: `no_place`")
def test_limits__on_address_space_without_room_for_rings(python, tmp_path):
    """The library finds room, its first rings (8 MiB) don't."""
    argv = [python.path, "-I", "-S", "-c", SUMS]
    needs = run([*argv[:-1], SUMS + "; print(*(line for line in open('/proc/self/status') if line.startswith('VmPeak')))"])
    inside = ["sh", "-c", f'ulimit -v {int(needs.out.split()[2]) + 6000}; exec "$@"', "sh", *argv]
    bare = run(inside)
    assert bare == (0, needs.out.splitlines()[0] + "\n", "")
    done = run([MEMREC, "run", "-o", tmp_path / "t.lz4", "--", *inside])
    assert done[:2] == bare[:2], done
    assert "1 processes could not join the recording" in done.err
    summary = Recording(tmp_path / "t.lz4", done).summary()
    assert summary["trace"]["complete"] and losses(summary) == {"no_place": 1}
