"""Native stacks against a debugger's: at sampled allocations of real programs gdb tells the stack, and the trace must have recorded
exactly that one for that allocation: the same frames, at the same instructions of the same files.

tests/native/sampler.c picks the allocations and makes each known again in the trace by its innermost frame; gdb_stacks.py runs in
gdb. Where gdb sees the interpreter's loop the trace has Python frames: as many or more, since a loop runs several."""
import json
import os
import shutil
import textwrap

import pytest

import binaries
from conftest import BUILD, ROOT, run

pytestmark = pytest.mark.release_only  # what lives in a foreign process is never sanitized
NATIVE = ROOT / "tests" / "native"
PLACES, PLACE_BYTES = 4096, 16
EVAL = "_PyEval_EvalFrameDefault"
PYTHON = "python"
# What a loop calls for a frame that Python itself shows nowhere yet, so that there is none in its stack.
BEFORE_THE_FIRST_LINE = {"PyCell_New", "make_gen"}


def gdb_works():
    if not shutil.which("gdb"):
        return "no gdb"
    done = run(["gdb", "-nx", "-q", "-batch", "-ex", "set startup-with-shell off", "-ex", "run", "-ex", "python print('with', 'python')", "/bin/true"])
    return "" if "exited normally" in done.out and "with python" in done.out else f"gdb can't run programs here: {done.out}{done.err}"


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """(sampler, offset of its first place, program that tells stacks)"""
    if not binaries.UNWINDER.exists():
        pytest.skip(binaries.NO_UNWINDER)
    if why := gdb_works():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("truth")
    sampler = binaries.library(folder / "sampler.so", "-O2", "-g", "-fno-optimize-sibling-calls", NATIVE / "sampler.c")
    reading = [ROOT / "replay" / "reader.c", ROOT / "replay" / "batch.c", *(ROOT / "format").glob("*.c")]
    stacks = binaries.program(folder / "stacks", "-std=gnu11", "-O1", "-D_GNU_SOURCE=", f"-I{ROOT}", NATIVE / "stacks.c", *reading, "-llz4")
    return sampler, binaries.symbols(sampler)["sample_places"][0], stacks


class Truth:
    """What gdb and the trace of one run say of each sample: {number: (bytes, frames)}, frames outermost first."""

    def __init__(self, tools, folder, argv, *, env=None, every=100, limit=200):
        self.sampler, self.first_place, self.stacks = tools
        self.trace, told = folder / "truth.lz4", folder / "stacks.json"
        whole = dict(env or {}, SAMPLER=str(self.sampler), GDB_STACKS=str(told), SAMPLE_EVERY=str(every), SAMPLE_LIMIT=str(limit), DEBUGINFOD_URLS=None)
        preload = f"set environment LD_PRELOAD {self.sampler} {BUILD / 'libmemrec.so'}"
        self.finished = run([BUILD / "memrec", "run", "-q", "--native", "-o", self.trace, "--", "env", "-u", "LD_PRELOAD", "gdb", "-nx", "-q", "-batch",
                             "-iex", "set auto-load off", "-ex", preload, "-x", NATIVE / "gdb_stacks.py", "--args", *argv], env=whole, cwd=folder, timeout=1200)
        assert self.finished.status == 0, self.finished.out + self.finished.err
        self.debugger = [json.loads(line) for line in told.read_text().splitlines()]
        self.ours = self.recorded()

    def recorded(self):
        first = self.first_place
        done = run([self.stacks, self.trace, self.sampler, hex(first), hex(first + PLACES * PLACE_BYTES)])
        assert done.status == 0
        samples = {}
        for line in done.out.splitlines():
            size, *frames = line.split("\t")
            number = (int(frames[-1].split(" ", 1)[0]) - first) // PLACE_BYTES
            assert number not in samples
            samples[number] = int(size), frames
        return samples


