#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Actions on images that answer as Apache's own proxies were recorded to. Run by with_engine.py.

    recorded_test.py BIN_DIRECTORY

What must come out follows from the recorded bytes by the rules of the protocol, not from what berthd
happens to do with them.
"""

import json
import os
import re
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "../../..")
sys.path[:0] = [HERE, os.path.join(TESTS, "support"), os.path.join(TESTS, "integration/rest")]

import recording  # noqa: E402
from berthd_process import PATIENCE, Berthd  # noqa: E402
from engine import Engine  # noqa: E402

DATA = os.path.join(TESTS, "data/runtimes")
# The kind that each image stands for; the skeleton is what a blackbox names itself.
KINDS = {"action-nodejs-v20": "nodejs:20", "action-python-v3.11": "python:3.11", "python3action": "python:3.4",
         "dockerskeleton": "blackbox"}
EXITED = "The action did not produce a valid response and exited unexpectedly."
# What the host adds to the log of a developer's error.
NOTE = "The action did not initialize or run as expected. Log data might be missing."
NO_JSON = "The action did not produce a valid JSON or JSON Array response"


def build_images(engine):
    """An image for each of Apache's, of ours with Python and the player."""
    files = {name: os.path.join(DATA, name) for name in recording.FILES}
    files.update({name: os.path.join(HERE, name) for name in ("recording.py", "replay.py")})
    for image in KINDS:
        engine.build(f"recorded/{image}:1",
                     f"FROM berth/action-python\nCOPY {' '.join(files)} /recorded/\n"
                     f'CMD ["/usr/bin/python3", "-u", "/recorded/replay.py", "{image}"]\n', files)


def manifest():
    def kind(image):
        return {"kind": KINDS[image], "default": image != "python3action",
                "image": {"prefix": "recorded", "name": image, "tag": "1"}}
    return {"runtimes": {"nodejs": [kind("action-nodejs-v20")],
                         "python": [kind("action-python-v3.11"), kind("python3action")]},
            "blackboxes": [{"prefix": "recorded", "name": "dockerskeleton", "tag": "1"}]}


def expected(reply):
    """What the protocol makes of a recorded answer to /run: status, and the result or its error."""
    if reply.data is None:
        return "action developer error", {"error": EXITED}
    try:
        value = json.loads(reply.body)
    except ValueError:
        value = None
    if isinstance(value, dict) and "error" in value:
        status = "application error" if reply.status == 200 else "action developer error"
        return status, {"error": value["error"]}
    if reply.status == 200 and isinstance(value, (dict, list)):
        return "success", value
    return "action developer error", {"error": f"{NO_JSON}: {reply.body.decode()}"}


def lines_of(share):
    """The log lines of an activation's share of a stream: without the sentinel, also where it is glued on."""
    text = share.replace(recording.SENTINEL + "\n", "")
    return text.removesuffix("\n").split("\n") if text else []


