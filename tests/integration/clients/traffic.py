# SPDX-License-Identifier: Apache-2.0
"""What clients send: recorded by a proxy in front of berthd, one JSON object a line, and replayed.

A record has the request's method, target, headers that matter and body, and of the answer its status and the shape of
its JSON. Address, key and ids of that run are replaced by words in {}, so that a replay can put its own there.
"""

import base64
import http.client
import http.server
import json
import re
import threading
import urllib.parse

# Set by run.py; None: nothing is recorded.
record_to = None
KEPT_HEADERS = ("accept", "content-type", "user-agent", "x-namespace-id")


def shape(value):
    """A JSON value without its contents: names and types, of a list those of its first element."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__ if value is not None else "null"


class Names:
    """The words for what differs from run to run."""

    def __init__(self, host, key):
        self.pairs = [(f"http://{host}", "{address}"), (host, "{host}"), (key, "{key}"),
                      (key.split(":")[0], "{uuid}")]
        self.ids = {}

    def hide(self, text):
        for real, word in self.pairs:
            text = text.replace(urllib.parse.quote(real, safe=""), word).replace(real, word)
        return re.sub(r"(?<=/activations/)[0-9a-f]{32}", "{activation}", text)

    def show(self, text):
        for real, word in self.pairs:
            text = text.replace(word, real)
        return text


class Recorder:
    """A proxy on a port of its own; what goes through it is kept in `records`."""

    def __init__(self, berthd):
        self.records = []
        recorder = self
        lock = threading.Lock()
        names = None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length) if length else b""
                upstream = http.client.HTTPConnection(berthd.host, berthd.port, timeout=120)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                    upstream.request(self.command, self.path, body or None, headers)
                    reply = upstream.getresponse()
                    content = reply.read()
                    given = reply.getheaders()
                finally:
                    upstream.close()
                with lock:
                    recorder.keep(names, self, body, reply.status, content)
                self.send_response(reply.status)
                for name, value in given:
                    if name.lower() not in ("connection", "content-length", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = "127.0.0.1:%d" % self.server.server_port
        names = Names(self.host, berthd.key)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def keep(self, names, request, body, status, content):
        record = {"method": request.command, "target": names.hide(request.path), "status": status,
                  "headers": {name.lower(): value for name, value in request.headers.items()
                              if name.lower() in KEPT_HEADERS}}
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith("Basic "):
            record["key"] = names.hide(base64.b64decode(authorization[6:]).decode())
        if body:
            record["body"] = names.hide(body.decode())
        try:
            record["reply"] = shape(json.loads(content))
        except ValueError:
            pass
        self.records.append(record)

    def save(self, path):
        with open(path, "w") as file:
            for record in self.records:
                file.write(json.dumps(record, sort_keys=True) + "\n")


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def differs(recorded, now, at=""):
    """Where the shape of an answer is another one; members of lists that were empty can be anything."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name in sorted(set(recorded) | set(now)):
            if name not in now or name not in recorded:
                return f"{at}/{name} is only {'there' if name in recorded else 'here'}"
            problem = differs(recorded[name], now[name], f"{at}/{name}")
            if problem:
                return problem
        return None
    if isinstance(recorded, list) and isinstance(now, list):
        return differs(recorded[0], now[0], at + "/0") if recorded and now else None
    return None if recorded == now else f"{at} was {recorded}, is {now}"
