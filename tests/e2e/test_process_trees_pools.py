"""Children as people start them: multiprocessing, joblib, subprocess through shells and without, os.system, spawn calls."""
import textwrap

import pytest

from trees import BLANK, SEEN, assert_nothing_lost, blank, held, pids, process, settled

MB = 1_000_000
WORKERS = 3
COARSE = ["-q", "--no-objects"]  # blocks of many megabytes are what is asked for here; a pool's imports are a hundred thousand stacks

POOL = SEEN + textwrap.dedent("""
    import multiprocessing, os, sys
    def in_worker(): return bytes(10_000_000)
    def in_parent(): return bytes(5_000_000)
    def work(barrier):
        mine = in_worker()
        barrier.wait(60)
        seen()
        return os.getpid()
    def run(barrier):
        work(barrier)
    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1])
        barrier = context.Barrier(3)
        held = in_parent()
        workers = [context.Process(target=run, args=(barrier,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(os.getpid(), *(worker.pid for worker in workers))
        assert all(worker.exitcode == 0 for worker in workers)
""")


def coarse(interpreter):
    """Free-threaded builds' own allocator keeps its objects from malloc."""
    return ["-q"] if interpreter.free_threaded else COARSE


def check_workers(recording, parent, workers, interpreter):
    peak = settled(recording).peak()
    assert held(peak, "in_parent") == held(peak, "in_parent", parent) == 5 * MB + blank(interpreter)
    assert [held(peak, "in_worker", pid) for pid in workers] == [10 * MB + blank(interpreter)] * WORKERS
    assert held(peak, "in_worker") == WORKERS * (10 * MB + blank(interpreter))
    assert sum(each["bytes"] for each in peak["processes"]) == peak["peak"]["bytes"]
    assert_nothing_lost(recording.summary())


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_multiprocessing__workers_add_up(record, python, method):
    recording = record(POOL, args=[method], options=COARSE)
    parent, *workers = [int(word) for word in recording.finished.out.split()]
    check_workers(recording, parent, workers, python)


def test_multiprocessing__spawned_workers_add_up(record, interpreter):
    recording = record(POOL, python=interpreter, args=["spawn"], options=coarse(interpreter))
    parent, *workers = [int(word) for word in recording.finished.out.split()]
    check_workers(recording, parent, workers, interpreter)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing__a_pool_is_reused(record, python, method):
    """Tasks that follow one another in the same workers: a worker's bytes are the larger of its two tasks', not the sum."""
    recording = record("""
        import multiprocessing, os, sys
        def in_task(size): return bytes(size)
        def work(size):
            return len(in_task(size))
        if __name__ == "__main__":
            with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
                assert sum(pool.map(work, [20_000_000, 30_000_000, 10_000_000], chunksize=1)) == 60_000_000
                pool.close()
                pool.join()
    """, args=[method], options=COARSE)
    assert held(settled(recording).peak(), "in_task") == 30 * MB + BLANK
    assert held(recording.leaks(), "in_task") == 0
    assert_nothing_lost(recording.summary())


def test_joblib__workers_of_loky_add_up(record, python, tmp_path):
    pytest.importorskip("joblib")
    recording = record(SEEN + textwrap.dedent("""
        import os, sys, time
        from joblib import Parallel, delayed
        def in_parent(): return bytes(5_000_000)
        def in_worker(): return bytes(10_000_000)
        def work(i, folder):
            mine = in_worker()
            open(f"{folder}/{i}", "w").close()
            while sum(os.path.exists(f"{folder}/{k}") for k in range(3)) < 3:
                time.sleep(0.01)
            seen()
            return os.getpid()
        held = in_parent()
        folder = sys.argv[1]
        workers = Parallel(n_jobs=3)(delayed(work)(i, folder) for i in range(3))
        print(os.getpid(), *workers)
    """), args=[str(tmp_path)], options=COARSE)
    parent, *workers = [int(word) for word in recording.finished.out.split()]
    assert len(set(workers)) == WORKERS
    check_workers(recording, parent, workers, python)


