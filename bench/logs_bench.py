# SPDX-License-Identifier: Apache-2.0
"""What keeping logs adds to an activation: the same function printing the same bytes, once with its logs kept by
the file store and once with the log limit 0. One connection, 20 ms apart, so that it is latency and not how much
the machine can do; the difference of the medians."""
import json
import os
import subprocess

import invoke_bench

SIZES = {"0": 0, "1k": 1000, "1m": 1_000_000}


def measure(build, work, rounds):
    code_file = work / "exec"
    code_file.write_bytes((build / "bench/talker").read_bytes())
    os.chmod(code_file, 0o755)
    # Room for all: nobody waits for another's container.
    berthd = invoke_bench.Berthd(build, work, code_file, ['containers.memory="16GB"'])
    environment = dict(os.environ, BERTH_DATA_DIR=str(berthd.data))
    arms = []
    try:
        for limit, name in (("0", "quiet"), ("10", "kept")):
            subprocess.run([build / "bin/berth", "action", "create", name, code_file, "--kind", "native:1"],
                           check=True, env=environment, stdout=subprocess.DEVNULL)
            subprocess.run([build / "bin/berth", "action", "update", name, "--logsize", limit],
                           check=True, env=environment, stdout=subprocess.DEVNULL)
            for size, count in SIZES.items():
                request = work / f"{name}-{size}.http"
                request.write_bytes(invoke_bench.http(
                    "POST", f"/api/v1/namespaces/_/actions/{name}?blocking=true&result=true", "berthd",
                    {"Authorization": berthd.authorization}, json.dumps({"bytes": count}).encode()))
                arms += [f"{name}-{size}", berthd.address, request]
        run = subprocess.run([build / "bench/bench_invoke", str(rounds), "800,20", *map(str, arms)],
                             check=True, stdout=subprocess.PIPE, text=True)
    finally:
        berthd.stop()
    found = json.loads(run.stdout)
    failures = sum(arm["failures"] for arm in found.values())
    if failures:
        raise RuntimeError(f"{failures} requests were not answered with 200")
    result = []
    for size in SIZES:
        quiet, kept = (found[f"{name}-{size}"]["p50_us"] for name in ("quiet", "kept"))
        result.append({"bench": "logs", "metric": f"added_p50_{size}", "value": kept - quiet, "unit": "us",
                       "reference": "the same output, log limit 0", "ratio": kept / quiet})
    return result
