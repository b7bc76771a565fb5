"""A leak regression test of a server under load: between two marks, what is live must not grow by a byte a request.

    examples/leak_test.py             # exit 0: server.py holds no more after 4,000 requests than before them
    examples/leak_test.py --leak      # exit 1, and memreplay names the function that keeps what it should not

Why it can be trusted where a look at the resident memory cannot: live bytes are exact, the marks stand where all requests so far are
answered, and what a cache replaces comes and goes in equal parts. The first round of requests warms up whatever is made once. What remains is where
each client's connection stands just then: a few hundred bytes, whatever the number of requests; so let them be thousands.
"""
import argparse
import http.client
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = 4


def tool(name):
    built = HERE.parent / "build" / name
    return str(built) if built.exists() else shutil.which(name) or sys.exit(f"{name} is neither in build/ nor on PATH")


def ask(connection, count):
    for number in range(count):
        connection.request("GET", f"/search?q={number % 10}")
        reply = connection.getresponse()
        assert reply.status == 200 and reply.read()


def load(connections, count):
    """All clients at the same time; returns when every request is answered."""
    threads = [threading.Thread(target=ask, args=(each, count // CLIENTS)) for each in connections]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def record(trace, requests, leak, memrec):
    server = subprocess.Popen([memrec, "run", "-q", "-f", "-o", trace, "--", sys.executable, HERE / "server.py", *leak],
                              stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip().rpartition("/")[2]
        connections = [http.client.HTTPConnection(address, timeout=60) for _ in range(CLIENTS)]
        for mark in ("warm", "done"):
            load(connections, requests)
            subprocess.run([memrec, "mark", "--quiet", "--pid", str(server.pid), mark], check=True)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leak", action="store_const", const=["--leak"], default=[], help="start the server with its leak")
    parser.add_argument("--requests", type=int, default=4000, help="before the first mark, and between the two")
    parser.add_argument("-o", "--output", default="leak_test.lz4", help="the trace")
    parser.add_argument("--memrec", default=None, help="which memrec records")
    parser.add_argument("options", nargs="*", help="further options of memreplay check, behind --")
    how = parser.parse_args()
    record(how.output, how.requests, how.leak, how.memrec or tool("memrec"))
    limit = str(how.requests - 1)  # less than a byte a request is nothing a request
    return subprocess.run([tool("memreplay"), "check", "--from", "warm", "--to", "done", "--max-growth", limit, *how.options,
                           how.output]).returncode


if __name__ == "__main__":
    sys.exit(main())