CHILD = """
import os, sys
def in_child(): return bytes(30_000_000)
held = in_child()
print("child", os.getpid(), os.getppid(), flush=True)
sys.exit(4)
"""

# What starts the child: `python` and `child` are paths, and the status must come back as 4.
STARTS = {
    "subprocess": "status = subprocess.run([python, child]).returncode",
    "close_fds": "status = subprocess.run([python, child], close_fds=True).returncode",
    "posix_spawn-by-subprocess": "status = subprocess.run([python, child], close_fds=False).returncode",
    "new-session": "status = subprocess.run([python, child], start_new_session=True, cwd='/').returncode",
    "preexec": "status = subprocess.run([python, child], preexec_fn=lambda: os.nice(1)).returncode",
    "pipes": "pipe = subprocess.Popen([python, child], stdout=-1, stderr=-1); out = pipe.communicate(); print(out[0].decode(), end='');"
             " assert out[1] == b'', out; status = pipe.returncode",
    "own-environment": "status = subprocess.run([python, child], env=dict(os.environ, A='1')).returncode",
    "shell": "status = subprocess.run(f'{python} {child}; exit $?', shell=True).returncode",
    "shell-that-execs": "status = subprocess.run(['sh', '-c', f'exec {python} {child}']).returncode",
    "shell-in-a-shell": "status = subprocess.run(['sh', '-c', f'sh -c \"{python} {child}; exit \\\\$?\"; exit $?']).returncode",
    "bash-pipeline": "status = subprocess.run(['bash', '-c', f'set -o pipefail; {python} {child} | cat']).returncode",
    "env-and-nice": "status = subprocess.run(['env', 'B=2', 'nice', '-n', '1', python, child]).returncode",
    "xargs": "status = subprocess.run(['sh', '-c', f'echo {child} | xargs {python}; test $? = 123 && exit 4']).returncode",
    "timeout": "status = subprocess.run(['timeout', '60', python, child]).returncode",
    "os.system": "status = os.waitstatus_to_exitcode(os.system(f'{python} {child}'))",
    "os.popen": "pipe = os.popen(f'{python} {child}'); print(pipe.read(), end=''); status = os.waitstatus_to_exitcode(pipe.close())",
    "os.posix_spawn": "status = wait(os.posix_spawn(python, [python, child], os.environ))",
    "os.posix_spawnp": "status = wait(os.posix_spawnp(python, [python, child], os.environ))",
    "os.spawnv": "status = os.spawnv(os.P_WAIT, python, [python, child])",
    "os.spawnlpe": "status = os.spawnlpe(os.P_WAIT, python, python, child, os.environ)",
    "fork-and-execv": "pid = os.fork() or os.execv(python, [python, child]); status = wait(pid)",
    "fork-and-execvpe": "pid = os.fork() or os.execvpe('env', ['env', python, child], os.environ); status = wait(pid)",
    "fork-and-fexecve": "fd = os.open(python, os.O_RDONLY); pid = os.fork() or os.execve(fd, [python, child], os.environ); status = wait(pid)",
    "asyncio": "import asyncio; status = asyncio.run(start())",
    "script-with-interpreter-line": "status = subprocess.run([script]).returncode",
}


@pytest.mark.parametrize("how", STARTS)
def test_start__of_a_python_is_recorded(record, python, tmp_path, how):
    child, script = tmp_path / "child.py", tmp_path / "script"
    child.write_text(CHILD)
    script.write_text(f"#!{python.path}\n{CHILD}")
    script.chmod(0o755)
    recording = record(textwrap.dedent(f"""
        import os, subprocess, sys
        def in_parent(): return bytes(20_000_000)
        def wait(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        async def start():
            return await (await asyncio.create_subprocess_exec(python, child)).wait()
        python, child, script = {python.path!r}, {str(child)!r}, {str(script)!r}
        held = in_parent()
    """) + STARTS[how] + textwrap.dedent("""
        assert status == 4, status
        print("parent", os.getpid(), flush=True)
    """), options=COARSE)
    told = dict(line.split(None, 1) for line in recording.finished.out.splitlines())
    assert recording.finished.err == ""
    parent, kid = int(told["parent"]), int(told["child"].split()[0])
    peak = recording.peak()
    assert (held(peak, "in_parent"), held(peak, "in_child")) == (20 * MB + BLANK, 30 * MB + BLANK)
    assert held(peak, "in_child", kid) == 30 * MB + BLANK
    images = [each for each in peak["processes"] if each["pid"] == kid]
    assert images[-1]["command"][-1] == str(script if how.startswith("script") else child)
    assert images[0]["parent"] == parent
    assert set(pids(peak)) == {parent, kid} and sum(pid == parent for pid in pids(peak)) == 1
    assert_nothing_lost(recording.summary())


