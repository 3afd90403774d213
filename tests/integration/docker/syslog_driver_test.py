#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real engine's syslog log driver, as the log-driver store sets it up, into a real rsyslogd.

    syslog_driver_test.py BIN_DIRECTORY [unittest's arguments]
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # the source tree stays as it is

import docker_berthd  # noqa: E402
from docker_berthd import DockerTest  # noqa: E402
from berthd_process import PATIENCE  # noqa: E402
from engine import program  # noqa: E402

# Only the function knows its activation.
TALKER = """
import os, sys
def main(args):
    for i in range(3):
        print("%s line %d" % (os.environ["__OW_ACTIVATION_ID"], i))
    print("%s oops" % os.environ["__OW_ACTIVATION_ID"], file=sys.stderr)
    return {}
"""

CONFIG = """
global(workDirectory="{folder}" parser.escapeControlCharactersOnReceive="off")
module(load="imptcp")
input(type="imptcp" address="127.0.0.1" port="{port}")
template(name="line" type="string" string="%syslogseverity-text%|%programname%|%msg%\\n")
action(type="omfile" file="{folder}/lines" template="line")
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Rsyslog:
    """An rsyslogd that takes syslog over TCP and writes `severity|tag|text` lines."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bth-rs-")
        # The engine's network namespace is this test's own: nobody takes the port meanwhile.
        self.port = free_port()
        config = os.path.join(self.folder.name, "conf")
        with open(config, "w") as file:
            file.write(CONFIG.format(folder=self.folder.name, port=self.port))
        self.process = subprocess.Popen([program("rsyslogd"), "-n", "-iNONE", "-f", config],
                                        stdin=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise RuntimeError("rsyslogd does not listen")
                time.sleep(0.05)

    def lines(self):
        try:
            with open(os.path.join(self.folder.name, "lines"), errors="replace") as file:
                return [line.rstrip("\n").split("|", 2) for line in file]
        except FileNotFoundError:
            return []

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class SyslogDriver(DockerTest):
    def test_lines_go_by_the_engine_and_the_link_leads_there(self):
        rsyslog = Rsyslog()
        self.addCleanup(rsyslog.stop)
        self.start(settings=[
            'logs.plugin="log-driver"', 'plugin.log-driver.driver="syslog"', 'plugin.log-driver.where="rsyslog"',
            'plugin.log-driver.link="https://logs.example/?id={activation}"',
            f'plugin.log-driver.options.syslog-address="tcp://127.0.0.1:{rsyslog.port}"'])
        self.put_python(TALKER)
        record = self.invoke()
        self.assertEqual(record["response"]["success"], True, record)
        activation = record["activationId"]

        logs = self.berthd.api("GET", f"/activations/{activation}/logs").json["logs"]
        self.assertEqual(len(logs), 1, logs)
        self.assertIn("rsyslog", logs[0])
        self.assertIn(f"https://logs.example/?id={activation}", logs[0])

        def found():
            return [line for line in rsyslog.lines() if len(line) == 3 and activation in line[2]]
        end = time.monotonic() + PATIENCE
        while len(found()) < 4:
            self.assertLess(time.monotonic(), end, rsyslog.lines())
            time.sleep(0.1)
        of_stream = {"info": [], "err": []}
        for severity, tag, text in found():
            of_stream[severity].append(text.strip())
            self.assertTrue(tag.startswith("berth-"), f"the container's name: {tag}")
        self.assertEqual(of_stream["info"], [f"{activation} line {i}" for i in range(3)])
        self.assertEqual(of_stream["err"], [f"{activation} oops"])


if __name__ == "__main__":
    if program("rsyslogd") is None:
        print("SKIPPED: rsyslogd is not installed (./dev deps services)")
        sys.exit(1 if os.environ.get("BERTH_REQUIRE_ALL") == "1" else 77)
    docker_berthd.bin_dir = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
