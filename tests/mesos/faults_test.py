#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""berthd on a cluster where everything fails in random order, berthd too: leaders change, streams break or fall
silent, agents go and come back, updates are lost, doubled and late, tasks end, and kill -9. Each accepted
activation ends in exactly one record, none runs twice, and in the end the cluster runs what berthd lists.

    faults_test.py PROTO_DIRECTORY BIN_DIRECTORY

BERTH_FAULTS=N: so many faults instead of 12; BERTH_SEED=N repeats a run's choices.
"""

import collections
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../fault")]

from daemon import PATIENCE, Daemon, Witness  # noqa: E402
from load import Load  # noqa: E402
from with_simulator import Simulator  # noqa: E402

PROTO, BIN = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
FAULTS = int(os.environ.get("BERTH_FAULTS", "12"))
AGENTS = 3
CLIENTS = 3
BACKLOG = 30
ALIVE = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
CONFIG = """
[containers]
memory = "2GB"
api_host = "http://berth"
[plugin.mesos]
masters = {masters}
kill_grace = "0ms"
kill_retry = "500ms"
unreachable_after = "300ms"
missed_heartbeats = 2
backoff_max = "500ms"
offer_hold = "300ms"
offer_refuse = "300ms"
reconcile_interval = "3s"
"""


class Cluster(Daemon):
    """Daemon whose containers are the simulator's tasks."""

    def __init__(self, work, simulator):
        config = work / "berth.toml"
        config.write_text(CONFIG.format(masters=json.dumps(simulator.masters)))
        super().__init__(BIN, work, ["containers.plugin=mesos"])
        self.config = config

    def options(self):
        return ["--config", self.config]

    def listed(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        environment["BERTH_DATA_DIR"] = str(self.data)
        run = subprocess.run([self.bin / "berth", "container", "list", "--json"], env=environment,
                             capture_output=True, text=True, timeout=PATIENCE, check=True)
        return json.loads(run.stdout)


class Faults(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bth-mf-"))
        self.addCleanup(shutil.rmtree, self.work, True)
        self.simulator = Simulator(PROTO, "--run", "processes", "--bin-dir", str(BIN), "--share-ports", "--agents",
                                   str(AGENTS), "--masters", "3", "--heartbeat", "1", "--ports", "200")
        self.addCleanup(self.simulator.close)
        self.daemon = Cluster(self.work, self.simulator)
        self.addCleanup(self.daemon.stop)

    def control(self, **command):
        with urllib.request.urlopen(self.simulator.control, data=json.dumps(command).encode()) as reply:
            return json.load(reply)

    def rows(self, sql):
        database = sqlite3.connect(self.work / "data/berth.db", timeout=PATIENCE)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def wait_until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, self.daemon.log())
            time.sleep(0.1)

    def wait_for_queue(self, at_most=0):
        self.wait_until(lambda: self.rows("SELECT count(*) FROM work")[0][0] <= at_most)

    def repair(self):
        self.control(do="faults", drop=0, duplicate=0, delay=0)
        for number in range(AGENTS):
            self.control(do="agent_back", number=number)

    def alive(self):
        return sorted(name for name, task in self.control(do="state")["tasks"].items() if task["state"] in ALIVE)

    def fault(self, chance):
        number = chance.randrange(AGENTS)
        what = chance.choice([
            {"do": "leader_change", "pause": 0.05}, {"do": "cut"}, {"do": "silence"},
            {"do": "agent_lost", "number": number}, {"do": "agent_gone", "number": number}, {"do": "rescind"},
            {"do": "forget_offers"}, {"do": "faults", "drop": 0.1, "duplicate": 0.3, "delay": 0.1}, {"do": "end_task"},
            {"do": "kill"}, {"do": "kill"}])
        if what["do"] != "kill":
            self.control(**what)
        return what["do"]

    def test_nothing_is_lost_leaked_or_doubled(self):
        seed = int(os.environ.get("BERTH_SEED", time.time_ns() % 1_000_000))
        chance = random.Random(seed)
        print(f"seed {seed}, {FAULTS} faults", flush=True)
        witness = Witness()
        self.addCleanup(witness.close)
        self.daemon.start()
        for action in range(3):
            self.daemon.create(f"a{action}")

        def choose(chance):
            return f"a{chance.randrange(3)}", {"seconds": chance.choice([0, 0, 0.01, 0.1]), "port": witness.port}

        accepted, done = [], collections.Counter()
        for number in range(FAULTS):
            load = Load(self.daemon, seed + 1000 * number, CLIENTS, choose)
            time.sleep(0.3 * chance.random())
            kind = self.fault(chance)
            done[kind] += 1
            time.sleep(0.3 * chance.random())
            if kind == "kill":
                self.daemon.kill()
                load.join()
                self.daemon.start()
            else:
                load.end()
            self.assertEqual(load.odd, [], f"seed {seed}")
            accepted += load.accepted
            if chance.random() < 0.5:
                self.repair()
            # The backlog of many rounds must not become the test's length.
            if len(accepted) > BACKLOG and chance.random() < 0.3:
                self.repair()
                self.wait_for_queue(BACKLOG)
        self.repair()
        self.wait_for_queue()

        records = {row[0].hex() for row in self.rows("SELECT id FROM activations")}
        self.assertGreater(len(accepted), FAULTS, "the load was no load")
        self.assertEqual(len(accepted), len(set(accepted)))
        self.assertEqual([key for key in accepted if key not in records], [], f"seed {seed}: lost")
        ran = witness.counts()
        self.assertEqual([key for key, times in ran.items() if times > 1], [], f"seed {seed}: ran twice")
        self.assertEqual([key for key in ran if key not in records], [], f"seed {seed}: ran and have no record")
        # What berthd lists is what runs, each once.
        listed = []

        def same():
            listed[:] = sorted(one["id"] for one in self.daemon.listed())
            return listed == self.alive()
        self.wait_until(same)
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual(len(self.control(do="state")["frameworks"]), 1, f"seed {seed}: one framework all the time")
        print(f"{dict(done)}: {len(accepted)} accepted, {len(records)} recorded, {len(ran)} ran, "
              f"{len(listed)} containers in the end", flush=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
