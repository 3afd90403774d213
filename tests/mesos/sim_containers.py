# SPDX-License-Identifier: Apache-2.0
"""What the simulator's agents run: nothing (tasks that only have states), or the action proxies as processes."""

import asyncio
import os
import shutil
import signal
import socket


def write_log(task, name, data):
    os.makedirs(task.sandbox, exist_ok=True)
    with open(os.path.join(task.sandbox, name), "ab") as file:
        file.write(data)


class Nothing:
    """Containers that run without running anything."""

    def __init__(self):
        self.images_missing = set()

    async def start(self, task):
        return None

    async def wait(self, task):
        await task.killed.wait()
        return 137

    def kill(self, task, grace):
        task.killed.set()

    def end(self, task, code):
        """What runs in it ends by itself. False: nothing runs."""
        return False


class Listeners(Nothing):
    """The same, and something accepts connections where they are reached."""

    async def start(self, task):
        image = task.info.container.docker.image
        if image in self.images_missing:
            return (f"Failed to launch container: Failed to run 'docker -H unix:///var/run/docker.sock pull {image}': "
                    f"exited with status 1; stderr='Error response from daemon: pull access denied for {image}\n'")
        write_log(task, "stderr", b"I1130 exec.cpp:162] Version: 1.12.0\n")
        if task.ports:
            task.server = await asyncio.start_server(lambda reader, writer: writer.close(), task.cluster.address,
                                                     task.ports[0])
        return None

    async def wait(self, task):
        try:
            return await super().wait(task)
        finally:
            if task.ports:
                task.server.close()


class Processes:
    """Each task is an action proxy of `bin_dir` that listens where its port mapping says.

    An image is its runtime by a word of its name; others do not exist in the registry.
    """

    def __init__(self, bin_dir):
        self.runtimes = os.path.join(os.path.abspath(bin_dir), "..", "runtimes")
        self.images_missing = set()

    def command(self, image):
        name = image.rsplit("/", 1)[-1]
        if name.startswith("action-nodejs"):
            return ["/usr/bin/node", os.path.join(self.runtimes, "nodejs/proxy.js")]
        if name.startswith(("action-python", "python3action")):
            return ["/usr/bin/python3", "-I", "-S", "-X", "utf8", os.path.join(self.runtimes, "python/proxy.py")]
        if name.startswith(("action-native", "dockerskeleton")):
            return [os.path.join(self.runtimes, "native/berth-native-runtime")]
        return None

    async def start(self, task):
        """None, or the text of a launch that failed."""
        image = task.info.container.docker.image or task.info.container.mesos.image.docker.name
        command = self.command(image)
        if command is None or image in self.images_missing:
            return (f"Failed to launch container: Failed to run 'docker -H unix:///var/run/docker.sock pull {image}': "
                    f"exited with status 1; stderr='Error response from daemon: pull access denied for {image}, "
                    "repository does not exist or may require 'docker login'\n'")
        environment = {v.name: v.value for v in task.info.command.environment.variables}
        environment.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
        # The agent's port on the agents' own address, as a port mapping makes it: other simulators have it too.
        listener = socket.create_server((task.cluster.address, task.ports[0]))
        environment.pop("BERTH_PORT", None)
        environment["BERTH_LISTEN_FD"] = str(listener.fileno())
        root = os.path.join(task.sandbox, "root")
        os.makedirs(root, exist_ok=True)
        write_log(task, "stderr", b"I1130 exec.cpp:162] Version: 1.12.0\n")
        with listener, open(os.path.join(task.sandbox, "stdout"), "ab") as out, \
                open(os.path.join(task.sandbox, "stderr"), "ab") as err:
            task.process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=root,
                start_new_session=True, pass_fds=[listener.fileno()])
        return None

    async def wait(self, task):
        code = await task.process.wait()
        return 128 - code if code < 0 else code

    def end(self, task, code):
        if task.process is None:
            return False
        self._signal(task, signal.SIGKILL)
        return True

    def kill(self, task, grace):
        if task.process is None or task.process.returncode is not None:
            return  # not begun: the task looks whether it was killed when it has
        self._signal(task, signal.SIGTERM if grace > 0 else signal.SIGKILL)
        asyncio.get_running_loop().call_later(grace, self._signal, task, signal.SIGKILL)

    @staticmethod
    def _signal(task, number):
        if task.process.returncode is None:
            try:
                os.killpg(task.process.pid, number)
            except ProcessLookupError:
                pass

    def forget(self, task):
        shutil.rmtree(task.sandbox, ignore_errors=True)
