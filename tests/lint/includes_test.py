#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The include check must pass on our tree and see each kind of offence in a made-up one."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CHECK = HERE / "check_includes.py"

OFFENCES = {
    "core/base/a.hpp": '#include "store/stores.hpp"',
    "core/http/a.hpp": '#include "entity/action.hpp"',
    "core/container/a.cpp": '#include "activation/invoker.hpp"',
    "core/store/a.cpp": '#include "plugin/log_store.hpp"',
    "plugins/file/a.cpp": '#include "base/log.hpp"',
    "plugins/docker/a.cpp": '#include "process/plugin/config.hpp"',
    "plugin-api/include/berth/sdk/a.hpp": '#include "base/result.hpp"',
}
FINE = {
    "core/api/a.cpp": '#include "activation/invoker.hpp"\n#include "api/api.hpp"',
    "core/base/a.hpp": '#include "berth/sdk/status.hpp"\n#include "base/log.hpp"',
    "plugins/file/a.cpp": '#include "berth/sdk/plugin.hpp"\n#include "support/event_loop.hpp"',
    "cmd/berthd/a.cpp": '#include "keys.hpp"\n#include "api/api.hpp"',
}


def run(root):
    return subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True, check=False)


class IncludesTest(unittest.TestCase):
    def tree(self, files):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return root

    def test_our_tree_keeps_the_table(self):
        result = run(HERE.parent.parent)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_offence_is_seen(self):
        for name, text in OFFENCES.items():
            with self.subTest(name):
                result = run(self.tree({name: text}))
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"{name}:1:", result.stderr)

    def test_allowed_directions_pass(self):
        result = run(self.tree(FINE))
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
