"""What the checks share: the project's files, C text without comments and strings, and how a verdict is told."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
os.chdir(ROOT)
CANNOT = 77  # a check that cannot be made here (no clang-format, nothing built yet)


def files(*suffixes, under=""):
    """Paths of tracked and not yet tracked files with one of these suffixes, as strings from the root."""
    try:
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
        names = listed.stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):  # a tarball without git
        names = [str(path) for path in pathlib.Path(".").rglob("*") if not str(path).startswith((".", "build/"))]
    return sorted(name for name in set(names) if name.endswith(suffixes)
                  and name.startswith(under) and not name.startswith("build/") and os.path.isfile(name))


def text(name):
    return pathlib.Path(name).read_text(encoding="utf-8", errors="replace")


def code(name):
    """The C text with comments and the insides of strings blanked; lines keep their numbers and columns."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text(name), flags=re.S)


def functions(name):
    """(title, first line of the body, number of lines) of each function; relies on braces in the first column."""
    lines, start, head = code(name).splitlines(), None, ""
    for number, line in enumerate(lines, 1):
        opens = re.match(r"[A-Za-z_].*\)\s*(__attribute__\S*\s*)?\{\s*$", line) and not re.match(r"(struct|enum|union|extern)\b[^(]*\{", line)
        if line.rstrip() == "{" or opens:
            start, head = number, " ".join(lines[max(0, number - 5):number])
        elif line.rstrip() == "}" and start:
            titles = re.findall(r"([A-Za-z_]\w*)\s*\(", head.rsplit(";", 1)[-1].rsplit("}", 1)[-1])
            yield (titles[0] if titles else "?"), start, number - start + 1
            start = None


def verdict(problems, advice=""):
    """Prints the problems ("file:line: what") and ends: 0 where there are none."""
    for problem in problems:
        print(problem)
    if problems and advice:
        print(advice)
    sys.exit(1 if problems else 0)


def cannot(why):
    print(why)
    sys.exit(CANNOT)
