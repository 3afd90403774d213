#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command beside a simulated Mesos cluster whose agents run the action proxies.

    with_simulator.py --proto DIR --bin-dir DIR -- COMMAND...

In the command {config} becomes a berth.toml whose [plugin.mesos] is that cluster, {control} the simulator's door.
Exits with the command's code.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Simulator:
    """The simulator as a child, for Python tests."""

    def __init__(self, proto, *options):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(HERE, "simulator.py"), "--proto", proto, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = json.loads(self.process.stdout.readline())
        self.masters = said["masters"]
        self.control = said["control"]

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--proto", required=True)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    simulator = Simulator(options.proto, "--run", "processes", "--bin-dir", options.bin_dir, "--share-ports",
                          "--agents", "3")
    try:
        with tempfile.TemporaryDirectory(prefix="bth-ms-") as folder:
            config = os.path.join(folder, "berth.toml")
            with open(config, "w") as file:
                file.write(f"[plugin.mesos]\nmasters = {json.dumps(simulator.masters)}\nkill_grace = \"100ms\"\n")
            words = [w.replace("{config}", config).replace("{control}", simulator.control) for w in options.command]
            return subprocess.run(words).returncode
    finally:
        simulator.close()


if __name__ == "__main__":
    sys.exit(main())
