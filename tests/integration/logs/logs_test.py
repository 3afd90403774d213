#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Logs as users meet them: through berthd, with the file store and Splunk at once, and while they come.

Usage: logs_test.py BIN_DIRECTORY [unittest's arguments]
"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rest"))

from berthd_process import PATIENCE, Berthd  # noqa: E402
from splunk import TOKEN, Splunk  # noqa: E402

BIN = None

TALKER = """
import os, subprocess, sys, time
def main(args):
    for i in range(args.get("lines", 3)):
        print("line", i, flush=True)
        time.sleep(args.get("pause", 0))
    print("oops", file=sys.stderr)
    return {}
"""

NASTY = """
import os, subprocess, sys
def main(args):
    sys.stdout.buffer.write(b"nul\\x00 bell\\x07 bad\\xff utf\\n")
    sys.stdout.buffer.write(b"x" * 1000000 + b"\\n")
    sys.stdout.flush()
    subprocess.Popen(["/bin/sh", "-c", "echo from a child"]).wait()
    sys.stdout.write("no newline at the end")
    sys.stdout.flush()
    return {}
"""

# The child outlives the first run, in a session of its own.
DETACHED = """
import subprocess
begun = []
def main(args):
    if not begun:
        begun.append(subprocess.Popen(["/bin/sh", "-c", "sleep 0.3; echo late"], start_new_session=True))
    return {}
"""

FLOOD = """
import sys
def main(args):
    for _ in range(args["megabytes"]):
        sys.stdout.write(("x" * 99 + "\\n") * 10000)
    print("done", flush=True)
    return {}
"""


def stripped(lines):
    """Without times: "stdout: text"."""
    return [line[31:] for line in lines]


class Case(unittest.TestCase):
    def berthd(self, *settings):
        berthd = Berthd(BIN, "process", ["containers.prewarm=false", *settings])
        self.addCleanup(berthd.stop)
        return berthd

    def splunk(self):
        splunk = Splunk()
        self.addCleanup(splunk.stop)
        return splunk

    def create(self, berthd, code, name="talker", **more):
        reply = berthd.api("PUT", f"/actions/{name}?overwrite=true",
                           {"exec": {"kind": "python:default", "code": code}, **more})
        self.assertEqual(reply.status, 200, reply)

    def invoke(self, berthd, payload=None, name="talker"):
        reply = berthd.api("POST", f"/actions/{name}?blocking=true", payload or {})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["activationId"]

    def logs(self, berthd, activation):
        self.eventually(lambda: berthd.api("GET", f"/activations/{activation}").status == 200)
        reply = berthd.api("GET", f"/activations/{activation}/logs")
        self.assertEqual(reply.status, 200, reply)
        return reply.json["logs"]

    def eventually(self, is_so):
        end = time.monotonic() + PATIENCE
        while not is_so():
            self.assertLess(time.monotonic(), end, "it does not happen")
            time.sleep(0.02)

    @staticmethod
    def with_splunk(splunk, *more):
        return [f'plugin.splunk.hec_url="{splunk.url}"', f'plugin.splunk.hec_token="{TOKEN}"',
                f'plugin.splunk.search_url="{splunk.url}"', 'plugin.splunk.search_token="search-token"',
                "plugin.splunk.retry_max_ms=50", *more]


