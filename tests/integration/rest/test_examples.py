# SPDX-License-Identifier: Apache-2.0
"""The commands in the READMEs of examples/ do what is written there."""

import json
import os
import re
import shlex

from support import BerthTest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))


def commands(text):
    """(command, what its output must be as JSON or None), in the order of the text."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("berth "):
                found.append([line, None])
            elif line.startswith("# "):
                found[-1][1] = line[2:]
    return found


class Examples(BerthTest):
    def follow(self, folder):
        with open(os.path.join(ROOT, "examples", folder, "README.md")) as file:
            steps = commands(file.read())
        self.assertGreater(len(steps), 5)
        names = {shlex.split(line)[3] for line, _ in steps if line.startswith("berth action create ")}
        for name in names:
            self.addCleanup(self.berthd.api, "DELETE", "/actions/" + name)
        for line, expected in steps:
            words = [os.path.join(ROOT, word) if word.startswith("examples/") else word
                     for word in shlex.split(line)[1:]]
            done = self.berthd.cli(*words)
            if expected is None:
                self.assertEqual(done.returncode, 0, f"{line}\n{done}")
                continue
            value = json.loads(expected)
            self.assertEqual(json.loads(done.stdout), value, line)
            self.assertEqual(done.returncode == 0, "error" not in value, f"{line}\n{done}")

    def test_sequence(self):
        self.follow("sequence")

    def test_alarm(self):
        for path in ("/rules/ticking", "/triggers/every-second"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        self.follow("alarm")

    def test_project(self):
        for path in ("/rules/welcome", "/triggers/visitor", "/packages/greetings?force=true"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        self.follow("project")
