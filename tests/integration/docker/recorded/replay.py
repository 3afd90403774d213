# SPDX-License-Identifier: Apache-2.0
"""An action proxy that answers and prints, byte for byte, what an Apache proxy was recorded to.

    replay.py IMAGE     e.g. action-nodejs-v20; with recording.py and the recordings beside it

/init chooses the scenario by the code that came; /run answers as that scenario did to the same value, each
recorded answer once: a host that uses a stopped action again gets its 403. An answer that announces
`Keep-Alive: timeout=5` is followed by that: the connection is closed after 5 s without a request, also
when a request has come meanwhile unseen, as by a frozen process that wakes up.
"""

import json
import os
import socket
import sys
import threading
import time

import recording

HERE = os.path.dirname(os.path.abspath(__file__))


class Proxy:
    def __init__(self, image):
        self.scenarios = [s for s in recording.scenarios(HERE) if s.image == image]
        self.scenario = None
        self.answered = set()
        self.lock = threading.Lock()

    def init(self, value):
        if self.scenario:
            return self.scenario.inits[1][1]
        for scenario in self.scenarios:
            recorded = scenario.inits[0][0][0]
            if all(recorded.get(key) == value.get(key) for key in ("code", "main")):
                self.scenario = scenario
                reply = scenario.inits[0][1]
                if reply.status != 200:
                    self.print_share(0)
                return reply
        return None

    def run(self, value):
        if not self.scenario:
            return None
        for index, ((recorded, _), reply) in enumerate(self.scenario.runs):
            if index not in self.answered and recorded == value:
                self.answered.add(index)
                self.print_share(index)
                return reply
        return None

    def print_share(self, index):
        for stream, shares in ((1, self.scenario.stdout), (2, self.scenario.stderr)):
            if index < len(shares):
                data = shares[index].encode()
                while data:
                    data = data[os.write(stream, data):]

    def answer(self, path, body):
        with self.lock:
            value = json.loads(body)["value"]
            reply = self.init(value) if path == "/init" else self.run(value)
        if reply is None:
            text = b'{"error":"this was not recorded"}'
            return b"HTTP/1.1 599 Unknown\r\nContent-Length: %d\r\n\r\n" % len(text) + text, True, None
        return reply.data, reply.data is None or reply.closes, getattr(reply, "idle_limit", None)


def receive(connection, idle_limit):
    """A request's path and body, or None when the connection is to be closed."""
    connection.settimeout(idle_limit)
    began = time.monotonic()
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            return None
        if not piece or (not data and idle_limit and time.monotonic() - began > idle_limit):
            return None
        data += piece
    connection.settimeout(None)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return lines[0].split(" ")[1], body


def serve(proxy, connection):
    idle_limit = None
    with connection:
        while True:
            request = receive(connection, idle_limit)
            if request is None:
                return
            data, closes, idle_limit = proxy.answer(*request)
            if data:
                connection.sendall(data)
            if closes and proxy.scenario and proxy.scenario.exit_code is not None:
                os._exit(proxy.scenario.exit_code)
            if closes:
                return


def main():
    proxy = Proxy(sys.argv[1])
    with socket.create_server(("0.0.0.0", 8080), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(proxy, connection), daemon=True).start()


if __name__ == "__main__":
    main()
