#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""berthd as an operator meets it.

Usage: berthd_test.py BIN_DIRECTORY [unittest's arguments]
"""
import pathlib
import sys
import unittest

import case

MODULES = ["test_configuration", "test_life", "test_administration", "test_zygotes"]

if __name__ == "__main__":
    case.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    chosen = any(not argument.startswith("-") for argument in sys.argv[1:])
    unittest.main(module=None, argv=[sys.argv[0], "-v", *sys.argv[1:], *([] if chosen else MODULES)])