class OneStore(Case):
    def test_splunk_alone(self):
        splunk = self.splunk()
        berthd = self.berthd('logs.plugin="splunk"', *self.with_splunk(splunk))
        self.create(berthd, TALKER)
        self.comes_back(splunk, berthd)
        self.comes_after_an_outage(splunk, berthd)
        self.is_followed_to_its_end(berthd)

    def comes_back(self, splunk, berthd):
        activation = self.invoke(berthd)
        self.assertEqual(stripped(self.logs(berthd, activation)),
                         ["stdout: line 0", "stdout: line 1", "stdout: line 2", "stderr: oops"])
        self.eventually(lambda: splunk.state()["events"] == 4)
        self.assertEqual(stripped(self.logs(berthd, activation))[-1], "stderr: oops")
        self.assertGreater(splunk.state()["counts"]["searches"], 0)

    def comes_after_an_outage(self, splunk, berthd):
        before = splunk.state()["events"]
        splunk.faults(hec_status=503)
        activations = [self.invoke(berthd) for _ in range(5)]
        for activation in activations:
            self.assertEqual(len(self.logs(berthd, activation)), 4)
        self.assertEqual(splunk.state()["events"], before)
        splunk.faults()
        self.eventually(lambda: splunk.state()["events"] == before + 20)

    def is_followed_to_its_end(self, berthd):
        activation = self.invoke(berthd)
        self.logs(berthd, activation)
        run = berthd.cli("activation", "logs", "-f", "--strip", activation)
        self.assertEqual((run.returncode, run.stdout), (0, "line 0\nline 1\nline 2\noops\n"), run.stderr)

    def test_a_log_driver_says_where_the_logs_are(self):
        berthd = self.berthd('logs.plugin="log-driver"', 'plugin.log-driver.driver="none"',
                             'plugin.log-driver.link="https://logs.example/?id={activation}"')
        self.create(berthd, TALKER)
        activation = self.invoke(berthd)
        logs = self.logs(berthd, activation)
        self.assertEqual(len(logs), 1)
        self.assertIn(f"https://logs.example/?id={activation}", logs[0])


class SeveralStores(Case):
    def test_both_have_all_and_one_that_is_down_hurts_nobody(self):
        splunk = self.splunk()
        berthd = self.berthd('logs.plugins=["splunk","file"]', *self.with_splunk(splunk),
                             "plugin.splunk.attempts=1")
        self.create(berthd, TALKER)
        activation = self.invoke(berthd)
        self.assertEqual(len(self.logs(berthd, activation)), 4)
        self.eventually(lambda: splunk.state()["events"] == 4)
        splunk.stop()
        activation = self.invoke(berthd)
        self.assertEqual(len(self.logs(berthd, activation)), 4)
        own = pathlib.Path(berthd.data_dir) / "plugins/file"
        kept = "".join(path.read_text() for path in own.glob("*.jsonl"))
        self.assertEqual(kept.count('"log":"oops"'), 2)

    def test_two_stores_that_want_a_log_driver_are_refused(self):
        splunk = self.splunk()
        with self.assertRaises(RuntimeError) as refused:
            self.berthd('logs.plugins=["splunk","log-driver"]', *self.with_splunk(splunk),
                        'plugin.splunk.mode="docker-driver"', 'plugin.log-driver.driver="none"')
        self.assertIn("'splunk' and 'log-driver'", str(refused.exception))


class OneBerthd(Case):
    """Tests that share a berthd with the file store, each with an action of its own."""

    @classmethod
    def setUpClass(cls):
        cls.shared = Berthd(BIN, "process", ["containers.prewarm=false"])
        cls.addClassCleanup(cls.shared.stop)

    def action(self, code, **more):
        """The berthd, and the name of this test's action."""
        name = self.id().rsplit(".", 1)[-1]
        self.create(self.shared, code, name, **more)
        return self.shared, name


class Lines(OneBerthd):
    def test_nasty_output_is_shown_whole(self):
        berthd, name = self.action(NASTY)
        activation = self.invoke(berthd, name=name)
        lines = stripped(self.logs(berthd, activation))
        self.assertEqual(lines[0], "stdout: nul\x00 bell\x07 bad\ufffd utf")
        self.assertEqual(lines[1], "stdout: " + "x" * 1000000)
        self.assertEqual(lines[2:], ["stdout: from a child", "stdout: no newline at the end"])
        run = berthd.cli("activation", "logs", "-f", "--strip", activation)
        self.assertEqual(run.stdout.splitlines(), [line.removeprefix("stdout: ") for line in lines])
        # A line of a megabyte is matched as any other, and what follows a NUL is searched.
        for pattern in ("^x(x|y)*$", "bell.* utf$"):
            run = berthd.cli("activation", "grep", "-c", pattern, name)
            self.assertEqual((run.returncode, run.stdout), (0, "1\n"), run.stderr)

    def test_what_a_detached_child_prints_later_is_shown_with_what_runs_then(self):
        berthd, name = self.action(DETACHED)
        shown = []

        def is_there():
            shown.extend(self.logs(berthd, self.invoke(berthd, name=name)))
            return "stdout: late" in stripped(shown)
        self.eventually(is_there)
        self.assertEqual(stripped(shown).count("stdout: late"), 1)

    def test_a_hundred_megabytes_of_one_activation(self):
        """It is cut at the limit, or says what the container's buffer did not hold; the next one is whole."""
        berthd, name = self.action(FLOOD)
        shown = stripped(self.logs(berthd, self.invoke(berthd, {"megabytes": 100}, name)))
        self.assertLess(sum(len(line) - 7 for line in shown), 10 * 1024 * 1024 + 1000)
        self.assertTrue(any("Logs were truncated" in line or "Data might be missing" in line for line in shown[-2:]))
        shown = stripped(self.logs(berthd, self.invoke(berthd, {"megabytes": 0}, name)))
        self.assertEqual(shown, ["stdout: done"])

    def test_over_the_limit_logs_are_cut_with_openwhisks_words(self):
        berthd, name = self.action("def main(args):\n    print('x' * 2000000)\n    return {}\n", limits={"logs": 1})
        lines = stripped(self.logs(berthd, self.invoke(berthd, name=name)))
        self.assertEqual(lines[-1], "stderr: Logs were truncated because the total bytes size exceeds the limit "
                                    "of 1048576 bytes.")


