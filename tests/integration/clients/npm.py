# SPDX-License-Identifier: Apache-2.0
"""Programs of the npm registry, installed once and kept outside of the sources."""

import fcntl
import json
import os
import shutil
import subprocess

from support import skip

# Set by run.py.
folder = None
# An install that hangs; nothing is judged by it.
INSTALL_PATIENCE = 600


def installed(name, packages):
    """The folder with node_modules of `packages`, {name: exact version}; skips the test without them."""
    if not shutil.which("npm") or not shutil.which("node"):
        skip("npm or node is not installed")
    home = os.path.join(folder, name)
    wanted = {"name": name, "version": "1.0.0", "private": True, "dependencies": packages}
    os.makedirs(home, exist_ok=True)
    # Another run may be at it.
    with open(os.path.join(folder, name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = os.path.join(home, "installed.json")
        try:
            with open(done) as file:
                if json.load(file) == wanted:
                    return home
        except (OSError, ValueError):
            pass
        shutil.rmtree(os.path.join(home, "node_modules"), ignore_errors=True)
        with open(os.path.join(home, "package.json"), "w") as file:
            json.dump(wanted, file)
        # Beside a private engine there is no way out but through the network outside.
        outer = os.environ.get("BERTH_OUTER_NET")
        try:
            install = subprocess.run(
                [*(["nsenter", "--net=" + outer] if outer else []), "npm", "install", "--no-audit", "--no-fund",
                 "--ignore-scripts", "--cache", os.path.join(folder, "cache"), "--prefix", home],
                capture_output=True, text=True, cwd=home, timeout=INSTALL_PATIENCE)
        except subprocess.TimeoutExpired:
            skip(f"npm did not end to install {packages}")
        if install.returncode != 0:
            skip(f"npm could not install {packages}: " + install.stderr[-500:])
        with open(done, "w") as file:
            json.dump(wanted, file)
    return home
