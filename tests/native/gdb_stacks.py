"""Run inside gdb: the stack of every sample (sampler.c), as the debugger tells it, a line of JSON each into the file that $GDB_STACKS
names: number, bytes, and the frames outside of the sampler, outermost first, as [module, offset of the call, functions], functions
being those that were inlined there, outermost first; module is "" where no file is mapped."""
import bisect
import json
import os

import gdb

SAMPLER = os.environ["SAMPLER"]


def settings():
    for line in ("pagination off", "confirm off", "breakpoint pending on", "startup-with-shell off", "backtrace past-main on",
                 "backtrace past-entry on", "backtrace limit unlimited", "print thread-events off", "print inferior-events off",
                 "python print-stack full", "debuginfod enabled off", "auto-load off", "disable-randomization on", "non-stop off",
                 "detach-on-fork on", "follow-fork-mode parent"):
        gdb.execute(f"set {line}", to_string=True)
    gdb.execute("handle all nostop noprint pass", to_string=True)
    gdb.execute("handle SIGTRAP SIGINT stop nopass", to_string=True)


class Modules:
    """Where files are mapped; read again where an address is in none."""

    def __init__(self):
        self.starts, self.rows = [], []

    def read(self):
        bases, rows = {}, []
        with open(f"/proc/{gdb.selected_inferior().pid}/maps") as file:
            for line in file:
                words = line.split(None, 5)
                if len(words) < 6 or not words[5].startswith("/"):
                    continue
                start, end = (int(part, 16) for part in words[0].split("-"))
                path = words[5].rstrip("\n")
                if int(words[2], 16) == 0 and (path not in bases or rows[-1][2] != path):
                    bases[path] = start
                rows.append((start, end, path, bases.get(path, start)))
        self.rows = sorted(rows)
        self.starts = [row[0] for row in self.rows]

    def find(self, address, again=True):
        at = bisect.bisect_right(self.starts, address) - 1
        if at >= 0 and address < self.rows[at][1]:
            return self.rows[at][2], address - self.rows[at][3]
        if again:
            self.read()
            return self.find(address, False)
        return "", address


modules = Modules()


def stack():
    """Frames, innermost first: [module, offset, [functions, innermost first]]."""
    frames, names, frame, called = [], [], gdb.newest_frame(), False
    while frame is not None:
        if frame.type() == gdb.TAILCALL_FRAME:  # no longer on the stack: told from debug information
            frame = frame.older()
            continue
        names.append(frame.name() or "")
        if frame.type() != gdb.INLINE_FRAME:
            module, offset = modules.find(frame.pc() - called)
            frames.append([module, offset, names])
            names, called = [], frame.type() != gdb.SIGTRAMP_FRAME
        frame = frame.older()
    return frames


def write_sample(out):
    number, size = int(gdb.parse_and_eval("$rdi")) & 0xffffffff, int(gdb.parse_and_eval("$rsi"))
    frames = stack()
    while frames and frames[0][0] == SAMPLER:
        frames.pop(0)
    why = gdb.newest_frame()
    while why.older() is not None:
        why = why.older()
    out.write(json.dumps({"number": number, "bytes": size, "end": why.unwind_stop_reason(),
                          "frames": [[module, offset, names[::-1]] for module, offset, names in frames[::-1]]}) + "\n")


def main():
    settings()
    gdb.Breakpoint("sampled").silent = True
    with open(os.environ["GDB_STACKS"], "w") as out:
        gdb.execute("run", to_string=True)
        while gdb.selected_inferior().pid:
            write_sample(out)
            gdb.execute("continue", to_string=True)
    try:
        gdb.execute(f"quit {int(gdb.parse_and_eval('$_exitcode'))}")
    except (ValueError, gdb.error):
        gdb.execute("quit 99")


main()
