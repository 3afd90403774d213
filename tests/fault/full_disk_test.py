#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up under berthd: 503, nothing that was accepted is lost, and it goes on with room.

Usage: full_disk_test.py BIN_DIRECTORY [unittest's arguments]
"""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from daemon import PATIENCE, Daemon

BIN = None


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bth-"))
        self.addCleanup(shutil.rmtree, self.work, True)
        data = self.work / "data"
        data.mkdir(mode=0o700)
        run = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", data],
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            if os.environ.get("BERTH_REQUIRE_ALL") == "1":
                self.fail("cannot mount a tmpfs: " + run.stderr)
            self.skipTest("needs the right to mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", "-l", data], check=False)
        self.daemon = Daemon(BIN, self.work)
        self.addCleanup(self.daemon.stop)
        self.ballast = data / "ballast"

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def records(self):
        database = sqlite3.connect(f"file:{self.work}/data/berth.db?mode=ro", uri=True, timeout=PATIENCE)
        try:
            return {row[0].hex(): row[1] for row in database.execute("SELECT id, outcome FROM activations")}
        finally:
            database.close()

    def invoke(self, payload):
        status, headers, answer = self.daemon.api("POST", "/actions/a0", payload)
        if status == 503:
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            self.assertIn("no room", answer["error"])
        return status, answer

    def test_503_and_nothing_is_lost(self):
        self.daemon.start()
        self.daemon.create("a0")
        accepted = []
        for _ in range(10):
            status, answer = self.invoke({})
            self.assertEqual(status, 202, answer)
            accepted.append(answer["activationId"])
        status, answer = self.invoke({"seconds": 2})
        accepted.append(answer["activationId"])
        self.fill()
        # Large arguments: what is free inside the database's own files does not take them for long.
        large = {"text": "y" * 700_000}
        end = time.monotonic() + PATIENCE
        while True:
            status, answer = self.invoke(large)
            if status == 503:
                break
            self.assertEqual(status, 202, answer)
            accepted.append(answer["activationId"])
            self.assertLess(time.monotonic(), end)
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log())
        # A blocking call needs no room before its answer.
        status, _, answer = self.daemon.api("POST", "/actions/a0?blocking=true", {})
        self.assertEqual(status, 200, answer)
        accepted.append(answer["activationId"])
        # Nor does one whose wait ends before it does: it runs, so nobody is told that it was not accepted.
        status, _, answer = self.daemon.api("POST", "/actions/a0?blocking=true&timeout=100", {"seconds": 1})
        self.assertIn(status, (200, 202), answer)
        accepted.append(answer["activationId"])
        self.ballast.unlink()
        end = time.monotonic() + PATIENCE
        while self.invoke({})[0] != 202:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        while set(accepted) - set(self.records()):
            self.assertLess(time.monotonic(), end, self.daemon.log())
            time.sleep(0.1)
        self.assertEqual({self.records()[key] for key in accepted}, {0})
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
