# SPDX-License-Identifier: Apache-2.0
"""What a fork of a zygote practises before its command comes: it works, and leaves nothing."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["BERTH_BUILD_DIR"]

# In an interpreter as the runtime has it, without the modules that a test runner brings along.
SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import berth_rehearsal, berth_proxy
del sys.path[0]
def tree(path):
    found = sorted(os.listdir(path))
    return found, [tree(path + '/' + f) for f in found if os.path.isdir(path + '/' + f)]
def state():
    return {'modules': sorted(sys.modules), 'path': list(sys.path), 'argv': sys.argv, 'cwd': os.getcwd(),
            'fds': sorted(os.listdir('/proc/self/fd')), 'streams': [id(sys.stdout), id(sys.stderr)],
            'tmp': tree('/tmp' if len(sys.argv) < 3 else sys.argv[2]), 'sys': sorted(vars(sys)),
            'finders': [str(f) for f in sys.meta_path], 'importers': sorted(sys.path_importer_cache)}
def encoded(value):
    return berth_proxy.encode(value).decode()
"""


class Rehearsal(unittest.TestCase):
    def run_script(self, script):
        with tempfile.TemporaryDirectory() as place:
            return subprocess.run(
                ["/usr/bin/python3", "-I", "-S", "-X", "utf8", "-c", SCRIPT + script,
                 f"{BUILD}/runtimes/python", place],
                cwd=place, env={"TMPDIR": place}, capture_output=True, timeout=120, check=True,
            )  # fmt: skip

    def test_an_activation_is_served_and_nothing_of_it_is_left(self):
        done = self.run_script(
            "before = state()\n"
            "served = [berth_rehearsal.rehearse()]\n"
            "after = state()\n"
            "left = dict(os.environ)\n"
            "os.environ['TMPDIR'] = sys.argv[2]\n"
            "served.append(berth_rehearsal.rehearse())\n"
            "print(encoded({'before': before, 'after': after, 'again': state(), 'served': served, 'left': left}))\n"
        )
        self.assertEqual(done.stderr, b"")
        seen = json.loads(done.stdout)  # and no word of the rehearsal's
        self.assertEqual(seen["served"], [True, True])
        self.assertEqual(seen["before"], seen["after"])
        self.assertEqual(seen["before"], seen["again"])
        self.assertEqual(seen["left"], {})

    def test_one_that_fails_leaves_nothing_either_and_says_nothing(self):
        for broken in (
            "def make(): raise OSError('no room')\nberth_proxy.make_action_directory = make\n",
            "def unpack(*a): raise OSError('no room')\nberth_proxy.Proxy._unpack = unpack\n",
            "def load(*a): raise berth_proxy.InitError('reply', 'for the log')\nberth_proxy.Proxy._load = load\n",
        ):
            with self.subTest(broken):
                done = self.run_script(
                    broken + "before = state()\n"
                    "served = berth_rehearsal.rehearse()\n"
                    "print(encoded({'before': before, 'after': state(), 'served': served}))\n"
                )
                self.assertEqual(done.stderr, b"")
                seen = json.loads(done.stdout)
                self.assertFalse(seen["served"])
                self.assertEqual(seen["before"], seen["after"])


if __name__ == "__main__":
    sys.exit(unittest.main())
