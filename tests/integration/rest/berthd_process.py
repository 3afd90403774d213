# SPDX-License-Identifier: Apache-2.0
"""A berthd of a test's own: its data directory, its port, its end."""

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse

# Only what keeps a broken berthd from hanging the suite; nothing is judged by it.
PATIENCE = 120


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def activation_id(self):
        return self.headers.get("x-openwhisk-activation-id", "")

    def __repr__(self):
        return f"{self.status} {self.body[:2000]!r}"


class Berthd:
    """Starts on construction; `stop` ends it and removes what it left."""

    def __init__(self, bin_dir, container_plugin, settings=(), config=None, keep_data=None):
        self.bin_dir = os.path.abspath(bin_dir)
        # An openapi.Document: every answer is checked against it.
        self.document = None
        # A short path: unix sockets below it have 108 bytes.
        self.work = tempfile.mkdtemp(prefix="bth-")
        self.data_dir = keep_data or os.path.join(self.work, "data")
        self.log_path = os.path.join(self.work, "berthd.log")
        command = [
            os.path.join(self.bin_dir, "berthd"),
            "--data-dir", self.data_dir,
            "--listen", "127.0.0.1:0",
            "--set", f"containers.plugin={container_plugin}",
            "--set", "containers.on_stop=kill",
        ]
        if config:
            command += ["--config", config]
        for setting in settings:
            command += ["--set", setting]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        try:
            self._wait_until_ready()
        except Exception:
            self.stop()
            raise

    def _wait_until_ready(self):
        host_file = os.path.join(self.data_dir, "apihost")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"berthd ended with {self.process.returncode}:\n{self.log()}")
            try:
                with open(host_file) as file:
                    self.api_host = file.read().strip()
                with open(os.path.join(self.data_dir, "guest.auth")) as file:
                    self.key = file.read().strip()
                self.host, port = urllib.parse.urlsplit(self.api_host).netloc.rsplit(":", 1)
                self.port = int(port)
                if self.request("GET", "/readyz", key=None).status == 200:
                    return
            except (OSError, ValueError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise RuntimeError(f"berthd is not ready:\n{self.log()}")

    def log(self):
        with open(self.log_path, "r", errors="replace") as file:
            return file.read()[-8000:]

    def stop(self):
        """SIGTERM, and the exit code; SIGKILL if it does not end."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        shutil.rmtree(self.work, ignore_errors=True)
        return code

    def request(self, method, path, body=None, headers=None, key="guest"):
        """One request on a connection of its own. `body`: bytes, text, or a value sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        if key is not None:
            secret = self.key if key == "guest" else key
            headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            reply = Reply(response.status, response.getheaders(), response.read().decode())
        finally:
            connection.close()
        if self.document is not None and method != "OPTIONS":
            self.document.check_answer(
                method, path, reply.status, reply.headers.get("content-type", ""), reply.body)
        return reply

    def raw(self, data):
        """Sends bytes as they are; what comes back until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return received
                received += piece

    def api(self, method, path, body=None, **more):
        """Below the caller's own namespace."""
        return self.request(method, "/api/v1/namespaces/_" + path, body, **more)

    def cli(self, *arguments, input=None, key=None):
        """The berth program against this berthd."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        environment["BERTH_DATA_DIR"] = self.data_dir
        if key:
            environment["BERTH_AUTH"] = key
        return subprocess.run(
            [os.path.join(self.bin_dir, "berth"), *arguments], input=input, env=environment,
            capture_output=True, text=True, timeout=PATIENCE)
