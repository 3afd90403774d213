# SPDX-License-Identifier: Apache-2.0
"""The API beside a plain warm invocation: sequences by the step, web actions, entities and their lists."""
import http.client
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time

from invoke_bench import HELLO, Berthd, http as request

STEPS = 10
MANY = 100_000
WRITERS = 16
WRITE_SECONDS = 1.0


def cli(build, berthd, *arguments):
    subprocess.run([build / "bin/berth", *arguments], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, BERTH_DATA_DIR=str(berthd.data)))


def load(build, work, berthd, rounds, arms):
    """bench_invoke's figures of each arm: name -> (method, path, body)."""
    arguments = []
    for name, (method, path, body) in arms.items():
        file = work / f"{name}.http"
        file.write_bytes(request(method, path, "berthd", {"Authorization": berthd.authorization}, body))
        arguments += [name, berthd.address, file]
    run = subprocess.run([build / "bench/bench_invoke", str(rounds), "300", *map(str, arguments)],
                         check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(run.stdout)
    for name, arm in figures.items():
        if arm["failures"]:
            raise RuntimeError(f"{name}: {arm['failures']} requests were not answered with 2xx")
    return figures


def write_entities(berthd, turn):
    """New actions a second, by WRITERS connections."""
    host, port = berthd.address.removeprefix("tcp://").rsplit(":", 1)
    headers = {"Authorization": berthd.authorization, "Content-Type": "application/json"}
    body = json.dumps({"exec": {"kind": "native:1", "code": "IyEvYmluL3NoCg=="}})
    end = time.monotonic() + WRITE_SECONDS
    written = [0] * WRITERS
    wrong = []

    def work(number):
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        while time.monotonic() < end:
            path = f"/api/v1/namespaces/_/actions/w{turn}-{number}-{written[number]}"
            connection.request("PUT", path, body, headers)
            reply = connection.getresponse()
            text = reply.read()
            if reply.status != 200:
                wrong.append(text)
                return
            written[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"an action was not written: {wrong[0]}")
    return sum(written) / (time.monotonic() - begun)


def commit_rows(directory):
    """The floor of a write: rows a second that SQLite alone commits to the same disk, one at a time."""
    with tempfile.TemporaryDirectory(dir=directory) as work:
        base = sqlite3.connect(pathlib.Path(work) / "floor.db", isolation_level=None)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("CREATE TABLE rows(name TEXT PRIMARY KEY, body TEXT)")
        begun = time.monotonic()
        count = 0
        while time.monotonic() - begun < WRITE_SECONDS:
            base.execute("INSERT INTO rows VALUES(?, ?)", (str(count), "x" * 600))
            count += 1
        rate = count / (time.monotonic() - begun)
        base.close()
        return rate


def fill(berthd):
    """Copies of one action under other names; berthd is not running."""
    base = sqlite3.connect(berthd.data / "berth.db")
    base.execute(
        """INSERT INTO actions(path, namespace, package, updated, body, code)
           WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
           SELECT 'guest/copy-' || n, namespace, package, updated + n,
                  replace(body, '"name":"echo"', '"name":"copy-' || n || '"'), ''
           FROM actions, numbers WHERE path = 'guest/echo'""", (MANY,))
    base.commit()
    base.close()


def measure(build, work, rounds):
    code = work / "exec"
    code.write_bytes((build / "bench/echo_function").read_bytes())
    os.chmod(code, 0o755)
    berthd = Berthd(build, work, code)
    payload = json.dumps(HELLO).encode()
    actions = "/api/v1/namespaces/_/actions"
    asked = "?blocking=true&result=true"
    try:
        cli(build, berthd, "action", "create", "steps", "--sequence", ",".join(["echo"] * STEPS))
        cli(build, berthd, "action", "create", "web", str(code), "--kind", "native:1", "--web", "yes", "--logsize", "0")
        first = load(build, work, berthd, rounds, {
            "invoke": ("POST", f"{actions}/echo{asked}", payload),
            "sequence": ("POST", f"{actions}/steps{asked}", payload),
            "web": ("POST", "/api/v1/web/guest/default/web.json", payload),
            "ping": ("GET", "/ping", None),
            "read": ("GET", f"{actions}/echo?code=false", None),
        })
        writes, commits = [], []
        for turn in range(max(rounds // 3, 1)):
            writes.append(write_entities(berthd, turn))
            commits.append(commit_rows(work))
    finally:
        berthd.stop()
    fill(berthd)
    berthd = Berthd(build, work, code)
    try:
        many = load(build, work, berthd, rounds, {
            "list": ("GET", f"{actions}?limit=30", None),
            "list_far": ("GET", f"{actions}?limit=30&skip={MANY // 2}", None),
            "ping": ("GET", "/ping", None),
        })
    finally:
        berthd.stop()
    return rows(first, many, statistics.median(writes), statistics.median(commits))


def rows(first, many, writes, commits):
    def row(metric, value, unit, reference, ratio):
        return {"bench": "api", "metric": metric, "value": value, "unit": unit, "reference": reference, "ratio": ratio}

    plain = first["invoke"]
    per_step = first["sequence"]["p50_us"] / STEPS
    warm = "a plain warm invocation"
    ping = "GET /ping of the same berthd"
    return [
        row("invoke_p50", plain["p50_us"], "us", None, None),
        row("invoke_rps", plain["rps"], "1/s", None, None),
        row("sequence_step_p50", per_step, "us", warm, per_step / plain["p50_us"]),
        row("sequence_step_rps", first["sequence"]["rps"] * STEPS, "1/s", warm,
            first["sequence"]["rps"] * STEPS / plain["rps"]),
        row("web_p50", first["web"]["p50_us"], "us", warm, first["web"]["p50_us"] / plain["p50_us"]),
        row("web_rps", first["web"]["rps"], "1/s", warm, first["web"]["rps"] / plain["rps"]),
        row("read_p50", first["read"]["p50_us"], "us", ping, first["read"]["p50_us"] / first["ping"]["p50_us"]),
        row("read_rps", first["read"]["rps"], "1/s", ping, first["read"]["rps"] / first["ping"]["rps"]),
        row("write_rps", writes, "1/s", "SQLite alone, one commit a row, on the same disk", writes / commits),
        row("list_100k_p50", many["list"]["p50_us"], "us", ping, many["list"]["p50_us"] / many["ping"]["p50_us"]),
        row("list_100k_far_p50", many["list_far"]["p50_us"], "us", ping,
            many["list_far"]["p50_us"] / many["ping"]["p50_us"]),
    ]
