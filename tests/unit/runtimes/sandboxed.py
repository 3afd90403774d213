# SPDX-License-Identifier: Apache-2.0
"""A Runtime (harness.py) in a sandbox, forked from a zygote: the same tests drive it.

Speaks berth-sandboxer's protocol (plugins/process/protocol) as far as a test needs it. One
sandboxer and one zygote serve a whole test process.
"""

import array
import atexit
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

BUILD = os.environ["BERTH_BUILD_DIR"]
PATIENCE = 60
VERSION = 3
HELLO, SHUTDOWN, CONFIGURE, CREATE, DESTROY, READ_LOGS, STATS, REPLY, DIED = (
    1, 2, 3, 4, 5, 9, 11, 100, 101
)  # fmt: skip
COMMAND = ["/usr/bin/python3", "-I", "-S", "-X", "utf8", "/berth/runtimes/python/proxy.py"]
MODULES = ["json", "logging", "random", "ssl", "tempfile", "uuid", "urllib.request"]
# Runs the sandboxer as this user; the tests themselves stay root.
UID = int(os.environ.get("BERTH_TEST_UID", "0"))
# Whether limits are enforced and counted by cgroups.
PRIVILEGED = UID == 0 and os.geteuid() == 0


def text(value):
    data = value.encode("utf-8", "surrogateescape")
    return struct.pack("<I", len(data)) + data


def texts(values):
    return struct.pack("<I", len(values)) + b"".join(text(v) for v in values)


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, format):
        values = struct.unpack_from("<" + format, self.data)
        self.data = self.data[struct.calcsize("<" + format) :]
        return values if len(values) > 1 else values[0]

    def text(self):
        size = self.take("I")
        value, self.data = self.data[:size], self.data[size:]
        return value


class Sandboxer:
    """A berth-sandboxer of a directory of its own, ended with this process."""

    def __init__(self, modules=MODULES, command=COMMAND, prepared=2, renew_after=1000, network=0):
        self.prepared = prepared
        self.socket = None
        self.directory = tempfile.mkdtemp(prefix="bz", dir="/tmp")
        os.chmod(self.directory, 0o755)
        for name in ("d", "r"):
            os.mkdir(f"{self.directory}/{name}", 0o700)
        runtimes = f"{self.directory}/f"
        for name in ("native", "python", "zygote"):
            shutil.copytree(f"{BUILD}/runtimes/{name}", f"{runtimes}/{name}")
        # A copy that any user can reach.
        shutil.copy(f"{BUILD}/bin/berth-sandboxer", self.directory)
        if UID:
            for name in ("d", "r"):
                os.chown(f"{self.directory}/{name}", UID, UID)
        zygote = text("python") + texts(command + ["--zygote"] + list(modules))
        zygote += struct.pack("<II", prepared, renew_after)
        self.settings = (
            text(runtimes)
            + struct.pack("<B", network)
            + bytes(26)  # nat: no subnet, no rules, no name servers, no limit
            + struct.pack("<IQQQ", 60000, 512 << 20, 65536, 16 << 20)
            + struct.pack("<IIIIIII", 1024, 1024, 1, 4, 1879048192, 268435456, 2048)
            + struct.pack("<I", 1)
            + zygote
        )
        atexit.register(self.end)
        self.start()

    def start(self):
        """Starts the program and greets it."""
        user = {"user": UID, "group": UID, "extra_groups": []} if UID else {}
        subprocess.run(
            [f"{self.directory}/berth-sandboxer", "--data-dir", f"{self.directory}/d",
             "--runtime-dir", f"{self.directory}/r", "--instance", "test"],
            check=True, **user)  # fmt: skip
        if self.socket is not None:
            self.socket.close()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        if UID:
            os.seteuid(UID)  # it serves nobody else; who asks is noted at connect
        self.socket.connect(f"{self.directory}/r/sandboxer.sock")
        os.seteuid(os.getuid())
        self._next = 1
        self.died = {}
        self.call(HELLO, struct.pack("<II", 0x42535831, VERSION))
        self.call(CONFIGURE, self.settings)

    def call(self, type, body, fds=()):
        request = self._next
        self._next += 1
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([struct.pack("<IQ", type, request) + body], rights)
        while True:
            reader = Reader(self.socket.recv(1 << 18))
            kind, answered = reader.take("IQ")
            if kind == DIED:
                self._note_death(reader)
                continue
            assert kind == REPLY and answered == request, (kind, answered, request)
            code, _ = reader.take("iI")
            message = reader.text().decode()
            assert code == 0, message
            return reader

    def _note_death(self, reader):
        id = reader.text()
        self.died[id] = reader.take("i")

    def wait_died(self, id):
        while id not in self.died:
            reader = Reader(self.socket.recv(1 << 18))
            assert reader.take("IQ")[0] == DIED
            self._note_death(reader)
        return self.died[id]

    def has_died(self, id):
        # Its death is told before the answer to a later question.
        self.stats()
        return id in self.died

    def stats(self):
        reader = self.call(STATS, b"")
        _, plain, networks, removing, _, _, _ = reader.take("IIIIQQQ")
        names = ("zygotes", "prepared_forks", "zygote_starts", "forked", "fork_fallbacks")
        found = dict(zip(names, reader.take("IIQQQ")))
        reader.take("II")  # networks being taken down, free addresses
        found["problem"] = reader.text().decode()
        found["prepared"], found["removing"], found["networks"] = plain, removing, networks
        return found

    def settled(self):
        """Whether nothing is being cleaned up and all that is made ahead is there."""
        now = self.stats()
        forks = 0 if now["zygotes"] == 0 else self.prepared
        return now["removing"] == 0 and now["prepared"] >= 1 and now["prepared_forks"] == forks

    def create(self, name, listener, environment, zygote, memory, command):
        body = text(name) + text(listener.getsockname()) + texts(command) + texts(environment)
        body += struct.pack("<IQIII", 0, memory, 1024, 0, 0) + text(zygote)
        return self.call(CREATE, body, [listener.fileno()]).text()

    def logs(self, id):
        streams = {1: b"", 2: b""}
        cursor = struct.pack("<QIB", 0, 0, 1)
        while True:
            body = struct.pack("<I", len(id)) + id + cursor + struct.pack("<QQ", 65536, 0)
            reader = self.call(READ_LOGS, body)
            count = reader.take("I")
            for _ in range(count):
                stream, _ = reader.take("Bq")
                streams[stream] += reader.text()
            cursor = reader.data[:13]
            if count == 0 or reader.data[13]:
                return streams

    def pid(self):
        with open(f"{self.directory}/d/sandboxer.lock") as file:
            return int(file.read())

    def children(self):
        """The sandboxer's children by pid: whether each is a zygote, which has its own namespaces not."""
        pid = self.pid()
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            pids = [int(word) for word in file.read().split()]
        found = {}
        for child in pids:
            try:
                found[child] = os.readlink(f"/proc/{child}/ns/pid") == os.readlink("/proc/self/ns/pid")
            except OSError:
                found[child] = False  # it has ended
        return found

    def zygote(self):
        """The pid of the zygote, once there is one that works."""
        wait_until(lambda: self.stats()["zygotes"] == 1 and sum(self.children().values()) == 1)
        return next(pid for pid, is_zygote in self.children().items() if is_zygote)

    def warm(self):
        """Wakes the zygote and waits for it; the first sandbox is started from nothing."""
        SandboxedRuntime({}, self, forked=False).stop()
        wait_until(lambda: self.stats()["zygotes"] == 1)
        return self

    def end(self):
        atexit.unregister(self.end)
        try:
            self.call(SHUTDOWN, b"\1")
        finally:
            self.socket.close()
            # It removes its cgroups before it ends.
            pid = self.pid()
            wait_until(lambda: has_ended(pid))
            shutil.rmtree(self.directory, ignore_errors=True)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def connect(runtime):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(runtime.address)
    return client


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


