"""Run by an interpreter under test: lines.py HARNESS. Compiles the standard library and compares, for every instruction of
every code object, lines_find with the interpreter's own PyCode_Addr2Line, what frame.f_lineno asks. Prints one JSON object."""
import ctypes
import json
import os
import sys
import sysconfig
import types
import warnings

warnings.simplefilter("ignore")
KIND = 1 if sys.version_info < (3, 10) else 2 if sys.version_info < (3, 11) else 3
find_all = ctypes.CDLL(sys.argv[1]).harness_lines_find_all
ask_all = ctypes.PyDLL(sys.argv[1]).harness_ask_all
ask_all.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p]
ADDR2LINE = ctypes.cast(ctypes.pythonapi.PyCode_Addr2Line, ctypes.c_void_p)


def sources():
    for folder, folders, files in os.walk(sysconfig.get_paths()["stdlib"]):
        folders[:] = sorted(set(folders) - {"site-packages", "dist-packages", "__pycache__"})
        yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(".py"))


def codes_in(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_in(constant)


def compare(code):
    """[(offset, found, expected)] where they differ; the offset -1 is before the first instruction."""
    table = code.co_lnotab if KIND == 1 else code.co_linetable
    count = len(code.co_code) // 2
    found = (ctypes.c_int32 * (count + 1))()
    expected = (ctypes.c_int32 * (count + 1))()
    find_all(table, len(table), KIND, code.co_firstlineno, count, found)
    ask_all(code, ADDR2LINE, count, expected)
    if bytes(found) == bytes(expected):
        return count, []
    return count, [[code.co_filename, code.co_name, 2 * i - 2 if i else -1, found[i], expected[i]]
                   for i in range(count + 1) if found[i] != expected[i]]


def generated():
    """Code with what no library has: lines far apart, lines far back, no lines, long stretches."""
    yield "x = 1\n" + "\n" * 70000 + "y = 2\n"
    yield "f(\n" + "\n" * 300 + "a, b)\n" + "x = [" + "1,\n" * 200 + "]\n"
    yield "x = " + " + ".join("a%d" % i for i in range(2000)) + "\n"
    yield "def f():\n  try:\n    with a as b, c as d: return [x for x in b if x]\n  except E as e: raise F from e\n  finally: g()\n"
    yield "def f(x):\n  match x:\n    case [1, *_] | {'a': 2}: return 1\n    case _: pass\n" if KIND > 1 else "pass"
    yield "async def f():\n  async for x in y:\n    await x; yield x\n" + "\n" * 200 + "  return\n"


def main():
    codes = instructions = 0
    differences = []
    for path in sources():
        try:
            with open(path, "rb") as file:
                module = compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OSError):
            continue
        for code in codes_in(module):
            count, differing = compare(code)
            codes, instructions = codes + 1, instructions + count
            differences += differing
        if codes > 20000:
            break
    for source in generated():
        for code in codes_in(compile(source, "<generated>", "exec")):
            differences += compare(code)[1]
    print(json.dumps({"codes": codes, "instructions": instructions, "differing": len(differences), "differences": differences[:20]}))


main()
