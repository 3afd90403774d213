#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The check of the compatibility table must pass on our page and see each kind of fault in a made-up one."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CHECK = HERE / "check_compatibility.py"

HEAD = "# Page\n\n| What | Berth | Test |\n|---|---|---|\n"
FINE = [
    "| a | same | `Suite.Case`, `.Other` |",
    "| b | better: much | `test_x.Group.test_it`, `.test_more` |",
    "| c | not; never | `tests/notes.txt` |",
]
FAULTS = {
    "| a | same | |": "names no test",
    "| a | same | `Suite.Gone` |": "there is no test Suite.Gone",
    "| a | same | `Suite.Case`, `.Gone` |": "there is no test Suite.Gone",
    "| a | same | `test_x.Group.test_gone` |": "there is no test test_x.Group.test_gone",
    "| a | same | `tests/gone.txt` |": "there is no test tests/gone.txt",
    "| a | yes | `Suite.Case` |": "begins with none of",
    "| a | `Suite.Case` |": "has 2 columns, not 3",
}


class CompatibilityTest(unittest.TestCase):
    def check(self, page):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name, text in {
            "docs/rest-compatibility.md": page,
            "tests/a.cpp": "TEST(Suite, Case) {}\nTEST_F(Suite,\n    Other) {}\n",
            "tests/test_x.py": "class Group(T):\n    def test_it(self):\n        pass\n\n    def test_more(self):\n",
            "tests/notes.txt": "",
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True, check=False)

    def test_our_page_is_sound(self):
        result = subprocess.run([sys.executable, CHECK, HERE.parent.parent], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_sound_rows_pass(self):
        result = self.check(HEAD + "\n".join(FINE) + "\n")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_fault_is_seen(self):
        for row, text in FAULTS.items():
            with self.subTest(row):
                result = self.check(HEAD + row + "\n")
                self.assertEqual(result.returncode, 1)
                self.assertIn("rest-compatibility.md:5:", result.stderr)
                self.assertIn(text, result.stderr)

    def test_a_table_without_tests_is_seen(self):
        result = self.check(HEAD + FINE[0] + "\n\n| What | Berth |\n|---|---|\n| a | same |\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("a table's last columns", result.stderr)

    def test_a_page_without_rows_is_seen(self):
        self.assertEqual(self.check("# Page\n").returncode, 1)


if __name__ == "__main__":
    unittest.main()
