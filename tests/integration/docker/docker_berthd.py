# SPDX-License-Identifier: Apache-2.0
"""What the tests of berthd with the docker plugin share: a berthd, actions, records, logs."""

import json
import os
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../support"), os.path.join(HERE, "../rest")]

from berthd_process import PATIENCE, Berthd  # noqa: E402
from engine import Engine  # noqa: E402

# Set by the test's main.
bin_dir = None

ECHO = "def main(args): return args"


class DockerTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.engine = Engine.of_environment()
        self.name = self.id().rsplit(".", 1)[-1]

    def start(self, plugin="", settings=()):
        """A berthd of this test; `plugin` is TOML below [plugin.docker]."""
        folder = tempfile.TemporaryDirectory(prefix="bth-dk-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "berth.toml")
        with open(path, "w") as file:
            file.write("[containers]\nprewarm = false\n\n[plugin.docker]\n" + plugin)
        self.berthd = Berthd(bin_dir, "docker", settings, config=path)
        self.addCleanup(self.end)

    def end(self):
        """Stops berthd, once."""
        if self.berthd:
            berthd, self.berthd = self.berthd, None
            log = berthd.log()
            self.assertEqual(berthd.stop(), 0, log)

    def put(self, execution, name=None, **more):
        name = name or self.name
        reply = self.berthd.api("PUT", f"/actions/{name}?overwrite=true", {"exec": execution, **more})
        self.assertEqual(reply.status, 200, reply)
        return name

    def put_python(self, code=ECHO, name=None, **more):
        return self.put({"kind": "python:default", "code": code}, name, **more)

    def put_image(self, image, name=None, **more):
        return self.put({"kind": "blackbox", "image": image}, name, **more)

    def invoke(self, payload=None, name=None):
        """The record of a blocking invocation, waited for also when the reply came before its end."""
        reply = self.berthd.api("POST", f"/actions/{name or self.name}?blocking=true", payload)
        if reply.status == 202:
            return self.record(reply.json["activationId"])
        self.assertIn(reply.status, (200, 500, 502), reply)
        return reply.json

    def record(self, activation_id):
        end = time.monotonic() + PATIENCE
        while True:
            reply = self.berthd.api("GET", "/activations/" + activation_id)
            if reply.status == 200:
                return reply.json
            self.assertLess(time.monotonic(), end, reply)
            time.sleep(0.05)

    def fails(self, record, text, status="action developer error"):
        response = record["response"]
        self.assertEqual(response["status"], status, record)
        self.assertIn(text, json.dumps(response["result"]["error"]))

    def succeeds(self, record, result):
        self.assertEqual((record["response"]["status"], record["response"]["result"]), ("success", result))