class Recorded(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        build_images(Engine.of_environment())
        cls.folder = tempfile.TemporaryDirectory(prefix="bth-rec-")
        cls.addClassCleanup(cls.folder.cleanup)
        path = os.path.join(cls.folder.name, "runtimes.json")
        with open(path, "w") as file:
            json.dump(manifest(), file)
        cls.berthd = Berthd(BIN, "docker", [f"runtimes.manifest={path}", "containers.pause_grace=1s"])
        cls.addClassCleanup(cls.berthd.stop)

    def create(self, scenario, name):
        value = scenario.inits[0][0][0]
        execution = {"kind": KINDS[scenario.image], "code": value["code"], "main": value["main"]}
        if execution["kind"] == "blackbox":
            execution["image"] = "recorded/dockerskeleton:1"
        reply = self.berthd.api("PUT", f"/actions/{name}?overwrite=true", {"exec": execution})
        self.assertEqual(reply.status, 200, reply)

    def invoke(self, name, value):
        reply = self.berthd.api("POST", f"/actions/{name}?blocking=true", value)
        self.assertNotEqual(reply.status, 202, reply)
        # A result that is an array is the whole body.
        return reply.json if isinstance(reply.json, dict) else self.record(reply.activation_id)

    def record(self, activation_id):
        end = time.monotonic() + PATIENCE
        while True:
            reply = self.berthd.api("GET", f"/activations/{activation_id}")
            if reply.status == 200:
                return reply.json
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def logs(self, activation_id, stream):
        self.record(activation_id)
        lines = self.berthd.api("GET", f"/activations/{activation_id}/logs").json["logs"]
        return [line[39:] for line in lines if line[31:].startswith(stream + ": ")]

    def check(self, record, response, index, scenario):
        self.assertEqual((record["response"]["status"], record["response"]["result"]), response)
        for stream, shares in (("stdout", scenario.stdout), ("stderr", scenario.stderr)):
            lines = lines_of(shares[index]) if index < len(shares) else []
            if stream == "stderr" and response[0] == "action developer error":
                lines.append(NOTE)
            self.assertEqual(self.logs(record["activationId"], stream), lines, stream)

    def replay(self, scenario, name):
        self.create(scenario, name)
        init = scenario.inits[0][1]
        if init.status != 200:
            record = self.invoke(name, {})
            self.check(record, ("action developer error", {"error": json.loads(init.body)["error"]}), 0,
                       scenario)
            return
        # A container that failed is not used again: the same request must find a new one, and in it the
        # first recorded answer to it.
        fresh = {}
        for index, ((value, _), reply) in enumerate(scenario.runs):
            if not isinstance(value, dict):
                continue
            key = json.dumps(value, sort_keys=True)
            index, reply = fresh.get(key, (index, reply))
            response = expected(reply)
            if response[0] == "action developer error":
                fresh[key] = index, reply
            self.check(self.invoke(name, value), response, index, scenario)

    def warm_again(self, image, wait):
        """Two invocations of one container with `wait` seconds between them."""
        scenario = next(s for s in recording.scenarios(DATA) if s.image == image and s.name.startswith("ok:"))
        name = f"idle-{image}-{wait}"
        self.create(scenario, name)
        for index, ((value, _), reply) in enumerate(scenario.runs):
            record = self.invoke(name, value)
            self.check(record, expected(reply), index, scenario)
            cold = "initTime" in [annotation["key"] for annotation in record["annotations"]]
            self.assertEqual(cold, index == 0)
            if index == 0:
                time.sleep(wait)

    def test_connections_closed_after_five_seconds(self):
        """Apache's Node.js proxy closes idle connections after 5 s, and the container is paused meanwhile: a
        request on the old connection would be lost."""
        for wait in (0.9, 5.3):
            self.warm_again("action-nodejs-v20", wait)

    def test_a_stopped_action_is_not_asked_again(self):
        scenario = next(s for s in recording.scenarios(DATA) if s.name.startswith("action throws"))
        self.assertEqual([reply.status for _, reply in scenario.runs], [502, 403])
        self.create(scenario, "throws")
        for _ in range(3):
            record = self.invoke("throws", {})
            self.assertEqual(record["response"]["result"], {"error": "An error has occurred: Error: boom"})


def add_tests():
    count = 0
    for scenario in recording.scenarios(DATA):
        code = scenario.inits[0][0][0].get("code")
        values = [value for (value, _), _ in scenario.runs]
        # What no client of berthd can ask for: an action without code or with a zip that is none, an array as
        # the payload.
        if code is None or scenario.name == "zip, not a zip" or (values and not isinstance(values[0], dict)):
            continue
        name = re.sub(r"\W+", "_", f"test_{scenario.image}_{scenario.name}").strip("_")
        setattr(Recorded, name, lambda self, scenario=scenario, name=name: self.replay(scenario, name))
        count += 1
    assert count == 31, count


add_tests()

if __name__ == "__main__":
    BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
