# SPDX-License-Identifier: Apache-2.0
"""A Docker engine, and a registry, of a test's own: started, restarted, killed and asked by the test.

    engine = Engine.of_environment()          # inside with_engine.py
    status, reply = engine.api("GET", "/containers/json?all=1")
    engine.kill(); engine.start()             # as after a crash

Both programs run in the namespaces that with_engine.py made, so their addresses are fixed and nobody
else's. Not thread-safe; calls of `api` are (each has a connection of its own).
"""

import base64
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.parse

# Only what keeps a broken engine from hanging a test; nothing is judged by it.
PATIENCE = 60
REGISTRY = "127.0.0.1:5000"
REGISTRY_USER = "berth"
REGISTRY_PASSWORD = "correct horse"
# bcrypt of the password: the registry takes nothing else, and Debian's tool for it is a whole web server's.
REGISTRY_HTPASSWD = "berth:$2b$05$PtE3LRK20JepP8Lo6FLJO.ThoZTH/p6D4ozyAxnNGDMl2kc78glw2\n"


def program(name):
    """Its path, or None. /usr/sbin is not on everybody's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("engine", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def process_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


class Service:
    """A program with a log file; whoever starts it writes its pid where another process finds it."""

    started = []  # kept, so that none of them is reported as forgotten while it runs on

    def __init__(self, root, name, command):
        self.command = command
        self.log_path = os.path.join(root, name + ".log")
        self.pid_path = os.path.join(root, name + ".pid")
        self._child = None

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=dict(os.environ, TMPDIR=os.path.dirname(self.log_path)))
        Service.started.append(self._child)
        with open(self.pid_path + ".new", "w") as file:
            file.write(str(self._child.pid))
        os.replace(self.pid_path + ".new", self.pid_path)

    def pid(self):
        """The process id, or None if it does not run."""
        try:
            with open(self.pid_path) as file:
                pid = int(file.read())
        except (OSError, ValueError):
            return None
        return pid if process_alive(pid) else None

    def end(self, signal_number):
        """Sends the signal and waits for the end; SIGKILL if that takes too long."""
        pid = self.pid()
        end = time.monotonic() + PATIENCE
        if pid:
            os.kill(pid, signal_number)
        while pid and process_alive(pid):
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        if self._child:
            try:
                self._child.wait()
            except ChildProcessError:
                pass
            self._child = None

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()[-6000:]
        except OSError:
            return ""

    def wait_until(self, done, what):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if done():
                    return
            except (OSError, http.client.HTTPException):
                pass
            if self.pid() is None or time.monotonic() > end:
                raise RuntimeError(f"{what}:\n{self.log()}")
            time.sleep(0.02)


class Engine:
    """dockerd with all that it writes below `root`."""

    def __init__(self, root, cgroup_parent, live_restore=False):
        self.root = root
        self.cgroup_parent = cgroup_parent
        self.socket_path = os.path.join(root, "docker.sock")
        self.host = "unix://" + self.socket_path
        self.data_root = os.path.join(root, "data")
        config = os.path.join(root, "daemon.json")
        if not os.path.exists(config):
            with open(config, "w") as file:
                json.dump({"live-restore": live_restore}, file)
        # No firewall rules, no forwarding and no proxies: the namespace has no way out, and who talks to a
        # container does it on the bridge.
        self._service = Service(root, "dockerd", [
            program("dockerd") or "dockerd", "--config-file", config, "--host", self.host,
            "--data-root", self.data_root, "--exec-root", os.path.join(root, "exec"),
            "--pidfile", os.path.join(root, "docker.pid"), "--cgroup-parent", cgroup_parent,
            "--exec-opt", "native.cgroupdriver=cgroupfs", "--iptables=false", "--ip6tables=false",
            "--ip-masq=false", "--userland-proxy=false", "--log-level", "warn"])

    @staticmethod
    def of_environment():
        return Engine(os.environ["BERTH_ENGINE_ROOT"], os.environ["BERTH_ENGINE_CGROUP"])

    def start(self):
        self._service.spawn()
        self._service.wait_until(lambda: self.api("GET", "/_ping")[0] == 200, "dockerd does not start")

    def running(self):
        return self._service.pid() is not None

    def stop(self):
        self._service.end(signal.SIGTERM)

    def kill(self):
        """As a crash: containerd goes with it, shims and containers stay. A pidfile of a killed one would
        be taken for that of a living process once its number is used again."""
        self._service.end(signal.SIGKILL)
        try:
            os.remove(os.path.join(self.root, "docker.pid"))
        except FileNotFoundError:
            pass

    def log(self):
        return self._service.log()

    def api(self, method, path, body=None, headers=None, timeout=600):
        """One call; the status and what came back, parsed where it is JSON. `body`: bytes, a file, or a
        value sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes) and not hasattr(body, "read"):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection = UnixConnection(self.socket_path, timeout)
        try:
            connection.request(method, path, body, headers, encode_chunked=hasattr(body, "read"))
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(data)
        except ValueError:
            return response.status, data.decode(errors="replace")

    def ok(self, method, path, body=None, headers=None):
        """The same; anything but success is a RuntimeError."""
        status, reply = self.api(method, path, body, headers)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {reply}")
        return reply

    def containers(self):
        """All, with their names and states."""
        return self.ok("GET", "/containers/json?all=1")

    def load(self, path):
        """Takes the images of an archive as `docker load` does."""
        with open(path, "rb") as file:
            reply = self.ok("POST", "/images/load?quiet=1", file, {
                "Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"})
        if "errorDetail" in str(reply):
            raise RuntimeError(f"{path} is not loaded: {reply}")

    def build(self, image, recipe, files=None):
        """An image out of a Dockerfile's text and files, {name: path}. It cannot reach a registry."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as context:
            for name, path in (files or {}).items():
                context.add(path, name)
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(recipe.encode())
            context.addfile(entry, io.BytesIO(recipe.encode()))
        reply = self.ok("POST", f"/build?t={image}", data.getvalue(), {"Content-Type": "application/x-tar"})
        if "Successfully tagged" not in str(reply):
            raise RuntimeError(f"{image} is not built: {reply}")

    def tag(self, image, repository, tag):
        query = urllib.parse.urlencode({"repo": repository, "tag": tag})
        self.ok("POST", f"/images/{image}/tag?{query}")

    def push(self, image, user=REGISTRY_USER, password=REGISTRY_PASSWORD):
        """To the registry that the name begins with."""
        credentials = {"username": user, "password": password, "serveraddress": image.split("/")[0]}
        reply = self.ok("POST", f"/images/{image}/push", None, {
            "X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()})
        if "errorDetail" in str(reply):
            raise RuntimeError(f"{image} is not pushed: {reply}")


class Registry:
    """Debian's docker-registry below `root`, which wants a user and a password."""

    def __init__(self, root):
        folder = os.path.join(root, "registry")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "htpasswd"), "w") as file:
            file.write(REGISTRY_HTPASSWD)
        config = os.path.join(folder, "config.yml")
        with open(config, "w") as file:
            json.dump({
                "version": "0.1", "log": {"level": "warn"},
                "storage": {"filesystem": {"rootdirectory": os.path.join(folder, "data")}},
                "http": {"addr": REGISTRY},
                "auth": {"htpasswd": {"realm": "test", "path": os.path.join(folder, "htpasswd")}},
            }, file)
        self._service = Service(root, "registry", [
            program("docker-registry") or "docker-registry", "serve", config])

    def start(self):
        self._service.spawn()
        host, port = REGISTRY.split(":")

        def listens():
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()
            return True
        self._service.wait_until(listens, "docker-registry does not start")

    def stop(self):
        self._service.end(signal.SIGTERM)
