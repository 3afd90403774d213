#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of berthd at random points under load: each accepted activation ends in exactly one record.

Usage: kill_berthd_test.py BIN_DIRECTORY [unittest's arguments]
BERTH_KILLS=N: so many kills instead of 12; BERTH_SEED=N repeats a run's choices.

What was accepted (a 202 named it), what is stored (records) and what ran (each run of the function tells a listener
of this process) are compared in the end.
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time
import unittest

from daemon import PATIENCE, STEP, Daemon, Witness
from load import Load

BIN = None
KILLS = int(os.environ.get("BERTH_KILLS", "12"))
CLIENTS = 6
BACKLOG = 300
INTERRUPTED = "The activation was interrupted because Berth stopped while it was running."


def choose(port):
    def one(chance):
        return chance.choice(["a0", "a1", "a2", "s"]), {"seconds": chance.choice([0, 0, 0, 0.005, 0.05]), "port": port}
    return one


class Kill(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bth-"))
        self.addCleanup(shutil.rmtree, self.work, True)
        self.daemon = Daemon(BIN, self.work, ["containers.memory=768MB", "plugin.process.network=host"])
        self.addCleanup(self.daemon.stop)

    def rows(self, sql):
        database = sqlite3.connect(self.work / "data/berth.db", timeout=PATIENCE)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def records(self):
        return {row[0].hex(): row[1:] for row in
                self.rows('SELECT id, outcome, "end", result, name, cause, logs FROM activations')}

    def wait_for_queue(self, at_most=0):
        """Until no more than that are accepted without a record."""
        end = time.monotonic() + PATIENCE
        while True:
            left = self.rows("SELECT count(*) FROM work")[0][0]
            if left <= at_most:
                return
            self.assertLess(time.monotonic(), end, f"{left} rows are left\n{self.daemon.log()}")
            time.sleep(0.1)

    def test_no_accepted_activation_is_lost_or_doubled(self):
        seed = int(os.environ.get("BERTH_SEED", time.time_ns() % 1_000_000))
        chance = random.Random(seed)
        print(f"seed {seed}, {KILLS} kills", flush=True)
        accepted, seen = [], {}
        witness = Witness()
        self.addCleanup(witness.close)
        self.daemon.start()
        for action in range(3):
            self.daemon.create(f"a{action}")
        self.daemon.create("step", STEP)
        self.daemon.create_sequence("s", ["step", "step"])
        settings = self.daemon.settings
        for round_number in range(KILLS):
            # The next start has threads for HTTP of its own, or the last one had.
            self.daemon.settings = [*settings, f"http.threads={(round_number + 1) % 2 * 2}"]
            load = Load(self.daemon, seed + 1000 * round_number, CLIENTS, choose(witness.port))
            # Some at once, some while containers start, some in full flight.
            time.sleep(chance.choice([0.0, 0.05, 0.2, 0.5, 1.0]) * chance.random())
            before = self.records()
            time.sleep(0.05 * chance.random())
            self.daemon.kill()
            load.join()
            self.assertEqual(load.odd, [], f"seed {seed}")
            accepted += load.accepted
            seen.update({key: value for key, value in before.items() if key not in seen})
            self.daemon.start()
            if chance.random() < 0.2:
                # A kill in the middle of the recovery.
                time.sleep(0.05 * chance.random())
                self.daemon.kill()
                self.daemon.start()
            # More is accepted than can run: many rounds must not end in hours of waiting.
            self.wait_for_queue(BACKLOG)
        self.wait_for_queue()
        records = self.records()
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        ran = witness.counts()

        self.assertGreater(len(accepted), KILLS, "the load was no load")
        self.assertEqual(len(accepted), len(set(accepted)))
        lost = [key for key in accepted if key not in records]
        self.assertEqual(lost, [], f"seed {seed}: {len(lost)} of {len(accepted)} are lost")
        doubled = [key for key, times in ran.items() if times > 1]
        self.assertEqual(doubled, [], f"seed {seed}: ran twice")
        unknown = [key for key in ran if key not in records]
        self.assertEqual(unknown, [], f"seed {seed}: ran and have no record")
        changed = [key for key, value in seen.items() if records.get(key) != value]
        self.assertEqual(changed, [], f"seed {seed}: records were written twice")
        interrupted = 0
        for key, (outcome, _, result, name, cause, logs) in records.items():
            if outcome == 0 and name == "s":
                steps = json.loads(result)["ids"]
                self.assertEqual(json.loads(logs), steps)
                self.assertEqual([records[step][0] for step in steps], [0, 0])
                self.assertEqual([records[step][4] for step in steps], [key, key])
            elif outcome == 0:
                self.assertIn(key, result)
                self.assertEqual(ran.get(key), 1, f"seed {seed}: {key} has a result and did not run")
                self.assertEqual(name == "step", cause != "")
            else:
                self.assertIn(INTERRUPTED, result, f"seed {seed}: {records[key]}")
                interrupted += 1
        print(f"{len(accepted)} accepted, {len(records)} recorded, {len(ran)} ran, {interrupted} interrupted, "
              f"0 lost, 0 doubled", flush=True)

    def test_an_orderly_stop_leaves_the_queue_to_the_next_start(self):
        self.daemon.settings = ["containers.memory=256MB", "limits.memory_max=256MB", "shutdown.grace=20s"]
        self.daemon.start()
        self.daemon.create("a0")
        ids = [self.daemon.api("POST", "/actions/a0", {"seconds": 0.3})[2]["activationId"] for _ in range(12)]
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        done = self.records()
        self.assertLess(len(done), len(ids), "all ran before the stop")
        for key in done:
            self.assertEqual(done[key][0], 0, done[key])
        self.daemon.start()
        self.wait_for_queue()
        records = self.records()
        self.assertEqual(sorted(records), sorted(ids))
        self.assertEqual({value[0] for value in records.values()}, {0})

    def test_a_blocking_call_that_became_a_202_is_recorded_after_a_kill(self):
        self.daemon.settings = ["limits.blocking_wait=200ms"]
        self.daemon.start()
        self.daemon.create("a0")
        status, _, answer = self.daemon.api("POST", "/actions/a0?blocking=true", {"seconds": 30})
        self.assertEqual(status, 202, answer)
        self.daemon.kill()
        self.daemon.start()
        self.wait_for_queue()
        self.assertIn(INTERRUPTED, self.records()[answer["activationId"]][2])


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
