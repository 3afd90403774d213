# SPDX-License-Identifier: Apache-2.0
"""A berthd that may be killed: its data directory outlives it."""
import base64
import collections
import http.client
import json
import os
import socketserver
import subprocess
import threading
import time

# Only what keeps a broken berthd from hanging the suite; nothing is judged by it.
PATIENCE = 180

# Tells its activation's id to a Witness, if it is given one's port, before it does anything else.
ACTION = """
import os, socket, time
def main(args):
    id = os.environ["__OW_ACTIVATION_ID"]
    if "port" in args:
        with socket.create_connection(("127.0.0.1", args["port"])) as witness:
            witness.sendall(id.encode())
            witness.recv(1)
    time.sleep(args.get("seconds", 0))
    return {"id": id}
"""

# The same as a step of a sequence: hands on what it was given, and the ids of the steps so far.
STEP = ACTION.replace('return {"id": id}', 'return {**args, "ids": args.get("ids", []) + [id]}')


class Witness:
    """Counts the runs of functions, outside of berthd and of all that a kill may take along."""

    def __init__(self):
        self.runs = collections.Counter()  # by activation id
        self.lock = threading.Lock()
        witness = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                told = b""
                while len(told) < 32:
                    more = self.request.recv(64)
                    if not more:
                        return
                    told += more
                with witness.lock:
                    witness.runs[told.decode()] += 1
                try:
                    self.request.sendall(b"k")
                except OSError:
                    pass  # it ended; it ran all the same

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 1024

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def counts(self):
        with self.lock:
            return dict(self.runs)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Daemon:
    on_stop = "kill"  # what becomes of the containers

    def __init__(self, bin_dir, work, settings=()):
        self.bin = bin_dir
        self.work = work
        self.data = work / "data"
        self.settings = settings
        self.process = None

    def options(self):
        """Further words of the command line."""
        return []

    def start(self):
        (self.data / "apihost").unlink(missing_ok=True)
        command = [self.bin / "berthd", "--data-dir", self.data, "--listen", "127.0.0.1:0",
                   "--set", "containers.prewarm=false", "--set", f"containers.on_stop={self.on_stop}"]
        for setting in self.settings:
            command += ["--set", setting]
        command += self.options()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        with open(self.work / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=environment)
        end = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"berthd ended with {self.process.returncode}:\n{self.log()}")
            try:
                host, port = (self.data / "apihost").read_text().strip().removeprefix("http://").rsplit(":", 1)
                key = (self.data / "guest.auth").read_text().strip()
                self.address = host, int(port)
                break
            except (OSError, ValueError):
                pass
            if time.monotonic() > end:
                raise RuntimeError(f"berthd does not start:\n{self.log()}")
            time.sleep(0.01)
        self.headers = {"Authorization": "Basic " + base64.b64encode(key.encode()).decode(),
                        "Content-Type": "application/json"}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def log(self):
        return (self.work / "log").read_text(errors="replace")[-6000:]

    def connect(self):
        return http.client.HTTPConnection(*self.address, timeout=PATIENCE)

    def ask(self, connection, method, path, body=None):
        """One request below the namespace: status, headers, document."""
        connection.request(method, "/api/v1/namespaces/_" + path,
                           None if body is None else json.dumps(body), self.headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, json.loads(reply.read())

    def api(self, method, path, body=None):
        connection = self.connect()
        try:
            return self.ask(connection, method, path, body)
        finally:
            connection.close()

    def create(self, name, code=ACTION, **limits):
        status, _, answer = self.api("PUT", f"/actions/{name}?overwrite=true",
                                     {"exec": {"kind": "python:default", "code": code}, "limits": limits})
        assert status == 200, answer

    def create_sequence(self, name, components):
        components = ["/_/" + component for component in components]
        status, _, answer = self.api("PUT", f"/actions/{name}?overwrite=true",
                                     {"exec": {"kind": "sequence", "components": components}})
        assert status == 200, answer
