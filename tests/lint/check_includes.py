#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks every #include of ours against the one table of allowed directions.

Usage: check_includes.py [ROOT]. Exit 0: all allowed; 1: each offence with file, line and rule.
"""
import pathlib
import re
import sys

# folder -> what it may include besides itself. Arrows go downwards only.
CORE = ["base", "http", "entity", "store", "plugin", "container", "activation", "api"]
ALLOWED = {
    "core/base": {"plugin-api/sdk/status"},
    "core/http": {"core/base"},
    "core/entity": {"core/base"},
    "core/store": {"core/base", "core/entity"},
    "core/plugin": {"core/base", "core/store", "plugin-api"},
    "core/container": {"core/base", "core/http", "core/entity", "core/plugin"},
    "core/activation": {"core/base", "core/entity", "core/store", "core/plugin", "core/container"},
    "core/api": {"core/" + name for name in CORE},
    "cmd": {"core/" + name for name in CORE} | {"plugin-api"},
    "bench": {"core/" + name for name in CORE} | {"plugin-api"},
    "plugins": {"plugin-api", "plugins/support"},
    "plugin-api": set(),
    "runtimes": set(),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def layer(path):
    """The row of ALLOWED that a file of the tree belongs to, and its own folder's name in it."""
    parts = path.parts
    if parts[0] == "core":
        return "core/" + parts[1]
    return parts[0]


def target(include, source):
    """What a quoted include names: a layer, or None for a file beside the source or a system one."""
    first = include.split("/")[0]
    if include == "berth/sdk/status.hpp":
        return "plugin-api/sdk/status"
    if first == "berth":
        return "plugin-api"
    if first in CORE:
        return "core/" + first
    if first == "support" or include.startswith("plugins/support/"):
        return "plugins/support"
    if source.parts[0] == "plugins" and first in ("process", "docker", "mesos", "file", "splunk", "log_driver"):
        return "plugins/" + first
    return None


def offences(root):
    for top in ("core", "plugins", "plugin-api/include", "cmd", "runtimes", "bench"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".c", ".h", ".cpp", ".hpp"):
                continue
            source = path.relative_to(root)
            own = layer(source)
            allowed = ALLOWED.get(own, set())
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                wanted = target(found.group(1), source)
                if wanted is None or wanted == own or wanted in allowed:
                    continue
                if wanted == "plugin-api/sdk/status" and "core/base" in allowed | {own}:
                    continue
                if wanted == "plugin-api/sdk/status" and "plugin-api" in allowed | {own}:
                    continue
                if own == "plugins" and wanted == "plugins/" + source.parts[1]:
                    continue
                yield f"{source}:{number}: {own} may not include {found.group(1)} ({wanted})"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(offences(root))
    for text in found:
        print(text, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
