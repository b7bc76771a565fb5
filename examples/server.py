"""A small shop's search over HTTP, with a leak to be found: with --leak every answer is kept in a journal that nobody reads.

    memrec run -o shop.lz4 examples/server.py --leak     # tells its address; ends with Ctrl-C

leak_test.py, beside it, puts it under load and lets memreplay judge.
"""
import http.server
import json
import sys
import urllib.parse

GOODS = [{"name": f"thing {number}", "price": number % 97 + 0.99} for number in range(500)]
answers = {}  # the latest answer to each question: grows no further once all were asked
journal = []


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece, when all that made it is gone
    disable_nagle_algorithm = True

    def do_GET(self):
        query = urllib.parse.urlsplit(self.path).query
        body = answer(urllib.parse.parse_qs(query).get("q", [""])[0])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def answer(question):
    body = json.dumps([thing for thing in GOODS if question in thing["name"]][:25]).encode()
    answers[question] = body
    if "--leak" in sys.argv:
        keep(question, body)
    return body


def keep(question, body):
    journal.append(f"{question}: {body.decode()}")


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
