"""A small service that loads a catalogue, warms up and answers requests. It marks these moments where memrec records it,
and runs as ever where not. `memrec run -o moments.lz4 examples/moments.py`"""
import ctypes
import time

mark = getattr(ctypes.CDLL(None), "memrec_mark", lambda name: 0)

recent = {}
history = []


def load(words):
    """A catalogue of words by their first letters, made from a text that is needed only once."""
    text = " ".join(f"{number * 7919 % words:07}" for number in range(words))
    catalogue = {}
    for word in text.split():
        catalogue.setdefault(word[:4], []).append(word)
    return catalogue


def answer(catalogue, number):
    found = catalogue.get(f"{number % 80:04}", [])
    page = "\n".join(f"<li>{word}</li>" for word in found)
    recent[number % 100] = page  # a cache of a hundred pages: it grows while the service warms up, and no further
    remember(number, page)
    return page


def remember(number, page):
    history.append({"request": number, "bytes": len(page)})  # nobody ever reads this


def serve(catalogue, requests):
    for number in range(requests):
        answer(catalogue, number)
        time.sleep(0.0005)


catalogue = load(400_000)
mark(b"loaded")
serve(catalogue, 200)
mark(b"warm")
serve(catalogue, 3_000)
mark(b"served")
catalogue.clear()
time.sleep(0.3)
