#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""That a test's own engine works, is private, tells what is left, and leaves nothing however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support")
sys.path.insert(0, SUPPORT)

import with_engine  # noqa: E402

WITH_ENGINE = os.path.join(SUPPORT, "with_engine.py")
# Said inside with_engine: an image without a running program is enough to have a container.
INSIDE = f"""
import io, os, sys, tarfile
sys.path.insert(0, {SUPPORT!r})
import engine as engines
engine = engines.Engine.of_environment()
def image(name):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    engine.ok("POST", f"/images/create?fromSrc=-&repo={{name.rpartition(':')[0]}}&tag=1", data.getvalue())
def container():
    image("it:1")
    return engine.ok("POST", "/containers/create?name=it", {{"Image": "it:1", "Cmd": ["/it"]}})["Id"]
"""


class WithEngine(unittest.TestCase):
    def setUp(self):
        # Others run at the same time; only what is below this folder is looked at.
        self.folder = tempfile.TemporaryDirectory(prefix="bth-we-")
        self.addCleanup(self.folder.cleanup)
        self.environment = dict(os.environ, TMPDIR=self.folder.name)

    def command(self, code, *options):
        return ["/usr/bin/python3", WITH_ENGINE, *options, "--", "/usr/bin/python3", "-c", INSIDE + code]

    def run_inside(self, code, *options):
        return subprocess.run(self.command(code, *options), env=self.environment, capture_output=True,
                              text=True, timeout=240)

    def assert_nothing_left(self, names=()):
        self.assertEqual(os.listdir(self.folder.name), [])
        for name in names:
            self.assertEqual([tree for tree in with_engine.cgroup_trees()
                              if os.path.exists(os.path.join(tree, name))], [])

    def test_private_and_clean(self):
        done = self.run_inside("id = container()\nprint(len(engine.containers()))\n"
                               "engine.ok('DELETE', '/containers/it?force=1')\n"
                               "print(os.environ['BERTH_ENGINE_CGROUP'])")
        self.assertEqual(done.returncode, 0, done.stderr)
        count, cgroup = done.stdout.split()
        self.assertEqual(count, "1")
        self.assert_nothing_left([cgroup.strip("/")])

    def test_a_container_left_behind_is_told(self):
        done = self.run_inside("container()")
        self.assertEqual(done.returncode, 1)
        self.assertIn("left behind: [(['/it'], 'it:1', 'Created')]", done.stderr)
        self.assert_nothing_left()

    def test_the_exit_code_is_the_command_s(self):
        self.assertEqual(self.run_inside("sys.exit(7)").returncode, 7)
        self.assert_nothing_left()

    def test_restarts_by_the_command(self):
        done = self.run_inside("""
container()
engine.kill()
assert not engine.running()
engine.start()
assert len(engine.containers()) == 1
engine.ok("DELETE", "/containers/it?force=1")
engine.stop()
""")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_nothing_left()

    def test_registry_wants_its_password(self):
        done = self.run_inside("""
name = os.environ["BERTH_ENGINE_REGISTRY"] + "/it:1"
image(name)
try:
    engine.push(name, password="wrong")
    sys.exit("pushed with a wrong password")
except RuntimeError as error:
    print(error)
engine.push(name)
""", "--registry")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_nothing_left()

    def test_killed(self):
        """By SIGKILL nobody can clean up: everything dies, and the next one removes the rest."""
        for number in (signal.SIGKILL, signal.SIGTERM):
            child = subprocess.Popen(
                self.command("container()\nprint(os.environ['BERTH_ENGINE_CGROUP'], flush=True)\n"
                             "import time; time.sleep(1000)"),
                env=self.environment, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
            name = child.stdout.readline().strip("/\n")
            child.send_signal(number)
            child.wait()
            # Its end of the pipe is closed when the last process inside is gone.
            self.assertEqual(child.stdout.read(), "")
            child.stdout.close()
            self.assertEqual(self.run_inside("").returncode, 0)
            self.assert_nothing_left([name])

    def test_two_at_once(self):
        code = ("container()\nimport time\ntime.sleep(1)\nprint(len(engine.containers()))\n"
                "engine.ok('DELETE', '/containers/it?force=1')")
        both = [subprocess.Popen(self.command(code), env=self.environment, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for child in both:
            out, err = child.communicate(timeout=240)
            self.assertEqual((child.returncode, out), (0, "1\n"), err)
        self.assert_nothing_left()


if __name__ == "__main__":
    class Options:
        registry = True
        images = ()
    reason = with_engine.missing(Options)
    if reason:
        sys.exit(with_engine.skip(reason))
    unittest.main(verbosity=2)
