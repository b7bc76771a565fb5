"""Run by an interpreter with the harness preloaded: verdict.py HARNESS. Prints what the walker thought of the interpreter."""
import ctypes
import json
import sys

library = ctypes.PyDLL(sys.argv[1])
library.harness_fact.restype = ctypes.c_char_p
library.harness_walk.restype = ctypes.c_uint32
print(json.dumps({"verdicts": [library.harness_verdict(step) for step in (0, 1)],
                  "facts": [library.harness_fact(step).decode() for step in (0, 1)], "node": library.harness_walk(),
                  "distorted": bool(library.harness_distorted())}))
