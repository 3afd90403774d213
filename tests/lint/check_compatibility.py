#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that each row of docs/rest-compatibility.md says how it compares and names tests that are there.

Usage: check_compatibility.py [ROOT]. Every table of the page has the last columns `Berth`, which begins
with one of VERDICTS, and `Test`, with names in backquotes: `Suite.Case` of a C++ test, `module.Class.test_case` of a
Python one, `.case` of the suite or class before it, or a file of the tree. Exit 0: all well; 1: each fault with its line.
"""
import pathlib
import re
import sys

PAGE = "docs/rest-compatibility.md"
VERDICTS = ("same", "better", "differs", "not", "own")
CPP = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)
PYTHON = re.compile(r"^class (\w+)|^    def (test_\w+)", re.MULTILINE)


def known_tests(root):
    """The names of all tests of the tree."""
    names = set()
    for path in (root / "tests").rglob("*.cpp"):
        names.update(f"{suite}.{case}" for suite, case in CPP.findall(path.read_text()))
    for path in (root / "tests").rglob("*.py"):
        owner = None
        for group, case in PYTHON.findall(path.read_text()):
            if group:
                owner = group
            elif owner:
                names.add(f"{path.stem}.{owner}.{case}")
    return names


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def named(text):
    """The tests of a cell, those that begin with a dot with the suite before them."""
    suite = ""
    for name in re.findall(r"`([^`]+)`", text):
        if name.startswith("."):
            name = suite + name
        suite = name.rpartition(".")[0]
        yield name


def faults(root):
    tests = known_tests(root)
    header = None
    rows = 0
    for number, line in enumerate((root / PAGE).read_text().splitlines(), 1):
        where = f"{PAGE}:{number}:"
        if not line.startswith("|"):
            header = None
            continue
        row = cells(line)
        if header is None:
            header = row
            if row[-2:] != ["Berth", "Test"]:
                yield f"{where} a table's last columns are Berth and Test"
            continue
        if set(line) <= set("|-: "):
            continue
        rows += 1
        if len(row) != len(header):
            yield f"{where} has {len(row)} columns, not {len(header)}"
            continue
        if re.split(r"\W", row[-2])[0] not in VERDICTS:
            yield f"{where} '{row[-2][:30]}' begins with none of {', '.join(VERDICTS)}"
        names = list(named(row[-1]))
        if not names:
            yield f"{where} names no test"
        for name in names:
            if name not in tests and not ("/" in name and (root / name).is_file()):
                yield f"{where} there is no test {name}"
    if rows == 0:
        yield f"{PAGE}: has no rows"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(faults(root))
    for text in found:
        print(text, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
