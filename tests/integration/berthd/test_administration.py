# SPDX-License-Identifier: Apache-2.0
"""Namespaces, keys, containers: what the administrator does."""
import json
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
        self.assertRegex(listed.stdout, r"(?m)^berth-berth-1 +ready +python.* +256 MB +guest +guest/f ")
        none = self.cli("container", "list", "--state", "paused")
        self.assertEqual(len(none.stdout.splitlines()), 1)
        stats = json.loads(self.cli("--json", "container", "stats").stdout)
        self.assertEqual(stats["states"]["ready"], 1)
        self.assertEqual(stats["memory_used_bytes"], 256 << 20)
        self.assertEqual(stats["queue"], 0)