def our_frames(frames, sampler):
    """[(file, offset) | PYTHON]; neighbouring Python frames are one."""
    chain = []
    for frame in frames:
        where, name = frame.split(" ", 1)
        if where.startswith(":"):
            chain += [PYTHON] if chain[-1:] != [PYTHON] else []
        elif name != str(sampler):
            chain.append((os.path.realpath(name), int(where)))
    return chain


def loop_is_stripped(truth):
    """Without symbols a debugger knows but a part of the interpreter's loop; what it has no name for may be the rest."""
    files = {module for sample in truth.debugger for module, _, functions in sample["frames"] if functions[0].startswith(EVAL)}
    return not files or any("no symbols" in run(["nm", file]).err for file in files)


def started_at(frames, recorded):
    """How many of the recorded frames are of whoever created a thread that C code created: the debugger's begin where the thread does."""
    module, offset, functions = frames[0]
    same = [i for i, frame in enumerate(recorded) if frame == (os.path.realpath(module), offset)]
    return same[-1] if same and "clone" in functions[0] else 0


def their_frames(frames, recorded, stripped):
    chain = []
    for i, (module, offset, functions) in enumerate(frames):
        due = recorded[len(chain):len(chain) + 1] == [PYTHON]
        if functions[0].startswith(EVAL) or (stripped and not functions[0] and due):
            early = frames[i + 1:] and frames[i + 1][2][0] in BEFORE_THE_FIRST_LINE
            if due or not early:
                chain += [PYTHON] if chain[-1:] != [PYTHON] else []
        else:
            chain.append((os.path.realpath(module) if module else "", offset))
    return chain


def compare(truth):
    """(stacks, frames, [sentence on each stack that differs])"""
    count, wrong, stripped = 0, [], loop_is_stripped(truth)
    for sample in truth.debugger:
        size, frames = truth.ours.get(sample["number"], (None, []))
        recorded = our_frames(frames, truth.sampler)
        recorded = recorded[started_at(sample["frames"], recorded):]
        told = their_frames(sample["frames"], recorded, stripped)
        count += len(told)
        if size != sample["bytes"]:
            wrong.append(f"sample {sample['number']} of {sample['bytes']} bytes: recorded with {size}; {[frame[2] for frame in sample['frames'][-8:]]}")
        elif told != recorded:
            at = next(i for i, pair in enumerate(zip(told + [None], recorded + [None])) if pair[0] != pair[1])
            names = [frame[2] for frame in sample["frames"]][-10:]
            wrong.append(f"sample {sample['number']}: {len(told)} frames, {len(recorded)} recorded; from the outside in they part at {at}:\n"
                         f"  gdb    {told[at:]}\n  memrec {recorded[at:]}\n  {names}")
    return len(truth.debugger), count, wrong


SCRIPT = """
    import ctypes, functools, json, re
    sampler = ctypes.CDLL(None)
    sampler.sample_python()
    sampler.sample_begin()
    kept = []
    class Node:
        def __init__(self, value): self.value = value
        def __lt__(self, other): kept.append([self.value] * 40); return self.value < other.value
        @property
        def doubled(self): return "".join(map(str, [self.value] * 30))
    def numbers(n):
        for i in range(n):
            yield {"number": i, "words": [str(i)] * 5}
    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    def compare(a, b):
        kept.append(bytearray(600 + a[0]))
        return a[0] - b[0]
    for turn in range(TURNS):
        sorted(Node(i * 7 % 31) for i in range(31))
        values = (ctypes.c_int * 40)(*(i * 7 % 40 for i in range(40)))
        sampler.qsort(values, 40, 4, compare)
        text = json.dumps(list(numbers(40)), default=str)
        made = json.loads(text, object_hook=lambda found: Node(len(found)))
        changed = re.sub("[0-9]+", lambda found: found[0] * 20, text)
        total = functools.reduce(lambda so_far, node: so_far + node.doubled, made, "")
        kept.clear()
"""


def test_truth__frames_are_those_of_the_debugger(tools, python, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("TURNS", "3"))
    truth = Truth(tools, tmp_path, [python.path, script], every=100, limit=60)
    stacks, frames, wrong = compare(truth)
    assert stacks == 60 and frames > 8 * stacks
    assert not wrong, "\n".join(wrong)


