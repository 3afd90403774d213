# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: one berthd for all of them, and small helpers."""

import json
import os
import time
import unittest

from berthd_process import PATIENCE, Berthd
from openapi import Document

# Set by run.py before any test runs.
bin_dir = None
container_plugin = None
config = None
_shared = None


def described(berthd):
    """Has every answer checked against the document that the server itself gives."""
    berthd.document = Document(berthd.request("GET", "/api/v1/api-docs", key=None).body)
    return berthd


def shared():
    global _shared
    if _shared is None:
        _shared = described(Berthd(bin_dir, container_plugin, config=config))
    return _shared


def own(settings=(), keep_data=None):
    """A berthd for one test; the test stops it."""
    return described(Berthd(bin_dir, container_plugin, settings, config=config, keep_data=keep_data))


def stop_shared():
    global _shared
    if _shared is not None:
        berthd, _shared = _shared, None
        return berthd.stop()
    return 0


def skip(reason):
    if os.environ.get("BERTH_REQUIRE_ALL") == "1":
        raise AssertionError("not to be skipped here: " + reason)
    raise unittest.SkipTest(reason)


PYTHON = """
import sys
def main(args):
    print("out", args.get("name", "nobody"))
    print("err", file=sys.stderr)
    return {"greeting": "Hello, " + args.get("name", "nobody")}
"""

NODEJS = """
function main(args) {
  console.log("out", args.name || "nobody");
  console.error("err");
  return { greeting: "Hello, " + (args.name || "nobody") };
}
"""

# Any executable: a line of JSON in on 0, a line out on 3.
NATIVE = """#!/usr/bin/python3
import json, os, sys
out = os.fdopen(3, "w", buffering=1)
for line in sys.stdin:
    args = json.loads(line)["value"]
    print("out", args.get("name", "nobody"), flush=True)
    print("err", file=sys.stderr, flush=True)
    out.write(json.dumps({"greeting": "Hello, " + args.get("name", "nobody")}) + "\\n")
"""


class BerthTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.berthd = shared()
        self.name = self.id().rsplit(".", 1)[-1]

    def create(self, code, kind="python:default", name=None, **more):
        name = name or self.name
        reply = self.berthd.api(
            "PUT", f"/actions/{name}?overwrite=true", {"exec": {"kind": kind, "code": code}, **more})
        self.assertEqual(reply.status, 200, reply)
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + name)
        return reply.json

    def invoke(self, payload=None, name=None, query="blocking=true"):
        return self.berthd.api("POST", f"/actions/{name or self.name}?{query}", payload)

    def eventually(self, ask, done):
        """Asks until `done` holds; records and logs come after the reply."""
        end = time.monotonic() + PATIENCE
        while True:
            answer = ask()
            if done(answer):
                return answer
            if time.monotonic() > end:
                self.fail(f"still {answer}")
            time.sleep(0.02)

    def record(self, activation_id):
        reply = self.eventually(
            lambda: self.berthd.api("GET", "/activations/" + activation_id), lambda r: r.status == 200)
        return reply.json

    def logs(self, activation_id):
        self.record(activation_id)
        reply = self.berthd.api("GET", f"/activations/{activation_id}/logs")
        self.assertEqual(reply.status, 200, reply)
        return reply.json["logs"]

    def assert_error(self, reply, status, text=None):
        """An error of the API: status, and {"error", "code"} with the transaction's id."""
        self.assertEqual(reply.status, status, reply)
        body = json.loads(reply.body)
        self.assertEqual(sorted(body), ["code", "error"])
        self.assertEqual(body["code"], reply.headers["x-request-id"])
        if text is not None:
            self.assertIn(text, body["error"])
