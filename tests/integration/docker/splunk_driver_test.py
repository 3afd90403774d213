#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real engine's splunk log driver, as the splunk plugin sets it up, into the tests' own Splunk; and back.

    splunk_driver_test.py BIN_DIRECTORY [unittest's arguments]
"""

import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../logs"))

sys.dont_write_bytecode = True  # the source tree stays as it is

import docker_berthd  # noqa: E402
from docker_berthd import DockerTest  # noqa: E402
from berthd_process import PATIENCE  # noqa: E402
from splunk import TOKEN, Splunk  # noqa: E402

# Only the function knows its activation.
TALKER = """
import json, os
def main(args):
    for i in range(3):
        print(json.dumps({"activation_id": os.environ["__OW_ACTIVATION_ID"],
                          "namespace": os.environ["__OW_NAMESPACE"],
                          "log_message": "line %d" % i}))
    return {}
"""


class SplunkDriver(DockerTest):
    def test_lines_go_by_the_engine_and_are_found(self):
        splunk = Splunk()
        self.addCleanup(splunk.stop)
        self.start(settings=[
            'logs.plugin="splunk"', 'plugin.splunk.mode="docker-driver"',
            f'plugin.splunk.hec_url="{splunk.url}"', f'plugin.splunk.hec_token="{TOKEN}"',
            f'plugin.splunk.search_url="{splunk.url}"', 'plugin.splunk.search_token="search-token"',
            'plugin.splunk.activation_id_field="line.activation_id"',
            'plugin.splunk.namespace_field="line.namespace"',
            'plugin.splunk.message_field="line.log_message"', 'plugin.splunk.stream_field="source"',
            "plugin.splunk.timestamp_offset_s=60"])
        self.put_python(TALKER)
        record = self.invoke()
        self.assertEqual(record["response"]["success"], True, record)
        activation = record["activationId"]
        end = time.monotonic() + PATIENCE
        logs = []
        # The driver sends every five seconds.
        while len(logs) < 3 and time.monotonic() < end:
            logs = self.berthd.api("GET", f"/activations/{activation}/logs").json.get("logs", [])
            time.sleep(0.2)
        self.assertEqual([line.rsplit("stdout: ", 1)[-1] for line in logs], ["line 0", "line 1", "line 2"])
        events = [event for event in splunk.events() if activation in event]
        self.assertEqual(len(events), 3)
        self.assertIn('"tag":"', events[0], "the container's name")


if __name__ == "__main__":
    docker_berthd.bin_dir = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
