#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of OpenWhisk's, unchanged, against berthd.

    run.py --container-plugin process --bin-dir build/bin --packages build/tests/npm test_serverless
    run.py ... --record tests/data/clients test_serverless test_wsk      writes what they send, for test_replay
"""

import argparse
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(1, os.path.join(HERE, "..", "rest"))

import npm  # noqa: E402
import support  # noqa: E402
import traffic  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--container-plugin", required=True, help="the ContainerFactory, e.g. process")
    parser.add_argument("--bin-dir", required=True, help="where berthd and berth are")
    parser.add_argument("--packages", required=True, help="where packages of the registry are kept between runs")
    parser.add_argument("--record", help="a folder for what the clients send")
    parser.add_argument("tests", nargs="+", help="modules, and arguments of unittest")
    options = parser.parse_args()
    support.bin_dir = options.bin_dir
    support.container_plugin = options.container_plugin
    npm.folder = os.path.abspath(options.packages)
    traffic.record_to = options.record and os.path.abspath(options.record)
    program = unittest.main(module=None, argv=[sys.argv[0], "-v", *options.tests], exit=False)
    ended = support.stop_shared()
    if ended != 0:
        print(f"berthd ended with {ended}", file=sys.stderr)
    return 0 if program.result.wasSuccessful() and ended == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
