#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the runtime images for the tests that need them. Skipped where they could not be run.

    images_fixture.py BUILD_DIRECTORY
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))

import with_engine  # noqa: E402


class Options:
    registry = False
    images = ()


def main():
    build = sys.argv[1]
    reason = with_engine.missing(Options)
    if not reason and not shutil.which("mmdebstrap"):
        reason = "mmdebstrap is not installed (./dev deps images)"
    if reason:
        return with_engine.skip(reason)
    out = os.path.join(build, "images")
    archive = os.path.join(out, "berth-images.tar")
    command = ["/usr/bin/python3", os.path.join(HERE, "../../../packaging/images/build.py"),
               "--runtimes", os.path.join(build, "runtimes"), "--out", out]
    # Two at once: one builds, the other waits and must find its work done.
    both = [subprocess.Popen(command) for _ in range(2)]
    codes = [child.wait() for child in both]
    if codes != [0, 0]:
        return 1
    made = os.stat(archive).st_mtime_ns
    subprocess.run(command, check=True)
    if os.stat(archive).st_mtime_ns != made:
        print("an image was built again though nothing had changed", file=sys.stderr)
        return 1
    print(f"{archive}: {os.path.getsize(archive) >> 20} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
