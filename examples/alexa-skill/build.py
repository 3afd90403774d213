#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the skill's zip: its sources, and the modules that package-lock.json names, out of npm.

    build.py [--out alexa-skill.zip] [--work FOLDER]

Modules once installed are kept in the work folder, by the lock file they were installed for.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ["index.js", "package.json", "skill.js", "verify.js"]
LOCK = "package-lock.json"
# Types, maps and pages: nothing that runs.
NEEDLESS = (".ts", ".map", ".md", ".markdown")
INSTALL_SECONDS = 300


def installed(work):
    """The node_modules folder of the lock file, installed unless it is there."""
    digest = hashlib.sha256()
    for name in ("package.json", LOCK):
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    folder = os.path.join(work, "modules-" + digest.hexdigest()[:16])
    modules = os.path.join(folder, "node_modules")
    if os.path.isdir(modules):
        return modules
    os.makedirs(work, exist_ok=True)
    fresh = tempfile.mkdtemp(prefix="install-", dir=work)
    try:
        for name in ("package.json", LOCK):
            shutil.copy(os.path.join(HERE, name), fresh)
        subprocess.run(["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=fresh,
                       check=True, timeout=INSTALL_SECONDS, stdout=sys.stderr)
        # Whole or not at all; somebody else may have been faster.
        if not os.path.isdir(folder):
            os.rename(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return modules


def files_of(modules):
    for folder, names, files in os.walk(modules):
        names.sort()
        if os.path.basename(folder) == ".bin":
            continue
        for name in sorted(files):
            if not name.endswith(NEEDLESS):
                path = os.path.join(folder, name)
                yield path, os.path.join("node_modules", os.path.relpath(path, modules))


def pack(modules, out):
    """The same bytes for the same files: the zip's times are fixed."""
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    entries = [(os.path.join(HERE, name), name) for name in SOURCES] + list(files_of(modules))
    partial = out + ".part"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in entries:
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with open(path, "rb") as file:
                archive.writestr(info, file.read())
    os.replace(partial, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", default="alexa-skill.zip", help="the zip")
    parser.add_argument("--work", help="where modules are kept; default: the user's cache")
    options = parser.parse_args()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    work = options.work or os.path.join(cache, "berth-alexa-skill")
    if not shutil.which("npm"):
        raise SystemExit("build.py: npm is not there: apt-get install npm")
    try:
        modules = installed(work)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"build.py: the modules could not be installed: {error}") from error
    pack(modules, options.out)
    print(options.out)


if __name__ == "__main__":
    main()