# What ends a child without a word of its pid to whoever asked for it: libc waits by itself, or a shell does.
WAITS = {
    "system": "libc.system(command)",
    "pclose": "libc.pclose(libc.popen(command, b'r'))",
    "shell": "subprocess.call(command, shell=True)",
}


@pytest.mark.parametrize("how", WAITS)
def test_wait__for_a_child_stands_before_what_the_waiter_does_next(record, python, tmp_path, how):
    """Although the collector, stopped meanwhile, hears of both at once."""
    child = tmp_path / "child.py"
    child.write_text(textwrap.dedent("""
        import os, signal, sys
        def in_child(): return bytes(30_000_000)
        os.kill(int(sys.argv[1]), signal.SIGSTOP)
        held = in_child()
    """))
    recording = record(f"""
        import ctypes, os, signal, subprocess
        def in_parent(): return bytes(20_000_000)
        memrec = os.getppid()
        collector, = [int(pid) for pid in open(f"/proc/{{memrec}}/task/{{memrec}}/children").read().split() if int(pid) != os.getpid()]
        libc = ctypes.CDLL(None)
        libc.popen.restype, libc.pclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        command = f"{python.path} {child} {{collector}}; exit 4".encode()
        held = in_parent()
        assert {WAITS[how]} in (4, 4 << 8)
        del held
        os.kill(collector, signal.SIGCONT)
    """, options=COARSE)
    peak = recording.peak()
    assert (held(peak, "in_parent"), held(peak, "in_child")) == (20 * MB + BLANK, 30 * MB + BLANK)
    assert_nothing_lost(recording.summary())


def test_start__of_another_interpreter_is_recorded_with_its_stacks(record, python, interpreter, tmp_path):
    child = tmp_path / "child.py"
    child.write_text("def in_child(): return bytes(30_000_000)\nheld = in_child()\n")
    recording = record(f"""
        import subprocess
        subprocess.run([{interpreter.path!r}, {str(child)!r}], check=True)
    """, options=coarse(interpreter))
    assert held(recording.peak(), "in_child") == 30 * MB + blank(interpreter)
    assert len(pids(recording.peak())) == 2
    assert_nothing_lost(recording.summary())


def test_sequential_pythons__do_not_add_up(record, python):
    recording = record(f"""
        import subprocess
        for _ in range(4):
            subprocess.run([{python.path!r}, "-c", "def in_child(): return bytes(40_000_000)\\nheld = in_child()\\nimport os; os._exit(0)"], check=True)
    """)
    assert held(recording.peak(), "in_child") == 40 * MB + BLANK
    assert held(recording.leaks(), "in_child") == 4 * (40 * MB + BLANK)


def test_simultaneous_pythons__add_up(record, python):
    recording = record(SEEN + textwrap.dedent(f"""
        import subprocess
        code = "def in_child(): return bytes(10_000_000)\\nheld = in_child()\\nprint(flush=True)\\ninput()"
        children = [subprocess.Popen([{python.path!r}, "-c", code], stdin=-1, stdout=-1) for _ in range(5)]
        for child in children:
            child.stdout.readline()
        seen()
        for child in children:
            child.communicate(b"\\n")
        print(*(child.pid for child in children))
    """))
    peak = recording.peak()
    assert [held(peak, "in_child", int(pid)) for pid in recording.finished.out.split()] == [10 * MB + BLANK] * 5
    assert len({process(peak, int(pid))["parent"] for pid in recording.finished.out.split()}) == 1
