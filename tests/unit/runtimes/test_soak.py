# SPDX-License-Identifier: Apache-2.0
"""Many starts leave nothing behind, and what an idle sandbox takes.

BERTH_SOAK=1: 100,000 starts of native functions, 20,000 forks, 2,000 idle sandboxes; else 200, 100
and 20. Prints memory per idle sandbox as its cgroup counts it, beside a bare process.
"""

import functools
import os
import signal
import socket
import subprocess
import time
import unittest

import sandboxed
from harness import require
from sandboxed import BUILD, PRIVILEGED, SandboxedRuntime, Sandboxer, wait_until

SOAK = os.environ.get("BERTH_SOAK") == "1"
NATIVE = ["/berth/runtimes/native/berth-native-runtime"]


class Soak(unittest.TestCase):
    def setUp(self):
        require(sandboxed.usable(), "no sandboxes here: neither root nor user namespaces")

    def sandboxer(self, **options):
        sandboxer = Sandboxer(**options)
        self.addCleanup(sandboxer.end)
        return sandboxer

    @staticmethod
    def cgroups(sandboxer):
        """All the sandboxes' groups."""
        with open(f"{sandboxer.directory}/d/sandboxer.cgroups") as file:
            bases = file.read().split()
        return [f"{base}/{name}" for base in bases for name in os.listdir(base)
                if os.path.isdir(f"{base}/{name}")]  # fmt: skip

    def counts(self, sandboxer):
        """What a sandboxer holds, once it has settled."""
        pid = sandboxer.pid()
        # A zygote that is being replaced goes as well.
        wait_until(lambda: sandboxer.settled() and sum(sandboxer.children().values()) <= 1)
        with open(f"/proc/{pid}/mountinfo") as file:
            mounts = len(file.readlines())
        groups = self.cgroups(sandboxer)
        return {
            # The pool keeps as many networks as were in use at a time, which is a matter of luck.
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")) - sandboxer.stats()["networks"],
            "mounts": mounts,
            "cgroups": len(groups),
            "children": len(sandboxer.children()),
            "sockets": os.listdir(f"{sandboxer.directory}/r"),
        }

    def memory(self, sandboxer):
        with open(f"/proc/{sandboxer.pid()}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def soak(self, count, **options):
        forked = options.get("zygote", "python") != ""
        sandboxer = self.sandboxer(modules=[], renew_after=5000)
        if forked:
            sandboxer.warm()
        for _ in range(20):
            SandboxedRuntime({}, sandboxer, forked=None, **options).stop()
        before = self.counts(sandboxer)
        memory = self.memory(sandboxer)
        begin = time.monotonic()
        for number in range(count):
            runtime = SandboxedRuntime({}, sandboxer, forked=None, **options)
            if number % 100 == 0:
                client = sandboxed.connect(runtime)
                client.sendall(b"POST /run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
                self.assertTrue(client.recv(1))
                client.close()
            runtime.stop()
        took = time.monotonic() - begin
        self.assertEqual(self.counts(sandboxer), before)
        # Pages that its allocator keeps, and no growth with the number of starts.
        self.assertLess(self.memory(sandboxer) - memory, 8192)
        print(f"\n{count} starts, {count / took:.0f} a second, nothing left", options)

    def test_starts_of_native_functions(self):
        self.soak(100_000 if SOAK else 200, zygote="", command=NATIVE)

    def test_forks_of_a_zygote(self):
        self.soak(20_000 if SOAK else 100)

    def test_a_killed_sandboxer_takes_all_with_it_and_the_next_cleans_up(self):
        sandboxer = self.sandboxer(modules=[]).warm()
        runtimes = [SandboxedRuntime({}, sandboxer) for _ in range(3)]
        children = set(sandboxer.children())
        self.assertGreaterEqual(len(children), 4)  # those and the zygote
        os.kill(sandboxer.pid(), signal.SIGKILL)
        wait_until(lambda: all(sandboxed.has_ended(pid) for pid in children))
        self.assertEqual(len(runtimes), 3)
        sandboxer.start()
        wait_until(lambda: sandboxer.settled())
        # Of those that the new sandboxer has prepared, and no more.
        groups = {os.path.basename(group) for group in self.cgroups(sandboxer)}
        self.assertLessEqual(len(groups), len(sandboxer.children()))
        SandboxedRuntime({}, sandboxer, forked=False).stop()

    def test_memory_of_idle_sandboxes(self):
        if not PRIVILEGED:
            self.skipTest("memory is counted as root only")
        count = 2000 if SOAK else 20
        sandboxer = self.sandboxer(prepared=0)
        base = self.memory_base(sandboxer)
        bare = self.bare_bytes(base)
        print(f"\nidle memory: bare process {bare / 1024:.0f} KB")
        for name, options in (("native, own network", {"zygote": "", "command": NATIVE}),
                              ("python from a zygote", {})):  # fmt: skip
            if name.startswith("python"):
                sandboxer.warm()
            runtimes = [SandboxedRuntime({}, sandboxer, forked=None, **options) for _ in range(count)]
            for runtime in runtimes:
                client = sandboxed.connect(runtime)
                client.sendall(b"POST /run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
                self.assertTrue(client.recv(1))
                client.close()
            used = sorted(self.used(f"{base}/{group}") for group in os.listdir(base)
                          if os.path.isdir(f"{base}/{group}"))  # fmt: skip
            self.assertGreaterEqual(len(used), count)
            median = used[len(used) // 2]
            print(f"idle memory: {name}: {median / 1024:.0f} KB ({median / bare:.2f}x), of {count}")
            for runtime in runtimes:
                runtime.stop()
            wait_until(lambda: sandboxer.settled())

    def memory_base(self, sandboxer):
        with open(f"{sandboxer.directory}/d/sandboxer.cgroups") as file:
            bases = file.read().split()
        SandboxedRuntime({}, sandboxer, forked=False, zygote="").stop()
        for base in bases:
            groups = [f"{base}/{name}" for name in os.listdir(base)]
            if any(os.path.exists(f"{g}/memory.max") or os.path.exists(f"{g}/memory.limit_in_bytes")
                   for g in groups):  # fmt: skip
                return base
        return self.skipTest("no memory controller is ours here")

    @staticmethod
    def used(group):
        for name in ("memory.current", "memory.usage_in_bytes"):
            try:
                with open(f"{group}/{name}") as file:
                    return int(file.read())
            except OSError:
                continue
        return 0

    def bare_bytes(self, base):
        """What the native runtime takes that is started without a sandbox: of several, the median.

        One alone would be charged with what the kernel keeps in stock for the group it met last.
        """
        started = []

        def join(group):
            with open(f"{group}/cgroup.procs", "w") as file:
                file.write("0")

        try:
            for number in range(9):
                group = f"{os.path.dirname(base)}/berth-bare-{os.getpid()}-{number}"
                os.mkdir(group)
                listener = socket.socket(socket.AF_UNIX)
                self.addCleanup(listener.close)
                listener.bind("")
                listener.listen(8)
                process = subprocess.Popen(
                    [f"{BUILD}/runtimes/native/berth-native-runtime"], pass_fds=[listener.fileno()],
                    env={"BERTH_LISTEN_FD": str(listener.fileno())},
                    preexec_fn=functools.partial(join, group))  # fmt: skip
                started.append((group, process))
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(sandboxed.PATIENCE)
                    client.connect(listener.getsockname())
                    client.sendall(b"POST /run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
                    self.assertTrue(client.recv(1))
            used = sorted(self.used(group) for group, _ in started)
            return used[len(used) // 2]
        finally:
            for group, process in started:
                process.kill()
                process.wait()
                wait_until(lambda group=group: self.removed(group))

    @staticmethod
    def removed(group):
        try:
            os.rmdir(group)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


if __name__ == "__main__":
    unittest.main()
