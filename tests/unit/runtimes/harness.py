# SPDX-License-Identifier: Apache-2.0
"""Starts a runtime's proxy as a container plugin does and talks to it byte by byte."""

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import zipfile

BUILD = os.environ["BERTH_BUILD_DIR"]
SOURCE = os.environ["BERTH_SOURCE_DIR"]
DATA = os.path.join(SOURCE, "tests", "data", "runtimes")
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
# Far beyond what any reply takes: it only ends a hanging test.
PATIENCE = 60
# The Python runtime as forks of a zygote, in sandboxes (sandboxed.py).
ZYGOTE = os.environ.get("BERTH_TEST_ZYGOTE") == "1"

NODE = shutil.which("node", path="/usr/bin:/bin")
COMMANDS = {
    "python": ["/usr/bin/python3", "-I", "-S", "-X", "utf8", f"{BUILD}/runtimes/python/proxy.py"],
    "nodejs": [NODE, f"{BUILD}/runtimes/nodejs/proxy.js"],
    "native": [f"{BUILD}/runtimes/native/berth-native-runtime"],
}


def require(condition, reason):
    """Skips the test; fails it where nothing may be skipped."""
    if condition:
        return
    if os.environ.get("BERTH_REQUIRE_ALL") == "1":
        raise AssertionError(reason)
    raise unittest.SkipTest(reason)


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body!r}>"


class Client:
    """One kept connection."""

    def __init__(self, runtime):
        if runtime.address.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(runtime.address)
        else:
            self.socket = socket.create_connection(("127.0.0.1", int(runtime.address)), PATIENCE)
        self._received = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next reply, or None when the peer closes before one begins."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                assert not self._received, self._received
                return None
        head, _, rest = self._received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers["content-length"])
        self._received = rest
        while len(self._received) < length:
            assert self._more(), "closed within a body"
        body, self._received = self._received[:length], self._received[length:]
        return Reply(int(lines[0].split(" ")[1]), headers, body)

    def receive_raw(self, count):
        while len(self._received) < count:
            assert self._more(), self._received
        data, self._received = self._received[:count], self._received[count:]
        return data

    def closed(self):
        """Waits for the peer's end of the stream."""
        return not self._received and not self._more()

    def _more(self):
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionError:
            return False
        self._received += data
        return bool(data)

    def request(self, method, path, body=b""):
        if not isinstance(body, (bytes, bytearray)):
            body = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: action\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)
        return self.receive()

    def init(self, code, main="main", binary=False, env=None):
        if isinstance(code, bytes):
            code = base64.b64encode(code).decode()
            binary = True
        value = {"name": "hello", "main": main, "binary": binary, "code": code, "env": env or {}}
        return self.request("POST", "/init", {"value": value})

    def run(self, value=None, **fields):
        return self.request("POST", "/run", {"value": {} if value is None else value, **fields})

    def close(self):
        self.socket.close()


class Runtime:
    """A running proxy with its own directory, streams and socket."""

    def __init__(self, kind, env=None, tcp=False, inherit=True, base=None):
        if kind == "nodejs":
            require(NODE, "no Node.js in /usr/bin")
        self.directory = tempfile.mkdtemp(prefix="berth-rt-", dir=base)
        self.tmp = os.path.join(self.directory, "tmp")
        os.mkdir(self.tmp)
        self._streams = [
            open(os.path.join(self.directory, name), "wb") for name in ("stdout", "stderr")
        ]
        environment = {"PATH": "/usr/bin:/bin", "TMPDIR": self.tmp, **(env or {})}
        listener = self._listen(tcp)
        if inherit:
            environment["BERTH_LISTEN_FD"] = str(listener.fileno())
        else:
            listener.close()
            environment["BERTH_PORT"] = self.address
        self.process = subprocess.Popen(
            COMMANDS[kind],
            env=environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=self._streams[0],
            stderr=self._streams[1],
            pass_fds=[listener.fileno()] if inherit else [],
            start_new_session=True,
        )
        if inherit:
            listener.close()
        else:
            self._wait_for_port()

    def _listen(self, tcp):
        if tcp:
            listener = socket.create_server(("127.0.0.1", 0))
            self.address = str(listener.getsockname()[1])
            return listener
        self.address = os.path.join(self.directory, "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(8)
        return listener

    def _wait_for_port(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                Client(self).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None, "the proxy ended: " + self.stderr()
                time.sleep(0.01)

    def stdout(self):
        return self._read("stdout")

    def stderr(self):
        return self._read("stderr")

    def _read(self, name):
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read().decode("utf-8")

    def ended(self):
        return self.process.poll() is not None

    def wait(self):
        return self.process.wait(PATIENCE)

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in self._streams:
            stream.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class RuntimeTest(unittest.TestCase):
    """Starts runtimes and stops them after each test."""

    kind = None

    def start(self, **options):
        kind = options.pop("kind", self.kind)
        if ZYGOTE and kind == "python":
            if set(options) - {"env"}:
                self.skipTest("not a matter of sandboxes")
            import sandboxed

            require(sandboxed.usable(), "no sandboxes here: neither root nor user namespaces")
            runtime = sandboxed.SandboxedRuntime(options.get("env"))
        else:
            runtime = Runtime(kind, **options)
        self.addCleanup(runtime.stop)
        return runtime

    def connect(self, runtime):
        client = Client(runtime)
        self.addCleanup(client.close)
        return client

    def started(self, code, **options):
        """A runtime whose /init with this code was accepted, and a connection to it."""
        runtime = self.start()
        client = self.connect(runtime)
        reply = client.init(code, **options)
        self.assertEqual(reply.status, 200, (reply, runtime.stderr()))
        return runtime, client


def make_zip(files, modes=None):
    """A zip of {name: text or bytes}; modes: {name: st_mode}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()