@pytest.mark.soak
def test_truth__frames_are_those_of_the_debugger_in_each_interpreter(tools, interpreter, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("TURNS", "40"))
    truth = Truth(tools, tmp_path, [interpreter.path, script], every=400, limit=500)
    stacks, frames, wrong = compare(truth)
    print(f"{interpreter.version}: {stacks} stacks, {frames} frames, {len(wrong)} stacks that differ")
    assert stacks > 300
    assert not wrong, "\n".join(wrong)


BEGIN = """
import ctypes, io, os, re, sys, threading
sampler = ctypes.CDLL(None)
sampler.sample_python()
sampler.sample_begin()
"""

REAL = {
    "numpy": """
        import numpy as np
        r = np.random.default_rng(1)
        a = r.normal(size=(300, 300))
        for i in range(20):
            b = np.linalg.solve(a + i * np.eye(300), a)
            u, s, v = np.linalg.svd(a[:80, :80])
            c = np.einsum("ij,jk->ik", a, b)[np.argsort(a[0])]
            f = np.fft.fft2(c).real.astype("f4")
            words = np.array([str(x) for x in range(200)])
            d = np.char.add(words, "x"), np.unique(words), np.concatenate([a, b]), a[a > 0].cumsum()
            text = io.StringIO("\\n".join("1,2.5,3" for _ in range(50)))
            e = np.loadtxt(text, delimiter=","), np.array2string(a[:3]), np.sort(r.integers(0, 9, 1000), kind="stable")
            g = np.vectorize(lambda x: x + 1)(np.arange(50)), np.apply_along_axis(lambda row: sorted(row)[0], 1, a[:20])
    """,
    "pandas": """
        import pandas as pd
        import numpy as np
        r = np.random.default_rng(1)
        f = pd.DataFrame({"k": r.integers(0, 50, 3000), "x": r.normal(size=3000), "w": [f"word {i % 70}" for i in range(3000)],
                          "t": pd.date_range("2026-01-01", periods=3000, freq="h")})
        for i in range(6):
            g = f.groupby("k").agg({"x": ["mean", "std"], "w": "nunique"})
            m = f.merge(g.droplevel(0, axis=1).reset_index(), on="k").sort_values(["w", "x"])
            s = f.set_index("t").x.resample("D").sum().rolling(3).mean()
            back = pd.read_csv(io.StringIO(f.to_csv(index=False)), parse_dates=["t"])
            j = pd.read_json(io.StringIO(f.head(200).to_json()))
            p = f.pivot_table(index="k", columns=f.t.dt.hour, values="x"), f.w.str.upper().str.extract(r"(\\d+)"), f.x.apply(lambda v: [v])
            c = pd.Categorical(f.w), pd.concat([f, f]).drop_duplicates(), repr(f)
    """,
    "scikit-learn": """
        import numpy as np
        from sklearn.cluster import KMeans
        from sklearn.ensemble import RandomForestClassifier, HistGradientBoostingClassifier
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression, Lasso
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
        r = np.random.default_rng(1)
        x = r.normal(size=(400, 12))
        y = (x[:, 0] + x[:, 1] > 0).astype(int)
        for model in (RandomForestClassifier(20, n_jobs=2), LogisticRegression(), Lasso(), SVC(probability=False), KNeighborsClassifier(),
                      HistGradientBoostingClassifier(max_iter=10), make_pipeline(StandardScaler(), SVC())):
            model.fit(x, y).predict(x)
        KMeans(5, n_init=2).fit(x)
        TfidfVectorizer().fit_transform([f"some words {i} here and {i % 7} there" for i in range(300)])
    """,
    "lxml": """
        from lxml import etree, html, objectify
        text = "<r xmlns:a='urn:a'>" + "".join(f"<a:e n='{i}'><b>text {i}</b>tail<!-- {i} --></a:e>" for i in range(600)) + "</r>"
        sheet = etree.XSLT(etree.XML('''<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:a="urn:a">
            <xsl:template match="/"><o><xsl:for-each select="//a:e"><xsl:sort select="b"/><p><xsl:value-of select="@n"/></p></xsl:for-each></o></xsl:template>
            </xsl:stylesheet>'''))
        class Target:
            def __init__(self): self.seen = []
            def start(self, tag, attributes): self.seen.append((tag, dict(attributes)))
            def end(self, tag): pass
            def data(self, data): self.seen.append(data)
            def close(self): return self.seen
        def upper(context, nodes): return [node.text.upper() for node in nodes]
        etree.FunctionNamespace("urn:f")["upper"] = upper
        for i in range(8):
            tree = etree.fromstring(text)
            sheet(tree)
            tree.xpath("//b/text()"), tree.xpath("f:upper(//b)", namespaces={"f": "urn:f"}), [e.get("n") for e in tree.iter()]
            etree.fromstring(text, etree.XMLParser(target=Target())), list(etree.iterparse(io.BytesIO(text.encode())))
            objectify.fromstring(text), etree.tostring(tree, pretty_print=True), html.fromstring("<p>one<br>two<table><tr><td>x").cssselect
            tree.sort if False else sorted(tree, key=lambda e: e.findtext("b"))
            try: etree.fromstring("<a><b></a>")
            except etree.XMLSyntaxError: pass
    """,
    "Pillow": """
        from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
        for i in range(12):
            image = Image.effect_noise((200, 150), 40).convert("RGB")
            draw = ImageDraw.Draw(image)
            draw.ellipse((20, 20, 90, 90), fill=(i, 200, 0))
            draw.text((5, 5), f"text {i}", font=ImageFont.load_default(14))
            made = [image.resize((77, 55), Image.LANCZOS), image.rotate(30, expand=True), image.filter(ImageFilter.GaussianBlur(3)), ImageOps.autocontrast(image),
                    image.quantize(16), image.transpose(Image.Transpose.ROTATE_90), Image.merge("RGB", image.split()[::-1]), image.point(lambda v: 255 - v)]
            for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"):
                file = io.BytesIO()
                made[i % 8].convert("RGB").save(file, kind)
                file.seek(0)
                Image.open(file).load()
            image.getcolors(99999), image.histogram(), list(image.resize((9, 9)).getdata())
    """,
    "polars": """
        import polars as pl
        for i in range(4):
            f = pl.DataFrame({"a": list(range(5000)), "b": [j % 100 for j in range(5000)], "w": [f"word {j % 70}" for j in range(5000)]})
            g = f.lazy().group_by("b").agg(pl.col("a").sum(), pl.col("w").n_unique()).sort("a").collect()
            m = f.join(g, on="b").with_columns(pl.col("w").str.to_uppercase(), pl.col("a_right").map_elements(lambda v: v * 2, return_dtype=pl.Int64))
            back = pl.read_csv(io.BytesIO(m.write_csv().encode())), m.to_dicts(), repr(m), f.select(pl.col("a").rolling_mean(5))
    """,
}
EVERY = {"numpy": 900, "pandas": 2500, "scikit-learn": 2500, "lxml": 600, "Pillow": 250, "polars": 400}


@pytest.mark.soak
@pytest.mark.parametrize("package", REAL)
def test_truth__frames_of_real_packages_are_those_of_the_debugger(package, tools, python, packages, tmp_path):
    own = package in ("numpy", "pandas")
    env = {} if own else {"PYTHONPATH": str(packages(python, package))}
    script = tmp_path / "job.py"
    script.write_text(BEGIN + textwrap.dedent(REAL[package]))
    truth = Truth(tools, tmp_path, [python.path, script], env=env, every=EVERY[package], limit=PLACES)
    stacks, frames, wrong = compare(truth)
    print(f"{package}: {stacks} stacks, {frames} frames, {len(wrong)} stacks that differ")
    assert stacks > 300
    assert not wrong, "\n".join(wrong)
