#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Splunk for tests: HTTP Event Collector with indexer acknowledgement, one-shot searches that are really
evaluated over what was received, log-in, and faults on demand.

Usage: splunk_server.py [--port N] [--tls-cert FILE --tls-key FILE] [--token T] [--user NAME --password P]
       [--search-token T] [--truncate BYTES] [--count-only]
Prints one line {"port": N} when it listens; ends when its standard input does.

Control, for the test only: POST /test/faults {...} sets, GET /test/state tells. Faults:
  hec_status: N, hec_text     every HEC request is answered so        hec_count: only the next so many
  half_reply: n               the next n HEC replies break off in the middle, after the events were taken
  drop: n                     the next n HEC requests are read and the connection closed, nothing taken
  delay_ms                    each HEC reply comes so much later      no_ack: true  nothing is acknowledged
  index_after_ms              events can be searched only so long after they came
  search_status: N, search_text, search_count, search_delay_ms, search_half: n  the same for searches
"""
import argparse
import base64
import gzip
import json
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

import spl


class State:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.events = []
        self.acks = {}  # channel -> ids that were given
        self.faults = {}
        self.counts = {"hec": 0, "batches": 0, "refused": 0, "acks": 0, "searches": 0, "gzip": 0, "bytes": 0,
                       "duplicates": 0}
        self.seen = set()
        self.last_search = ""
        # With --count-only nothing is kept but, of each activation, the sequence that is to come next.
        self.next = {}
        self.counts.update(lines=0, repeated=0, disordered=0)

    def count(self, values):
        with self.lock:
            for value in values:
                event = value["event"]
                name, sequence = event["activation_id"], event["sequence"]
                expected = self.next.get(name, 0)
                if sequence == expected:
                    self.next[name] = expected + 1
                    self.counts["lines"] += 1
                else:
                    self.counts["repeated" if sequence < expected else "disordered"] += 1

    def take_count(self, name):
        """True and one less, if the fault `name` is still to happen."""
        with self.lock:
            if self.faults.get(name, 0) > 0:
                self.faults[name] -= 1
                return True
            return False


def split_json(text):
    decoder, at, values = json.JSONDecoder(), 0, []
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    return values


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a reply is one packet

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

    @property
    def state(self):
        return self.server.state

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            with self.state.lock:
                self.state.counts["gzip"] += 1
            body = gzip.decompress(body)
        return body

    def reply(self, code, value, half=False):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[:len(text) // 2] if half else text)
        self.wfile.flush()
        if half:
            self.close_connection = True

    def do_OPTIONS(self):
        self.reply(200, b"")

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/test/state":
            with self.state.lock:
                value = {"counts": self.state.counts, "events": len(self.state.events),
                         "last_search": self.state.last_search, "faults": self.state.faults}
            return self.reply(200, value)
        if path == "/test/events":
            with self.state.lock:
                return self.reply(200, [event["_raw"] for event in self.state.events])
        if path.startswith("/services/collector/health"):
            return self.reply(200, {"text": "HEC is healthy", "code": 17})
        if path == "/services/server/info":
            if not self.may_search():
                return None
            return self.reply(200, {"generator": {"version": "9.1.0", "build": "0"},
                                    "entry": [{"name": "server-info", "content": {"version": "9.1.0"}}]})
        return self.reply(404, {"messages": [{"type": "FATAL", "text": "Not Found"}]})

    def do_POST(self):
        path, _, query = self.path.partition("?")
        try:
            body = self.body()
        except (OSError, EOFError, ValueError):
            self.close_connection = True
            return None
        if path == "/test/faults":
            with self.state.lock:
                self.state.faults = json.loads(body)
            return self.reply(200, {})
        if path == "/test/clear":
            with self.state.lock:
                self.state.events.clear()
                self.state.seen.clear()
            return self.reply(200, {})
        if path in ("/services/collector", "/services/collector/event", "/services/collector/event/1.0"):
            return self.collect(body)
        if path == "/services/collector/ack":
            return self.acknowledge(body, query)
        if path == "/services/auth/login":
            return self.log_in(body)
        if path in ("/services/search/jobs", "/services/search/v2/jobs"):
            return self.search(body)
        return self.reply(404, {"messages": [{"type": "FATAL", "text": "Not Found"}]})

    # ---- HTTP Event Collector

    def hec_authorised(self):
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind != "Splunk":
            self.reply(401, {"text": "Token is required", "code": 2})
        elif token != self.state.options.token:
            self.reply(403, {"text": "Invalid token", "code": 4})
        else:
            return True
        return False

    def collect(self, body):
        state, faults = self.state, self.state.faults
        with state.lock:
            state.counts["hec"] += 1
        if faults.get("delay_ms"):
            time.sleep(faults["delay_ms"] / 1000)
        if state.take_count("drop"):
            self.close_connection = True
            return None
        if faults.get("hec_status") and (faults.get("hec_count") is None or state.take_count("hec_count")):
            with state.lock:
                state.counts["refused"] += 1
            return self.reply(faults["hec_status"], {"text": faults.get("hec_text", "Server is busy"), "code": 9})
        if not self.hec_authorised():
            return None
        try:
            values = split_json(body.decode())
        except ValueError:
            return self.reply(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 0})
        if not values:
            return self.reply(400, {"text": "No data", "code": 5})
        if state.options.count_only:
            state.count(values)
            values = []
        events = []
        for number, value in enumerate(values):
            if not isinstance(value, dict) or value.get("event") in (None, ""):
                return self.reply(400, {"text": "Event field is required", "code": 12,
                                        "invalid-event-number": number})
            if "poison-pill" in json.dumps(value["event"]):
                return self.reply(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": number})
            event = value["event"]
            raw = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False,
                                                                  separators=(",", ":"))
            # Too long ones are cut, in bytes, as TRUNCATE does.
            cut = raw.encode()[:state.options.truncate].decode(errors="ignore")
            events.append({"_raw": cut, "_time": float(value.get("time", time.time())), "at": time.monotonic(),
                           "host": value.get("host", ""), "source": value.get("source", ""),
                           "sourcetype": value.get("sourcetype", ""), "index": value.get("index", "main")})
        answer = {"text": "Success", "code": 0}
        channel = self.headers.get("X-Splunk-Request-Channel")
        with state.lock:
            for event in events:
                key = hash(event["_raw"])
                if key in state.seen:
                    state.counts["duplicates"] += 1
                state.seen.add(key)
            state.events += events
            state.counts["batches"] += 1
            state.counts["bytes"] += len(body)
            if channel:
                given = state.acks.setdefault(channel, [])
                answer["ackId"] = len(given)
                given.append(time.monotonic())
        return self.reply(200, answer, half=state.take_count("half_reply"))

    def acknowledge(self, body, query):
        if not self.hec_authorised():
            return None
        channel = urllib.parse.parse_qs(query).get("channel", [None])[0]
        if not channel:
            return self.reply(400, {"text": "Data channel is missing", "code": 10})
        asked = json.loads(body)["acks"]
        with self.state.lock:
            self.state.counts["acks"] += 1
            given = self.state.acks.get(channel, [])
            told = {str(number): number < len(given) and not self.state.faults.get("no_ack") for number in asked}
        return self.reply(200, {"acks": told})

    # ---- search

    def log_in(self, body):
        form = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
        options = self.state.options
        if (form.get("username"), form.get("password")) != (options.user, options.password):
            return self.reply(401, {"messages": [{"type": "WARN", "text": "Login failed"}]})
        return self.reply(200, {"sessionKey": options.search_token})

    def may_search(self):
        options = self.state.options
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        basic = base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
        if (kind in ("Bearer", "Splunk") and value == options.search_token) or (kind, value) == ("Basic", basic):
            return True
        self.reply(401, {"messages": [{"type": "WARN", "text": "call not properly authenticated"}]})
        return False

    def search(self, body):
        state, faults = self.state, self.state.faults
        with state.lock:
            state.counts["searches"] += 1
        if faults.get("search_delay_ms"):
            time.sleep(faults["search_delay_ms"] / 1000)
        if faults.get("search_status") and (faults.get("search_count") is None
                                            or state.take_count("search_count")):
            text = faults.get("search_text", "no")
            return self.reply(faults["search_status"], {"messages": [{"type": "ERROR", "text": text}]})
        if not self.may_search():
            return None
        form = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
        with state.lock:
            state.last_search = form.get("search", "")
            events = list(state.events)
        if form.get("exec_mode") != "oneshot":
            return self.reply(400, {"messages": [{"type": "FATAL", "text": "only exec_mode=oneshot here"}]})
        now = time.time()
        try:
            earliest = when(form.get("earliest_time"), 0, now)
            latest = when(form.get("latest_time"), now + 1e9, now)
            lag = faults.get("index_after_ms", 0) / 1000
            visible = [event for event in events if earliest <= event["_time"] < latest
                       and event["at"] + lag <= time.monotonic()]
            rows = spl.search(form.get("search", ""), visible)
        except (spl.SearchError, ValueError, IndexError) as error:
            return self.reply(400, {"messages": [{"type": "FATAL", "text": str(error)}]})
        count = int(form.get("count", 100))
        for row in rows:
            row.pop("at", None)
            if "_time" in row:
                row["_time"] = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(row["_time"]))
        return self.reply(200, {"preview": False, "init_offset": 0, "messages": [], "fields": [],
                                "results": rows[:count] if count else rows}, half=state.take_count("search_half"))


def when(text, otherwise, now):
    """A time of a search: ISO, seconds since the epoch, or -7d and the like."""
    if not text:
        return otherwise
    if text == "now":
        return now
    if text[0] == "-":
        return now - float(text[1:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]
    if "T" not in text:
        return float(text)
    whole, _, fraction = text.rstrip("Z").partition(".")
    import calendar
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    context = None

    def get_request(self):
        connection, address = super().get_request()
        if self.context:
            # The handshake belongs to the connection's own thread.
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_):
        pass  # clients that go away, refused certificates


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--token", default="11111111-2222-3333-4444-555555555555")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="changeme")
    parser.add_argument("--search-token", default="search-token")
    parser.add_argument("--truncate", type=int, default=10000)
    parser.add_argument("--count-only", action="store_true")
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Handler)
    server.state = State(options)
    if options.tls_cert:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(options.tls_cert, options.tls_key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
