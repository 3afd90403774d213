# SPDX-License-Identifier: Apache-2.0
"""The berth program against a real berthd."""

import fcntl
import json
import os
import pty
import re
import stat
import struct
import subprocess
import tempfile
import termios

from berthd_process import PATIENCE
from support import NATIVE, PYTHON, BerthTest


class Cli(BerthTest):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory(prefix="bth-cli-")
        self.addCleanup(self.folder.cleanup)

    def file(self, name, content):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            file.write(content)
        return path

    def berth(self, *arguments, code=0, **more):
        done = self.berthd.cli(*arguments, **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def make(self, *arguments):
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + self.name)
        return self.berth("action", "create", self.name, *arguments)

    def test_from_file_to_logs(self):
        done = self.make(self.file("hello.py", PYTHON), "-p", "name", "Default", "-m", "128")
        self.assertEqual(done.stdout, f"created action {self.name}\n")
        done = self.berth("action", "invoke", self.name, "-r")
        self.assertEqual(json.loads(done.stdout), {"greeting": "Hello, Default"})
        self.assertEqual(done.stdout, '{\n  "greeting": "Hello, Default"\n}\n')
        done = self.berth("action", "invoke", self.name, "--result", "-p", "name", "World")
        self.assertEqual(json.loads(done.stdout), {"greeting": "Hello, World"})
        lines = self.berth("activation", "logs", "--last").stdout.splitlines()
        self.assertEqual(sorted(line[31:] for line in lines), ["stderr: err", "stdout: out World"])
        stripped = self.berth("activation", "logs", "--last", "--strip").stdout.splitlines()
        self.assertEqual(sorted(stripped), ["err", "out World"])
        result = self.berth("activation", "result", "--last").stdout
        self.assertEqual(json.loads(result), {"greeting": "Hello, World"})
        record = json.loads(self.berth("activation", "get", "--last", "--json").stdout)
        self.assertEqual(record["name"], self.name)
        listed = self.berth("activation", "list", self.name).stdout
        self.assertIn(record["activationId"], listed)
        self.assertEqual(len(json.loads(self.berth("activation", "list", self.name, "--json").stdout)), 2)
        full = json.loads(self.berth("activation", "list", self.name, "--full", "-l", "1").stdout)
        self.assertEqual(full[0]["response"]["result"], record["response"]["result"])

    def test_actions(self):
        self.make(self.file("code.py", PYTHON), "-t", "5000", "-l", "1", "-a", "note", '{"x":1}',
                  "-e", "DB", "url", "-P", self.file("p.json", '{"n": [1]}'))
        action = json.loads(self.berth("action", "get", self.name).stdout)
        self.assertNotIn("code", action["exec"])
        self.assertEqual(action["limits"]["timeout"], 5000)
        self.assertIn({"key": "note", "value": {"x": 1}}, action["annotations"])
        self.assertEqual(action["parameters"], [{"key": "n", "value": [1]},
                                                {"key": "DB", "value": "url", "init": True}])
        self.berth("action", "update", self.name, "-m", "128", "--del-annotation", "note")
        action = json.loads(self.berth("action", "get", self.name, "--code").stdout)
        self.assertEqual(action["exec"]["code"], PYTHON)
        self.assertEqual(action["limits"]["memory"], 128)
        self.assertNotIn("note", [annotation["key"] for annotation in action["annotations"]])
        self.assertIn(self.name, self.berth("action", "list").stdout)
        self.berth("action", "delete", self.name)
        self.berth("action", "get", self.name, code=5)

    def test_native_program(self):
        path = self.file("program", NATIVE)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        self.make(path)
        done = self.berth("action", "invoke", self.name, "-r", "-p", "name", "N")
        self.assertEqual(json.loads(done.stdout), {"greeting": "Hello, N"})

    def test_folder(self):
        folder = os.path.join(os.path.dirname(self.file("x", "")), "app")
        os.makedirs(os.path.join(folder, "lib"))
        for name, text in (("__main__.py", "from lib.words import greet\ndef main(a): return greet(a)\n"),
                           ("lib/__init__.py", "\n"), ("lib/words.py", "def greet(a): return {'text': 'Hello'}\n")):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        self.make(folder)
        done = self.berth("action", "invoke", self.name, "-r")
        self.assertEqual(json.loads(done.stdout), {"text": "Hello"})

    def test_native_as_wsk_has_it(self):
        path = self.file("program", "#!/bin/sh\necho '{}'\n")
        self.make(path, "--native")
        action = json.loads(self.berth("action", "get", self.name).stdout)
        self.assertEqual((action["exec"]["kind"], action["exec"]["image"]), ("blackbox", "openwhisk/dockerskeleton"))
        self.berth("action", "create", "x", "--native", code=2)
        self.berth("action", "create", "x", path, "--native", "--docker", "y", code=2)

    def test_standard_input(self):
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + self.name)
        self.berth("action", "create", self.name, "-", "--kind", "python:default", input=PYTHON)
        done = self.berth("action", "invoke", self.name, "-r", "-P", "-", input='{"name": "P"}')
        self.assertEqual(json.loads(done.stdout), {"greeting": "Hello, P"})

    def test_not_waiting(self):
        self.make(self.file("code.py", PYTHON))
        done = self.berth("action", "invoke", self.name)
        self.assertRegex(done.stdout, f"^invoked {self.name}, activation [0-9a-f]{{32}}\n$")

    def test_exit_codes(self):
        path = self.file("code.py", "def main(a): return {'error': 'boom'}")
        self.make(path)
        done = self.berth("action", "invoke", self.name, "-r", code=7)
        self.assertEqual(json.loads(done.stdout), {"error": "boom"})
        self.assertIn("berth activation logs", done.stderr)
        self.berth("action", "create", self.name, path, code=6)
        self.berth("action", "invoke", "no-such-action", "-r", code=5)
        self.berth("action", "create", "x", "/no/such/file", code=2)
        done = self.berth("action", "create", "x", self.file("code.xyz", "text"), code=2)
        self.assertIn("--kind", done.stderr)
        self.berth("action", "nonsense", code=2)
        self.berth("action", "list", key="00000000-0000-4000-8000-000000000000:x", code=4)
        self.berth("action", "list", "--apihost", "http://127.0.0.1:9", code=3)
        self.berth("action", "list", "--limit", "201", code=1)
        slow = self.file("slow.py", "import time\ndef main(a):\n  time.sleep(1)\n  return {}")
        self.berth("action", "update", self.name, slow)
        self.berth("action", "invoke", self.name, "-r", "--wait", "20", code=8)

    def test_namespaces(self):
        created = self.berth("namespace", "create", "team").stdout
        self.addCleanup(self.berthd.cli, "namespace", "delete", "team", "--force")
        key = created.strip().splitlines()[-1].removeprefix("AUTH=")
        self.assertIn("team", self.berth("namespace", "list").stdout)
        self.assertEqual(self.berthd.request("GET", "/api/v1/namespaces", key=key).json, ["team"])
        path = self.file("code.py", PYTHON)
        self.berth("action", "create", "theirs", path, key=key)
        self.assertNotIn("theirs", self.berth("action", "list").stdout)
        self.berth("action", "get", "theirs", code=5)
        rotated = self.berth("namespace", "key", "rotate", "team").stdout
        new_key = rotated.strip().splitlines()[-1].removeprefix("AUTH=")
        self.assertNotEqual(new_key, key)
        self.berth("action", "list", key=key, code=4)
        self.berth("action", "get", "theirs", key=new_key)
        self.assertIn(new_key, self.berth("namespace", "key", "show", "team").stdout)
        self.berth("namespace", "create", "team", code=6)
        self.berth("namespace", "delete", "team", code=6)  # it still has an action
        self.berth("namespace", "delete", "team", "--force")
        self.berth("action", "list", key=new_key, code=4)
        self.berth("namespace", "delete", "team", code=5)

    def test_get_saves_copies_and_says_where(self):
        path = self.file("code.py", PYTHON)
        self.make(path, "-p", "name", "Default", "-a", "description", "greets", "--web", "yes")
        saved = os.path.join(self.folder.name, "saved.py")
        self.berth("action", "get", self.name, "--save-as", saved)
        with open(saved) as file:
            self.assertEqual(file.read(), PYTHON)
        done = self.berth("action", "get", self.name, "--save-as", saved, code=2)
        self.assertIn("File exists", done.stderr)
        url = self.berth("action", "get", self.name, "--url").stdout.strip()
        self.assertEqual(url, f"{self.berthd.api_host}/api/v1/web/guest/default/{self.name}")
        summary = self.berth("action", "get", self.name, "--summary").stdout
        self.assertEqual(summary, f"action /guest/{self.name}: greets\n  parameters: name\n")
        self.addCleanup(self.berthd.api, "DELETE", "/actions/the-copy")
        self.berth("action", "create", "the-copy", self.name, "--copy", "-p", "name", "Copy", "-a", "note", "1")
        done = self.berth("action", "invoke", "the-copy", "-r")
        self.assertEqual(json.loads(done.stdout), {"greeting": "Hello, Copy"})
        copy = json.loads(self.berth("action", "get", "the-copy").stdout)
        for annotation in ({"key": "description", "value": "greets"}, {"key": "note", "value": 1}):
            self.assertIn(annotation, copy["annotations"])
        self.berth("action", "create", "the-copy", "no-such-action", "--copy", code=5)
        listed = json.loads(self.berth("list", "--json").stdout)
        self.assertLessEqual({"the-copy", self.name}, {action["name"] for action in listed["actions"]})
        self.assertRegex(self.berth("list").stdout, r"\naction +the-copy +0\.0\.1 ")

    def on_a_terminal(self, *arguments, **environment):
        """What the program prints on a terminal of 60 columns."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 60, 0, 0))
        with os.fdopen(slave, "wb") as terminal:
            done = subprocess.run(
                [os.path.join(self.berthd.bin_dir, "berth"), *arguments], stdout=terminal, stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE, timeout=PATIENCE,
                env={"BERTH_DATA_DIR": self.berthd.data_dir, "TERM": "xterm", "PATH": os.environ["PATH"], **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        return os.read(master, 1 << 16).decode().replace("\r\n", "\n")

    def test_tables_fit_the_terminal_and_have_colours_there(self):
        path = self.file("code.py", PYTHON)
        name = "a-name-that-is-longer-than-the-whole-terminal-would-be-wide"
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + name)
        self.berth("action", "create", name, path)
        plain = self.on_a_terminal("action", "list", "--limit", "1", NO_COLOR="1")
        self.assertNotIn("\x1b", plain)
        self.assertIn("…", plain)
        self.assertNotIn("\x1b", self.on_a_terminal("action", "list", "--limit", "1", TERM="dumb"))
        coloured = self.on_a_terminal("action", "list", "--limit", "1")
        self.assertTrue(coloured.startswith("\x1b[1mNAME\x1b[0m"), coloured)
        self.assertEqual(re.sub("\x1b\\[[0-9]*m", "", coloured), plain)
        # Into a pipe it is whole.
        self.assertIn(name, self.berth("action", "list", "--limit", "1").stdout)

    def test_wskprops(self):
        lines = dict(line.split("=", 1) for line in self.berth("wskprops").stdout.splitlines())
        self.assertEqual(lines["APIHOST"], self.berthd.api_host)
        self.assertEqual(lines["AUTH"], self.berthd.key)

    def test_plugins(self):
        import support
        self.assertIn(support.container_plugin, self.berth("plugin", "list").stdout)
        listed = json.loads(self.berth("plugin", "list", "--json").stdout)["plugins"]
        self.assertIn(support.container_plugin, [entry["name"] for entry in listed])
        done = self.berth("plugin", "inspect", support.container_plugin)
        self.assertIn("berth.container-factory/1", done.stdout)
        self.berth("plugin", "inspect", self.file("libberth_no.so", "no library"), code=1)
        running = self.berth("plugin", "inspect", "--running", support.container_plugin, "--json")
        self.assertEqual(json.loads(running.stdout)["name"], support.container_plugin)
        self.assertIsInstance(json.loads(self.berth("status", "--json").stdout), dict)
