#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every header of ours alone, so that including it needs nothing before it.

Usage: check_headers.py ROOT BUILD_DIRECTORY COMPILER. The include paths and definitions are those of the
build's own compile_commands.json, joined. Exit 1 lists the headers that fail with their first error.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys


def flags(build):
    """Include paths and definitions of all compile commands, each once, in order."""
    seen = {}
    for command in json.loads((build / "compile_commands.json").read_text()):
        words = command["command"].split()
        for at, word in enumerate(words):
            if word in ("-isystem", "-I"):
                seen[(word, words[at + 1])] = None
            elif word.startswith("-I"):
                seen[("-I", word[2:])] = None
            elif word.startswith("-DBOOST") or word.startswith("-DFMT") or word.startswith("-DSPDLOG"):
                seen[(word,)] = None
    return [word for entry in seen for word in entry]


def check(compiler, options, header):
    source = f'#include "{header}"\n'
    run = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", *options, "-x", "c++", "-"],
                         input=source, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return None
    first = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr[:200])
    return f"{header}: {first}"


def main():
    root, build, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    options = flags(build)
    headers = [path for top in ("core", "plugins", "cmd", "bench")
               for path in sorted((root / top).rglob("*.hpp"))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [text for text in pool.map(lambda h: check(compiler, options, h), headers) if text]
    print(f"{len(headers)} headers, {len(failures)} that do not compile alone")
    for text in failures:
        print(text, file=sys.stderr)
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