class Tail(OneBerthd):
    def test_follow_shows_lines_of_an_activation_that_still_runs(self):
        berthd, name = self.action(TALKER)
        reply = berthd.api("POST", f"/actions/{name}", {"lines": 8, "pause": 0.25})
        self.assertEqual(reply.status, 202, reply)
        activation = reply.json["activationId"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        follower = subprocess.Popen([BIN / "berth", "activation", "logs", "-f", "--strip", activation],
                                    stdout=subprocess.PIPE, text=True,
                                    env=dict(environment, BERTH_DATA_DIR=berthd.data_dir))
        self.addCleanup(follower.stdout.close)
        watchdog = threading.Timer(PATIENCE, follower.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        first = follower.stdout.readline()
        self.assertEqual(first, "line 0\n")
        self.assertEqual(berthd.api("GET", f"/activations/{activation}").status, 404, "it still runs")
        rest = follower.stdout.read().splitlines()
        self.assertEqual(follower.wait(), 0)
        self.assertEqual(rest, [f"line {i}" for i in range(1, 8)] + ["oops"])

    def test_follow_of_an_ended_one_shows_it_and_ends(self):
        berthd, name = self.action(TALKER)
        activation = self.invoke(berthd, name=name)
        run = berthd.cli("activation", "logs", "-f", "--strip", activation)
        self.assertEqual((run.returncode, run.stdout), (0, "line 0\nline 1\nline 2\noops\n"), run.stderr)

    def test_another_namespace_cannot_follow(self):
        berthd, name = self.action(TALKER)
        activation = self.invoke(berthd, name=name)
        self.logs(berthd, activation)
        made = berthd.cli("--json", "namespace", "create", "other")
        self.assertEqual(made.returncode, 0, made.stderr)
        key = json.loads(made.stdout)["key"]
        for query in ("", "?follow=true&cursor="):
            reply = berthd.api("GET", f"/activations/{activation}/logs{query}", key=key)
            self.assertNotIn("line", reply.body)
        self.assertEqual(berthd.cli("activation", "logs", activation, key=key).returncode, 5)

    def test_poll_and_grep(self):
        berthd, name = self.action(TALKER)
        activation = self.invoke(berthd, name=name)
        self.logs(berthd, activation)
        run = berthd.cli("activation", "poll", "--exit", "0.1", "--since", "5m")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(f"Activation: '{name}' ({activation})", run.stdout)
        self.assertIn("stderr: oops", run.stdout)
        run = berthd.cli("activation", "grep", "line [12]", name)
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = run.stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith(f"{activation} {name}: "), lines)
        self.assertEqual(berthd.cli("activation", "grep", "-c", "-i", "LINE", name).stdout, "3\n")
        self.assertEqual(berthd.cli("activation", "grep", "-F", "line [12]", name).returncode, 5)
        self.assertEqual(berthd.cli("activation", "grep", "line", name, "--upto", "1h").returncode, 5)
        self.assertEqual(berthd.cli("activation", "grep", "(").returncode, 2)
        self.assertEqual(berthd.cli("activation", "grep", "x", "--since", "yesterday").returncode, 2)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
