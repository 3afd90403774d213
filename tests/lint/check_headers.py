#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every header of ours alone, so that including it needs nothing before it.

Usage: check_headers.py ROOT BUILD_DIRECTORY COMPILER. The include paths and definitions are those of the
build's own compile_commands.json, joined. Exit 1 lists the headers that fail with their first error.

Headers that come by Boost take two thirds of the time for it, hundreds of times the same. They find the larger part of it
precompiled, which may hide that another part of Boost is missing; with BERTH_SOAK=1 they do not.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BOOST = ["boost/asio/any_io_executor.hpp", "boost/asio/awaitable.hpp", "boost/asio/co_spawn.hpp",
         "boost/asio/io_context.hpp", "boost/asio/steady_timer.hpp", "boost/asio/use_awaitable.hpp", "boost/json.hpp"]
OURS = re.compile(r'#include "([^"]+)"')


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


def with_boost(headers):
    """Those that include asio or json of Boost's themselves or by others of ours."""
    texts = {path: path.read_text() for path in headers}
    by_name = {}
    for path in headers:
        for depth in range(1, len(path.parts)):
            by_name.setdefault("/".join(path.parts[-depth:]), []).append(path)
    found = {path for path, text in texts.items() if re.search(r"#include <boost/(asio|json)", text)}
    grown = True
    while grown:
        more = {path for path, text in texts.items() if path not in found
                and any(other in found for name in OURS.findall(text) for other in by_name.get(name, []))}
        found |= more
        grown = bool(more)
    return found


def precompile_boost(compiler, options, folder):
    source, out = pathlib.Path(folder, "boost.hpp"), pathlib.Path(folder, "boost.pch")
    source.write_text("".join(f"#include <{name}>\n" for name in BOOST))
    subprocess.run([compiler, "-std=c++20", *options, "-x", "c++-header", source, "-o", out], check=True)
    return ["-include-pch", str(out)]


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
    with tempfile.TemporaryDirectory(prefix="bth-headers-") as folder:
        faster = set() if os.environ.get("BERTH_SOAK") == "1" else with_boost(headers)
        boost = precompile_boost(compiler, options, folder) if faster else []

        def look(header):
            return check(compiler, options + (boost if header in faster else []), header)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            failures = [text for text in pool.map(look, headers) if text]
    print(f"{len(headers)} headers, {len(failures)} that do not compile alone")
    for text in failures:
        print(text, file=sys.stderr)
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
