# SPDX-License-Identifier: Apache-2.0
"""http.threads: what threads of their own for HTTP cost one request, and what they leave to the pool's thread.

A machine with few cores shows the price only: client, function, berthd and the records' writer share them. What the
pool's thread needs for a request says how many a second it can do where there are cores enough.
"""
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

from invoke_bench import HELLO, Berthd, http as request

COUNTS = (0, 1, 2)
ACTIONS = 16


def requests_so_far(berthd):
    host, port = berthd.address.removeprefix("tcp://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return sum(float(count) for count in re.findall(r"^berth_api_requests_total\{.*?\} (\S+)$", text, re.M))


def pool_ns(berthd):
    """What the pool's thread, and what it made, had of a core."""
    tasks = pathlib.Path(f"/proc/{berthd.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks
               if (task / "comm").read_text().strip() == "berthd-pool")


def load(build, rounds, window, arms):
    """bench_invoke's figures of each arm: (name, berthd, files)."""
    arguments = [part for name, berthd, files in arms for part in (name, berthd.address, ",".join(map(str, files)))]
    run = subprocess.run([build / "bench/bench_invoke", str(rounds), window, *arguments], check=True,
                         stdout=subprocess.PIPE, text=True)
    figures = json.loads(run.stdout)
    for name, arm in figures.items():
        if arm["failures"]:
            raise RuntimeError(f"{name}: {arm['failures']} requests were not answered with 2xx")
    return figures


def pool_us(build, berthd, file):
    """A request's share of the time of the pool's thread."""
    requests, before = requests_so_far(berthd), pool_ns(berthd)
    load(build, 1, "500", [("load", berthd, [file])])
    return (pool_ns(berthd) - before) / 1000 / (requests_so_far(berthd) - requests)


def measure(build, work, rounds):
    code = work / "exec"
    code.write_bytes((build / "bench/echo_function").read_bytes())
    code.chmod(0o755)
    berthds, files = {}, {}
    try:
        for count in COUNTS:
            own = pathlib.Path(tempfile.mkdtemp(dir=work))
            berthd = berthds[count] = Berthd(build, own, code, [f"http.threads={count}", "containers.memory=8GB"])
            files[count] = []
            for number in range(ACTIONS):
                name = f"echo{number}"
                subprocess.run([build / "bin/berth", "action", "update", name, code, "--kind", "native:1", "--logsize",
                                "0", "--memory", "128"], check=True, stdout=subprocess.DEVNULL,
                               env=dict(os.environ, BERTH_DATA_DIR=str(berthd.data)))
                file = own / f"{name}.http"
                file.write_bytes(request("POST", f"/api/v1/namespaces/_/actions/{name}?blocking=true&result=true",
                                         "berthd", {"Authorization": berthd.authorization},
                                         json.dumps(HELLO).encode()))
                files[count].append(file)
        arms = [(f"one_{count}", berthds[count], files[count][:1]) for count in COUNTS]
        arms += [(f"many_{count}", berthds[count], files[count]) for count in COUNTS]
        figures = load(build, rounds, "300", arms)
        spent = {count: [] for count in COUNTS}
        for _ in range(rounds):
            for count in COUNTS:
                spent[count].append(pool_us(build, berthds[count], files[count][0]))
    finally:
        for berthd in berthds.values():
            berthd.stop()

    rows = []

    def row(metric, value, unit, reference, beside):
        rows.append({"bench": "threads", "metric": metric, "value": value, "unit": unit, "reference": reference,
                     "ratio": value / beside if reference else None})

    for count in COUNTS:
        none = None if count == 0 else "http.threads = 0"
        row(f"pool_thread_{count}", statistics.median(spent[count]), "us/req", none, statistics.median(spent[0]))
        row(f"p50_{count}", figures[f"one_{count}"]["p50_us"], "us", none, figures["one_0"]["p50_us"])
        row(f"rps_{count}", figures[f"one_{count}"]["rps"], "1/s", none, figures["one_0"]["rps"])
        row(f"one_action_rps_{count}", figures[f"one_{count}"]["rps"], "1/s", f"as many clients of {ACTIONS} actions",
            figures[f"many_{count}"]["rps"])
    return rows
