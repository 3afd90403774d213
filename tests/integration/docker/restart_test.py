#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine goes away under load and comes back: nothing that was accepted is lost. Run by
with_engine.py, with and without --live-restore.

    restart_test.py BIN_DIRECTORY [--live-restore]
"""

import concurrent.futures
import os
import sys
import threading
import time
import unittest

import docker_berthd
from docker_berthd import DockerTest

SLEEPER = """
import time
def main(args):
  time.sleep(args.get("s", 0))
  return {"i": args["i"]}
"""
CLIENTS = 4
# With live-restore containers outlive the engine; else a starting engine ends what ran.
live_restore = False


class Restart(DockerTest):
    def setUp(self):
        super().setUp()
        self.start(settings=["containers.memory=1024MB"])
        self.put_python(SLEEPER, limits={"memory": 128})
        self.succeeds(self.invoke({"i": 0}), {"i": 0})

    def load(self, pool, count, done):
        def one(i):
            record = self.invoke({"i": i, "s": 0.05})
            done[i] = record
            return record
        return [pool.submit(one, i) for i in range(count)]

    def wait_for(self, done, count):
        end = time.monotonic() + docker_berthd.PATIENCE
        while len(done) < count:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def under_load(self, away):
        """`away` takes the engine away and brings it back while clients invoke."""
        count, done = 80, {}
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            futures = self.load(pool, count, done)
            self.wait_for(done, 10)
            away()
            for future in futures:
                future.result()
        good = [i for i, record in done.items() if record["response"]["result"] == {"i": i}]
        bad = {i: record["response"] for i, record in done.items() if i not in good}
        for response in bad.values():
            # It ran when its container ended, or in one whose files were going; Berth does not run a thing
            # twice. What had not begun is another matter: it must find another container.
            self.assertEqual(response["status"], "action developer error", bad)
        # An engine that stops ends what runs, and perhaps once more what was started meanwhile.
        self.assertLessEqual(len(bad), 0 if live_restore else 2 * CLIENTS, bad)
        self.succeeds(self.invoke({"i": count}), {"i": count})

    def test_killed_and_started(self):
        def away():
            self.engine.kill()
            time.sleep(0.5)
            self.engine.start()
        self.under_load(away)

    def test_stopped_and_started(self):
        def away():
            self.engine.stop()
            self.engine.start()
        self.under_load(away)

    def test_starts_wait_for_the_engine(self):
        """A function that needs a new container while there is no engine runs when it is back."""
        self.put_python("def main(args): return {'late': True}", "late", limits={"memory": 128})
        self.engine.kill()
        record = {}
        waiting = threading.Thread(target=lambda: record.update(self.invoke(name="late")))
        waiting.start()
        time.sleep(3)
        self.engine.start()
        waiting.join()
        self.succeeds(record, {"late": True})

    def test_containers_of_before_do_not_stay(self):
        """What died with the engine is removed from it; with live-restore it goes on working."""
        before = {c["Id"] for c in self.engine.containers()}
        self.assertTrue(before)
        self.engine.kill()
        self.engine.start()
        self.succeeds(self.invoke({"i": 1}), {"i": 1})
        end = time.monotonic() + docker_berthd.PATIENCE
        while True:
            stopped = [c for c in self.engine.containers() if c["State"] != "running" and c["State"] != "paused"]
            if not stopped:
                break
            self.assertLess(time.monotonic(), end, stopped)
            time.sleep(0.1)
        if live_restore:
            self.assertTrue(before & {c["Id"] for c in self.engine.containers()})


if __name__ == "__main__":
    docker_berthd.bin_dir = os.path.abspath(sys.argv.pop(1))
    if "--live-restore" in sys.argv:
        sys.argv.remove("--live-restore")
        live_restore = True
    unittest.main(verbosity=2)
