#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs benchmarks and prints one table of all of them; --json FILE writes the same as JSON.

Usage: run.py --build DIR [NAME...] [--json FILE] [--plugin NAME]... [--config FILE] [--rounds N] [--records N]
              [--report [FILE]]
Names: boundary, start, invoke, api, store, pool, logs (default: these), restart, threads, cluster, and container, which needs a Docker engine
($DOCKER_HOST) with Berth's images, as does start --plugin docker; logs have docker's where there is one. Every
value stands beside a reference that was measured in the same interleaved run.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import api_bench
import invoke_bench
import logs_bench
import report
import restart_bench
import store_bench
import threads_bench

HERE = pathlib.Path(__file__).resolve().parent


def call(program, *arguments):
    run = subprocess.run([program, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"bench: {program} failed with code {run.returncode}")
    return json.loads(run.stdout)


def boundary(options, build):
    return call(build / "bench/bench_boundary")


# Of the docker plugin each network; host has no other peer than the network's absence.
DOCKER_ARMS = [("docker_pooled_net", "pooled"), ("docker_bridge", "bridge"), ("docker_none", "none"),
               ("docker_host", "host")]


def engine():
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def container(options, build):
    arguments = ["--rounds", str(options.rounds or 9), "--bin", build / "bin", "--engine", engine()]
    for name in options.plugin or ["docker"]:
        arguments += ["--plugin", name]
    if options.config:
        arguments += ["--config", options.config]
    return call(build / "bin/bench_container", *arguments)


def start(options, build):
    arguments = ["--rounds", str(options.rounds or 200), "--bin", build / "bin"]
    for name in options.plugin or ["process"]:
        if name == "process":
            arguments += ["--process"]
        elif name == "docker":
            for label, network in DOCKER_ARMS:
                arguments += ["--arm", f"{label}=docker,network={network}"]
            arguments += ["--engine", engine(), "--own", name]
        else:
            arguments += ["--plugin", name]
    if options.config:
        arguments += ["--config", options.config]
    return call(build / "bin/bench_start", *arguments)


def invoke(options, build):
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as work:
        return invoke_bench.measure(build, pathlib.Path(work), options.rounds or 9)


def threads(options, build):
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as work:
        return threads_bench.measure(build, pathlib.Path(work), options.rounds or 5)


def api(options, build):
    # Beside the build, as the store's.
    with tempfile.TemporaryDirectory(prefix="berth-bench-", dir=build) as work:
        return api_bench.measure(build, pathlib.Path(work), options.rounds or 9)


def store(options, build):
    # Beside the build: a temporary directory may be in memory, and this is about a disk.
    with tempfile.TemporaryDirectory(prefix="berth-bench-", dir=build) as work:
        return store_bench.measure(build, pathlib.Path(work), options.rounds or 9, options.records)


def restart(options, build):
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as work:
        return restart_bench.measure(build, pathlib.Path(work), options.rounds or 5)


def pool(options, build):
    return call(build / "bench/bench_pool", str(options.rounds or 5))


def cluster(options, build):
    # Agents that only have states: what is measured is the scheduler, beside a client that does the least.
    simulator = subprocess.Popen(
        ["/usr/bin/python3", HERE.parent / "tests/mesos/simulator.py", "--proto", build / "plugins/mesos/generated",
         "--agents", "4", "--cpus", "4096", "--mem", "4194304", "--inspection", "11000"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        master = json.loads(simulator.stdout.readline())["masters"][0]
        return call(build / "bench/bench_cluster", master, str(options.rounds or 200))
    finally:
        simulator.stdin.close()
        simulator.wait()


def logs(options, build):
    rows = call(build / "bench/bench_logs", str(options.rounds or 5))
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as work:
        rows += logs_bench.measure(build, pathlib.Path(work), options.rounds or 5)
    if os.environ.get("DOCKER_HOST"):
        # Of the engine's logs: by the docker plugin beside `docker logs`.
        rows += [dict(row, bench="logs") for row in container(options, build) if "log" in row["metric"]]
    return rows


BENCHES = {"boundary": boundary, "start": start, "invoke": invoke, "api": api, "store": store, "pool": pool, "logs": logs,
           "restart": restart, "threads": threads, "container": container, "cluster": cluster}
# Run where nothing is named: what needs no Docker engine.
USUAL = ["boundary", "start", "invoke", "api", "store", "pool", "logs"]


def table(rows):
    print(f"\n{'bench':10} {'metric':26} {'value':>12} {'unit':8} {'ratio':>7}  reference")
    for row in rows:
        ratio = f"{row['ratio']:.2f}x" if row["ratio"] is not None else ""
        print(f"{row['bench']:10} {row['metric']:26} {row['value']:12.2f} {row['unit']:8} {ratio:>7}  "
              f"{row['reference'] or ''}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; default: {', '.join(USUAL)}")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, help="write the results to this file")
    parser.add_argument("--report", type=pathlib.Path, nargs="?", metavar="FILE",
                        const=HERE.parent / "docs/start.svg",
                        help="draw the starts (of `start`, which is then the default) as SVG; FILE: docs/start.svg")
    parser.add_argument("--plugin", action="append", help="start: a ContainerFactory to measure; repeatable")
    parser.add_argument("--config", type=pathlib.Path, help="start: berthd's configuration file")
    parser.add_argument("--records", type=int, help="store: records in the large store")
    parser.add_argument("--rounds", type=int, help="rounds of each arm")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench called {unknown[0]}; there are {', '.join(BENCHES)}")
    build = options.build.resolve()
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    rows = []
    for name in options.names or (["start"] if options.report else USUAL):
        print(f"== {name}", file=sys.stderr)
        rows += BENCHES[name](options, build)
    table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    if options.report:
        options.report.write_text(report.picture(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
