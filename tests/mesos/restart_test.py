#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""berthd is killed, and the next one goes on with the warm containers of the cluster; leaders change under load.

    restart_test.py PROTO_DIRECTORY BIN_DIRECTORY
"""

import concurrent.futures
import json
import os
import shutil
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../integration/rest")]

from berthd_process import PATIENCE, Berthd  # noqa: E402
from with_simulator import Simulator  # noqa: E402

PROTO, BIN = sys.argv[1:3]
CODE = """
calls = 0
def main(args):
  global calls
  calls += 1
  return {"i": args.get("i"), "calls": calls}
"""


class Restart(unittest.TestCase):
    def setUp(self):
        self.simulator = Simulator(PROTO, "--run", "processes", "--bin-dir", BIN, "--share-ports", "--agents", "3",
                                   "--masters", "2")
        self.addCleanup(self.simulator.close)
        self.folder = tempfile.mkdtemp(prefix="bth-mr-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.config = os.path.join(self.folder, "berth.toml")
        with open(self.config, "w") as file:
            # A berthd whose functions would be told another host adopts none.
            file.write('[containers]\nprewarm = false\napi_host = "http://berth"\n')
            file.write(f"[plugin.mesos]\nmasters = {json.dumps(self.simulator.masters)}\n"
                       'kill_grace = "100ms"\n')

    def start(self):
        self.berthd = Berthd(BIN, "mesos", config=self.config, keep_data=os.path.join(self.folder, "data"))

    def control(self, **command):
        with urllib.request.urlopen(self.simulator.control, data=json.dumps(command).encode()) as reply:
            return json.load(reply)

    def invoke(self, **arguments):
        reply = self.berthd.api("POST", "/actions/count?blocking=true&result=true", arguments)
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def put(self):
        reply = self.berthd.api("PUT", "/actions/count?overwrite=true", {"exec": {"kind": "python:default", "code": CODE}})
        self.assertEqual(reply.status, 200, reply)

    def test_warm_containers_outlive_berthd(self):
        self.start()
        self.put()
        self.assertEqual(self.invoke(i=1), {"i": 1, "calls": 1})
        launched = self.control(do="state")["launched"]
        # The reply is faster than the container's way back.
        end = time.monotonic() + PATIENCE
        while "ready" not in (listed := self.berthd.cli("container", "list").stdout):
            self.assertLess(time.monotonic(), end, listed)
            time.sleep(0.02)
        self.berthd.process.kill()
        self.berthd.stop()
        self.start()
        try:
            self.assertEqual(self.invoke(i=2), {"i": 2, "calls": 2}, "the same container")
            self.assertEqual(self.control(do="state")["launched"], launched)
        finally:
            self.assertEqual(self.berthd.stop(), 0)
        self.assertEqual(self.control(do="state")["frameworks"], {}, "teardown_on_exit")

    def test_no_activation_is_lost_when_leaders_change(self):
        self.start()
        try:
            self.put()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                futures = [pool.submit(self.invoke, i=i) for i in range(40)]
                for _ in range(3):
                    self.control(do="leader_change", pause=0.2)
                self.assertEqual(sorted(f.result()["i"] for f in futures), list(range(40)))
        finally:
            self.assertEqual(self.berthd.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
