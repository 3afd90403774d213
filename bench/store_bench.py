# SPDX-License-Identifier: Apache-2.0
"""The store: bench_store's own figures, and durable 202s a second of a whole berthd beside them."""
import base64
import json
import os
import subprocess

import invoke_bench


def measure(build, work, rounds, records):
    command = [build / "bench/bench_store", "--rounds", str(rounds), "--directory", work]
    if records:
        command += ["--records", str(records)]
    rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    enqueue = next(row["value"] for row in rows if row["metric"] == "enqueue_64")
    rows.append(accepted(build, work, rounds, enqueue))
    return rows


def accepted(build, work, rounds, enqueue):
    """Invocations that nobody waits for: what was answered 202 was on disk before."""
    program = (build / "bench/echo_function").read_bytes()
    code_file = work / "exec"
    code_file.write_bytes(program)
    os.chmod(code_file, 0o755)
    berthd = invoke_bench.Berthd(build, work, code_file, ["containers.queue_limit=10000000"])
    try:
        request = work / "accepted.http"
        request.write_bytes(invoke_bench.http(
            "POST", "/api/v1/namespaces/_/actions/echo", "berthd", {"Authorization": berthd.authorization},
            json.dumps({"name": "World", "text": "x" * 200}).encode()))
        run = subprocess.run([build / "bench/bench_invoke", str(rounds), "300", "berthd", berthd.address, request],
                             check=True, stdout=subprocess.PIPE, text=True)
    finally:
        berthd.stop()
    arm = json.loads(run.stdout)["berthd"]
    if arm["failures"]:
        raise RuntimeError(f"{arm['failures']} requests were not answered with 2xx")
    return {"bench": "store", "metric": "durable_202_rps", "value": arm["rps"], "unit": "1/s",
            "reference": "enqueue_64 of the same run", "ratio": arm["rps"] / enqueue}
