# SPDX-License-Identifier: Apache-2.0
"""Namespaces, keys, containers: what the administrator does."""
import http.client
import json
import os
import re
import shutil
import stat
import time

import case


class Administration(case.Case):
    def run_cli(self, *arguments, code=0):
        run = self.cli(*arguments)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def create(self):
        source = self.work / "f.py"
        source.write_text(case.SLEEPER)
        self.run_cli("action", "create", "f", str(source))

    def test_a_backup_can_be_put_in_the_place_of_the_store(self):
        process = self.start()
        self.create()
        self.run_cli("action", "invoke", "f", "-r")
        copy = self.work / "copy.db"
        self.assertIn(f"wrote {copy}", self.run_cli("admin", "backup", str(copy)))
        self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)
        self.assertIn("exists", self.run_cli("admin", "backup", str(copy), code=6))
        self.assertIn("no damage found", self.run_cli("admin", "check"))
        self.assertIn("no damage found", self.run_cli("admin", "check", str(copy)))
        self.run_cli("action", "delete", "f")
        self.end(process)
        shutil.move(copy, self.data / "berth.db")
        for name in ("berth.db-wal", "berth.db-shm"):
            (self.data / name).unlink(missing_ok=True)
        self.start()
        self.assertIn('"slept": true', self.run_cli("action", "invoke", "f", "-r"))

    def test_a_namespace_has_limits_of_its_own(self):
        self.start()
        self.create()
        self.assertIn("has no limits of its own", self.run_cli("namespace", "limits", "guest"))
        self.assertIn("invocationsPerMinute", self.run_cli("namespace", "limits", "guest", "invocationsPerMinute=2"))
        for _ in range(2):
            self.run_cli("action", "invoke", "f", "-r")
        refused = self.cli("action", "invoke", "f", "-r")
        self.assertIn("Too many requests in the last minute (count: 3, allowed: 2).", refused.stderr)
        self.run_cli("namespace", "limits", "guest", "invocationsPerMinute=none", "allowedKinds=native:1")
        self.assertIn("not authorized to access actions of kind", self.cli("action", "invoke", "f", "-r").stderr)
        self.assertIn("is no limit of a namespace", self.cli("namespace", "limits", "guest", "speed=1").stderr)
        self.run_cli("namespace", "limits", "guest", "allowedKinds=none")
        self.run_cli("action", "invoke", "f", "-r")

    def test_a_trace_shows_the_phases(self):
        self.start()
        self.create()
        self.run_cli("action", "invoke", "f")
        limit = time.monotonic() + case.PATIENCE
        while self.cli("activation", "trace", "--last").returncode != 0:
            self.assertLess(time.monotonic(), limit, self.log())
            time.sleep(0.05)
        shown = self.run_cli("activation", "trace", "--last")
        for word in ("queue", "mark", "init", "run", "cold", "guest/f", "transaction"):
            self.assertIn(word, shown)


class Containers(case.Case):
    def test_list_and_stats(self):
        self.start()
        source = self.work / "f.py"
        source.write_text(case.SLEEPER)
        self.assertEqual(self.cli("action", "create", "f", str(source)).returncode, 0)
        self.assertEqual(self.cli("action", "invoke", "f", "-r").returncode, 0)
        listed = self.cli("container", "list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertRegex(listed.stdout, r"(?m)^NAME +STATE")
        self.assertRegex(listed.stdout, r"(?m)^berth-berth-1 +ready +python.* +256 MB .* guest +guest/f ")
        none = self.cli("container", "list", "--state", "paused")
        self.assertEqual(len(none.stdout.splitlines()), 1)
        stats = json.loads(self.cli("--json", "container", "stats").stdout)
        self.assertEqual(stats["states"]["ready"], 1)
        self.assertEqual(stats["memory_used_bytes"], 256 << 20)
        self.assertEqual(stats["queue"], 0)

    def test_what_a_container_uses_is_shown(self):
        self.start("--set", "containers.stats_interval=100ms")
        source = self.work / "f.py"
        source.write_text("kept = []\n"
                          "def main(args):\n    kept.append(bytearray(b'x') * (80 << 20))\n    return {}\n")
        self.assertEqual(self.cli("action", "create", "f", str(source)).returncode, 0)
        self.assertEqual(self.cli("action", "invoke", "f", "-r").returncode, 0)
        capable = json.loads(self.cli("--json", "status").stdout)["containers"]
        if not (capable["memory_enforced"] and capable["pids_enforced"] and capable["cpu_enforced"]):
            if os.environ.get("BERTH_REQUIRE_ALL") == "1":
                self.fail(capable["detail"])
            self.skipTest(capable["detail"])
        [container] = json.loads(self.cli("--json", "container", "list").stdout)
        usage = container["usage"]
        self.assertEqual(usage["memory_limit_bytes"], 256 << 20)
        self.assertGreater(usage["memory_bytes"], 80 << 20)
        self.assertLess(usage["memory_bytes"], 256 << 20)
        self.assertGreater(usage["pids"], 0)
        self.assertGreater(usage["cpu_ms"], 0)
        self.assertRegex(self.cli("container", "list").stdout, r"(?m)^berth-berth-1 .* 256 MB +\d+ MB +\d")
        total = json.loads(self.cli("--json", "container", "stats").stdout)["usage"]
        self.assertEqual(total["containers"], 1)
        self.assertGreater(total["memory_bytes"], 80 << 20)
        limit = time.monotonic() + case.PATIENCE
        while True:
            found = dict(re.findall(r"(?m)^(berth_containers_\w+) (\S+)$", self.metrics()))
            if float(found.get("berth_containers_memory_used_bytes", 0)) > 80 << 20:
                break
            self.assertLess(time.monotonic(), limit, found)
            time.sleep(0.05)
        self.assertGreater(float(found["berth_containers_cpu_seconds_total"]), 0)
        self.assertGreater(float(found["berth_containers_processes"]), 0)

    def metrics(self):
        connection = http.client.HTTPConnection(*self.address(), timeout=case.PATIENCE)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def test_a_prewarmed_container_is_given_the_memory_of_an_action(self):
        self.start("--set", "containers.prewarm=true")
        limit = time.monotonic() + case.PATIENCE
        while True:
            stats = json.loads(self.cli("--json", "container", "stats").stdout)
            if stats["prewarming"] and all(one["ready"] >= one["wanted"] for one in stats["prewarming"]):
                break
            self.assertLess(time.monotonic(), limit, stats)
            time.sleep(0.05)
        source = self.work / "f.py"
        source.write_text("def main(args):\n    kept = bytearray(b'x') * (300 << 20)\n    return {'bytes': len(kept)}\n")
        self.assertEqual(self.cli("action", "create", "f", str(source), "--memory", "512").returncode, 0)
        run = self.cli("action", "invoke", "f", "-r")
        self.assertIn(str(300 << 20), run.stdout, run.stderr + self.log())
        [container] = [one for one in json.loads(self.cli("--json", "container", "list").stdout) if one["action"]]
        self.assertEqual(container["memory_bytes"], 512 << 20)
        self.assertRegex(self.metrics(), r"(?m)^berth_container_resizes_total 1$")
        self.assertRegex(self.metrics(), r'(?m)^berth_container_starts_total\{kind="prewarmed"\} 1$')
