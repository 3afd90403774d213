# SPDX-License-Identifier: Apache-2.0
"""Python functions that are forked from a warm interpreter."""
import json
import sys
import time

import case


class Zygotes(case.Case):
    # Who finds modules first: a fork's are kept by its zygote, out of sight.
    WHO = "import sys\ndef main(args): return {'first': type(sys.meta_path[0]).__name__}\n"

    def first_finder(self, name):
        path = self.work / "who.py"
        path.write_text(self.WHO)
        done = self.cli("action", "create", name, str(path), "--kind", "python:default")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.cli("action", "invoke", name, "--result")
        self.assertEqual(done.returncode, 0, done.stderr + self.log())
        return json.loads(done.stdout)["first"]

    def test_python_functions_are_soon_forked_from_a_warm_interpreter(self):
        self.start()
        self.assertEqual(self.first_finder("first"), "type", "nothing is warm before it is wanted")
        deadline = time.monotonic() + case.PATIENCE
        count = 0
        while self.first_finder(f"later{count}") != "Pantry":
            self.assertLess(time.monotonic(), deadline, self.log())
            count += 1

    def test_without_zygotes_every_start_is_from_nothing(self):
        self.start("--set", "plugin.process.zygote.enabled=false")
        for count in range(4):
            self.assertEqual(self.first_finder(f"f{count}"), "type")
