#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""berthd with the docker plugin when images, registries, disks and functions are bad. Run by
with_engine.py --registry.

    faults_test.py BIN_DIRECTORY [unittest's arguments]
"""

import base64
import concurrent.futures
import json
import os
import sys
import unittest

import docker_berthd
from docker_berthd import DockerTest
from engine import REGISTRY, REGISTRY_PASSWORD, REGISTRY_USER

SOAK = os.environ.get("BERTH_SOAK") == "1"
HUNGRY = """
def main(args):
  kept = []
  while True:
    kept.append(bytearray(16 << 20))
"""


class Images(DockerTest):
    """The developer's errors: the record says what is wrong with the image, and berthd goes on."""

    def setUp(self):
        super().setUp()
        self.start('start_timeout = "3s"\n')

    def image(self, name, command):
        self.engine.build(f"faults/{name}:1", f"FROM berth/action-base\nCMD {json.dumps(command)}\n")
        self.addCleanup(self.engine.api, "DELETE", f"/images/faults/{name}:1")
        return f"faults/{name}:1"

    def still_well(self):
        self.put_python(name="well")
        self.succeeds(self.invoke({"a": 1}, "well"), {"a": 1})

    def test_that_does_not_exist(self):
        self.put_image("nobody/none:latest")
        self.fails(self.invoke(), "Failed to pull container image 'nobody/none:latest'")
        self.still_well()

    def test_that_exits_at_once(self):
        self.put_image(self.image("exits", ["/bin/sh", "-c", "exit 3"]), limits={"timeout": 5000})
        self.fails(self.invoke(), "The action did not initialize")
        self.still_well()

    def test_whose_command_is_missing(self):
        image = self.image("missing", ["/no/such/program"])
        self.put_image(image)
        self.fails(self.invoke(), f"executable file not found in image {image}")
        self.still_well()

    def test_that_never_listens(self):
        self.put_image(self.image("deaf", ["/bin/sleep", "1000"]), limits={"timeout": 2000})
        self.fails(self.invoke(), "The action did not initialize")
        self.still_well()

    def test_killed_for_memory(self):
        self.put_python(HUNGRY, limits={"memory": 256})
        record = self.invoke()
        self.fails(record, "exhausted its memory")
        # Not at the time limit: the engine tells of it.
        self.assertLess(record["duration"], 55_000)
        self.put_python()
        self.succeeds(self.invoke({"a": 1}), {"a": 1})


class Registries(DockerTest):
    """Images of a registry that wants a user and a password."""

    def setUp(self):
        super().setUp()
        self.image = f"{REGISTRY}/private/function:1"
        self.engine.tag("berth/action-python", f"{REGISTRY}/private/function", "1")
        self.engine.push(self.image)
        self.forget()

    def forget(self):
        self.engine.ok("DELETE", f"/images/{self.image}?force=1")

    def pulls(self):
        self.put({"kind": "blackbox", "image": self.image, "code": docker_berthd.ECHO})
        self.succeeds(self.invoke({"a": 1}), {"a": 1})

    def refused(self):
        self.put({"kind": "blackbox", "image": self.image, "code": docker_berthd.ECHO})
        self.fails(self.invoke({"a": 1}), f"Failed to pull container image '{self.image}'")

    def credentials(self, password):
        return (f'[plugin.docker.registry_auth."{REGISTRY}"]\nusername = "{REGISTRY_USER}"\n'
                f'password = "{password}"\n')

    def docker_config(self, password):
        folder = os.environ["DOCKER_CONFIG"]
        os.makedirs(folder, exist_ok=True)

        auth = base64.b64encode(f"{REGISTRY_USER}:{password}".encode()).decode()
        path = os.path.join(folder, "config.json")
        with open(path, "w") as file:
            json.dump({"auths": {REGISTRY: {"auth": auth}}}, file)
        self.addCleanup(os.remove, path)

    def test_right_credentials(self):
        self.start(self.credentials(REGISTRY_PASSWORD))
        self.pulls()

    def test_wrong_credentials(self):
        self.start(self.credentials("wrong"))
        self.refused()

    def test_no_credentials(self):
        self.start()
        self.refused()

    def test_credentials_of_docker_login(self):
        self.docker_config(REGISTRY_PASSWORD)
        self.start()
        self.pulls()

    def test_many_at_once_pull_together(self):
        self.start(self.credentials(REGISTRY_PASSWORD), ["containers.memory=4096MB"])
        self.put({"kind": "blackbox", "image": self.image, "code": docker_berthd.ECHO},
                 limits={"memory": 128})
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for i, record in enumerate(pool.map(lambda i: self.invoke({"i": i}), range(8))):
                self.succeeds(record, {"i": i})

    def test_disk_full_on_pull(self):
        """The engine cannot store a layer: the developer is told, and a later try finds the disk free."""
        blob = os.path.join(self.engine.root, "blob")
        with open(blob, "wb") as file:
            for _ in range(64):
                file.write(os.urandom(1 << 20))
        self.engine.build(self.image, "FROM berth/action-python\nCOPY blob /blob\n", {"blob": blob})
        os.remove(blob)
        self.engine.push(self.image)
        self.forget()
        self.engine.ok("POST", "/images/prune")
        filler = os.path.join(self.engine.root, "filler")
        space = os.statvfs(self.engine.root)
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_bsize - (24 << 20))
        self.start('pull_again_after = "1s"\n' + self.credentials(REGISTRY_PASSWORD))
        try:
            self.refused()
            self.assertIn("no space left on device", self.berthd.log())
        finally:
            os.remove(filler)
        self.pulls()


class Many(DockerTest):
    def test_created_and_destroyed_at_once(self):
        count = 200 if SOAK else 20
        self.start(settings=[f"containers.memory={count * 128}MB"])
        for i in range(count):
            self.put_python(f"def main(args): return {{'i': {i}}}", f"many{i}", limits={"memory": 128})
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            records = list(pool.map(lambda i: self.invoke(name=f"many{i}"), range(count)))
        for i, record in enumerate(records):
            self.succeeds(record, {"i": i})
        mine = [c for c in self.engine.containers() if "action" in c["Image"]]
        self.assertGreaterEqual(len(mine), count)
        # The end of berthd takes them all; with_engine.py tells of one that is left.
        self.end()
        self.assertEqual(self.engine.containers(), [])


if __name__ == "__main__":
    docker_berthd.bin_dir = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
