#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The REST conformance suite: written once, run against berthd with any container plugin.

    run.py --container-plugin process --bin-dir build/bin [--config FILE] [-- unittest's arguments]
"""

import argparse
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import support  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--container-plugin", required=True, help="the ContainerFactory, e.g. process")
    parser.add_argument("--bin-dir", required=True, help="where berthd and berth are")
    parser.add_argument("--config", help="a berth.toml with the plugin's settings")
    parser.add_argument("unittest", nargs="*", help="arguments of unittest, e.g. -k pattern")
    options = parser.parse_args()
    support.bin_dir = options.bin_dir
    support.container_plugin = options.container_plugin
    support.config = options.config
    modules = ["test_api", "test_functions", "test_flows", "test_openapi", "test_encryption", "test_property", "test_examples", "test_web", "test_gateway", "test_entities", "test_cli", "test_completion", "test_deploy", "test_npm_client"]
    program = unittest.main(
        module=None, argv=[sys.argv[0], "-v", *options.unittest, *modules], exit=False)
    ended = support.stop_shared()
    if ended != 0:
        print(f"berthd ended with {ended}", file=sys.stderr)
    return 0 if program.result.wasSuccessful() and ended == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
