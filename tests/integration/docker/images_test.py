#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The runtime images on an engine, spoken to as a container plugin's user would. Run by with_engine.py."""

import base64
import http.client
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))

from engine import PATIENCE, Engine  # noqa: E402

NATIVE = """#!/usr/bin/python3
import json, os, sys
out = os.fdopen(3, "w", buffering=1)
for line in sys.stdin:
    print("out", flush=True)
    out.write(json.dumps({"uid": os.getuid(), **json.loads(line)["value"]}) + "\\n")
"""
PYTHON = "import os\ndef main(args):\n  print('out')\n  return {'uid': os.getuid(), **args}\n"
NODEJS = "function main(a) { console.log('out'); return { uid: process.getuid(), ...a }; }"
SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"


class Images(unittest.TestCase):
    def setUp(self):
        self.engine = Engine.of_environment()

    def create(self, image, name, command=None):
        body = {"Image": image, "HostConfig": {"CapDrop": ["ALL"], "ReadonlyRootfs": True,
                                               "Tmpfs": {"/tmp": "rw,exec,mode=1777"}}}
        if command:
            body["Cmd"] = command
        made = self.engine.ok("POST", f"/containers/create?name={name}", body)
        self.addCleanup(self.engine.ok, "DELETE", f"/containers/{made['Id']}?force=1")
        self.engine.ok("POST", f"/containers/{made['Id']}/start")
        return made["Id"]

    def post(self, address, path, value):
        end = time.monotonic() + PATIENCE
        while True:
            connection = http.client.HTTPConnection(address, 8080, timeout=PATIENCE)
            try:
                connection.request("POST", path, json.dumps({"value": value}),
                                   {"Content-Type": "application/json"})
                reply = connection.getresponse()
                return reply.status, json.loads(reply.read())
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            finally:
                connection.close()

    def check(self, image, code, binary=False):
        container = self.create(image, self._testMethodName)
        facts = self.engine.ok("GET", f"/containers/{container}/json")
        address = facts["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        status, reply = self.post(address, "/init", {
            "name": "f", "main": "main", "code": code, "binary": binary, "env": {}})
        self.assertEqual(status, 200, reply)
        self.assertEqual(self.post(address, "/run", {"x": 1}), (200, {"uid": 1000, "x": 1}))
        # The engine's copy of the output comes when it comes.
        end = time.monotonic() + PATIENCE
        logs = ""
        while logs.encode().count(SENTINEL) < 2 and time.monotonic() < end:
            logs = self.engine.api("GET", f"/containers/{container}/logs?stdout=1&stderr=1")[1]
        self.assertEqual(logs.encode().count(SENTINEL), 2, logs)
        self.assertIn("out\n", logs)

    def test_python(self):
        self.check("berth/action-python", PYTHON)

    def test_nodejs(self):
        self.check("berth/action-nodejs", NODEJS)

    def test_native(self):
        self.check("berth/action-native", base64.b64encode(NATIVE.encode()).decode(), binary=True)

    def test_base_is_to_derive_from(self):
        container = self.create("berth/action-base", self._testMethodName,
                                ["/bin/sh", "-c", "dpkg --audit && apt-get --version && ls /etc/ssl/certs"])
        done = self.engine.ok("POST", f"/containers/{container}/wait")
        logs = self.engine.api("GET", f"/containers/{container}/logs?stdout=1&stderr=1")[1]
        self.assertEqual(done["StatusCode"], 0, logs)
        self.assertIn("ca-certificates.crt", logs)

    def test_layers_are_shared(self):
        layers = {}
        for name in ("base", "native", "python", "nodejs"):
            image = self.engine.ok("GET", f"/images/berth/action-{name}/json")
            layers[name] = image["RootFS"]["Layers"]
        self.assertEqual(layers["python"][:1], layers["base"])
        self.assertEqual(layers["python"][:2], layers["native"][:2])
        self.assertEqual(layers["nodejs"][:2], layers["python"][:2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
