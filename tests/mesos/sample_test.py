#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sample framework launches its tasks on a simulated cluster and leaves nothing.

    sample_test.py PROTO_DIRECTORY PROGRAM
"""

import json
import os
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from with_simulator import Simulator  # noqa: E402


def main():
    proto, program = sys.argv[1:3]
    simulator = Simulator(proto, "--agents", "4")
    try:
        done = subprocess.run([program, simulator.masters[0], "12", "some/image"], capture_output=True, text=True,
                              timeout=100)
        print(done.stdout, done.stderr)
        assert done.returncode == 0, done.returncode
        lines = [line for line in done.stdout.splitlines() if line.startswith("running sample-")]
        assert len(lines) == 12, lines
        state = json.load(urllib.request.urlopen(simulator.control, data=b'{"do": "state"}'))
        assert state["launched"] == 12 and not state["frameworks"], state
    finally:
        simulator.close()


if __name__ == "__main__":
    main()
