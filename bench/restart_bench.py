# SPDX-License-Identifier: Apache-2.0
"""A restart of berthd that has a hundred warm containers, beside one that has a single one.

A client invokes one of the actions again and again, over a new connection each time. Berthd gets SIGTERM, and as
soon as it has ended the next one is started on the same address: for how long the client got no answer is what is
told, and how many of the actions were started cold thereafter.
"""
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import threading
import time

import invoke_bench

CONTAINERS = 100
PATIENCE = 120
INVOKE = "/api/v1/namespaces/_/actions/{}?blocking=true&result=true"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prober(threading.Thread):
    """Asks until it is stopped; `outage` is the longest time between two answers."""

    def __init__(self, port, authorization):
        super().__init__(daemon=True)
        self.request = ("POST", INVOKE.format("f0"), "{}",
                        {"Authorization": authorization, "Content-Type": "application/json"})
        self.port = port
        self.stopping = threading.Event()
        self.answers = 0
        self.last = None
        self.outage = 0

    def run(self):
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.request(*self.request)
                good = connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                good = False
            finally:
                connection.close()
            if not good:
                time.sleep(0.0005)
                continue
            now = time.monotonic()
            if self.last is not None:
                self.outage = max(self.outage, now - self.last)
            self.last = now
            self.answers += 1

    def wait_for(self, more):
        target = self.answers + more
        limit = time.monotonic() + PATIENCE
        while self.answers < target:
            if time.monotonic() > limit:
                raise RuntimeError("berthd does not answer")
            time.sleep(0.001)


class House:
    """A data directory and the berthds on it, one after another."""

    def __init__(self, build, work, containers):
        self.build = build
        self.data = work / "data"
        self.port = free_port()
        self.names = [f"f{i}" for i in range(containers)]
        self.environment = dict(os.environ, BERTH_DATA_DIR=str(self.data))
        self.log = open(work / "berthd.log", "w", encoding="utf-8")
        self.start("detach")
        for name in self.names:
            subprocess.run([build / "bin/berth", "action", "update", name, work / "exec", "--kind", "native:1",
                            "--memory", "128", "--logsize", "0"], check=True, env=self.environment,
                           stdout=subprocess.DEVNULL)
        self.authorization = invoke_bench.authorization(self.data)

    def start(self, on_stop):
        self.process = subprocess.Popen(
            [self.build / "bin/berthd", "--data-dir", self.data, "--listen", f"127.0.0.1:{self.port}",
             "--set", "containers.prewarm=false", "--set", "containers.memory=65536MB",
             "--set", "containers.pause_grace=1h", "--set", f"containers.on_stop={on_stop}"],
            stderr=self.log, env=self.environment)
        limit = time.monotonic() + PATIENCE
        while not (self.data / "apihost").exists():
            if self.process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError("berthd did not start: " + self.log.name)
            time.sleep(0.0005)

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def invoke_all(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        for name in self.names:
            connection.request("POST", INVOKE.format(name), "{}",
                               {"Authorization": self.authorization, "Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read()
            if reply.status != 200:
                raise RuntimeError(f"{name} was answered {reply.status}: {text}")
        connection.close()

    def starts(self):
        """By kind."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {kind: float(value) for kind, value in
                re.findall(r'(?m)^berth_container_starts_total\{kind="(\w+)"\} (\S+)$', text)}


def one_restart(house):
    """Seconds without an answer, and the starts that were not warm."""
    house.invoke_all()
    prober = Prober(house.port, house.authorization)
    prober.start()
    try:
        prober.wait_for(50)
        prober.outage = 0
        house.stop()
        house.start("detach")
        prober.wait_for(50)
    finally:
        prober.stopping.set()
        prober.join()
    house.invoke_all()
    starts = house.starts()
    return prober.outage, sum(value for kind, value in starts.items() if kind != "warm")


def measure(build, work, rounds):
    program = (build / "bench/echo_function").read_bytes()
    houses = {}
    outages = {CONTAINERS: [], 1: []}
    cold = 0
    try:
        for containers in outages:
            folder = work / str(containers)
            folder.mkdir()
            (folder / "exec").write_bytes(program)
            (folder / "exec").chmod(0o755)
            houses[containers] = House(build, folder, containers)
        for _ in range(rounds):
            for containers, house in houses.items():
                outage, not_warm = one_restart(house)
                outages[containers].append(outage * 1000)
                cold += not_warm
    finally:
        for house in houses.values():
            house.stop()
            # The containers are left to a next one, which takes them along.
            house.start("kill")
            house.stop()
            house.log.close()
    many, few = (statistics.median(outages[containers]) for containers in (CONTAINERS, 1))
    return [{"bench": "restart", "metric": f"unavailable_{CONTAINERS}", "value": many, "unit": "ms",
             "reference": "the same restart with one warm container", "ratio": many / few},
            {"bench": "restart", "metric": "unavailable_1", "value": few, "unit": "ms", "reference": None,
             "ratio": None},
            {"bench": "restart", "metric": f"cold_starts_{CONTAINERS}", "value": cold, "unit": "count",
             "reference": None, "ratio": None}]