_sandboxer = None
_names = iter(range(1 << 30))


def sandboxer():
    """The one of this process, with a warm zygote."""
    global _sandboxer
    if _sandboxer is None:
        _sandboxer = Sandboxer().warm()
    return _sandboxer


class SandboxedRuntime:
    """What harness.Runtime offers, of a fork in its sandbox. forked: True, False, None for either."""

    def __init__(self, env, of=None, forked=True, zygote="python", memory=256 << 20, command=COMMAND):
        self.sandboxer = of or sandboxer()
        name = f"t{next(_names)}"
        self.address = f"{self.sandboxer.directory}/r/{name}.s"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(8)
        environment = {"BERTH_LISTEN_FD": "3", "PATH": "/usr/bin:/bin", "HOME": "/tmp",
                       "LANG": "C.UTF-8", **(env or {})}  # fmt: skip
        before = 0 if forked is None else self.sandboxer.stats()["forked"]
        self.tmp = None  # not ours to see
        variables = [f"{k}={v}" for k, v in environment.items()]
        self.id = self.sandboxer.create(name, listener, variables, zygote, memory, command)
        listener.close()
        if forked is not None:
            now = self.sandboxer.stats()
            assert now["forked"] == before + int(forked), now

    def stdout(self):
        return self.sandboxer.logs(self.id)[1].decode("utf-8")

    def stderr(self):
        return self.sandboxer.logs(self.id)[2].decode("utf-8")

    def ended(self):
        return self.sandboxer.has_died(self.id)

    def wait(self):
        code = self.sandboxer.wait_died(self.id)
        return code if code < 128 else -(code - 128)

    def stop(self):
        self.sandboxer.call(DESTROY, struct.pack("<I", len(self.id)) + self.id)


def usable():
    """Whether sandboxes can be made here."""
    if os.geteuid() == 0:
        return True
    return UID == 0 and subprocess.run(["unshare", "-U", "true"]).returncode == 0
