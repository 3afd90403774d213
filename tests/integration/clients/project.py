# SPDX-License-Identifier: Apache-2.0
"""What the tests of clients share: a copy of a project in a folder of its own, the client's environment."""

import os
import shutil
import subprocess
import tempfile

import traffic
from support import PATIENCE, BerthTest

HERE = os.path.dirname(os.path.abspath(__file__))


class ClientTest(BerthTest):
    # The folder of the project beside this file.
    project = None
    # What its recording is called.
    recording = None

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(prefix="bth-client-")
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)
        cls.work = os.path.join(cls.home, "project")
        shutil.copytree(os.path.join(HERE, cls.project), cls.work)

    def setUp(self):
        super().setUp()
        self.host = f"{self.berthd.host}:{self.berthd.port}"
        if traffic.record_to:
            recorder = traffic.Recorder(self.berthd)
            self.host = recorder.host
            self.addCleanup(recorder.save, os.path.join(traffic.record_to, f"{self.recording}.jsonl"))
            self.addCleanup(recorder.stop)

    def run_client(self, *command, code=0, **more):
        """Runs it to its end in the project; what it printed."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "OW_", "npm_"))}
        environment.update(
            HOME=self.home, CI="1", NO_COLOR="1", OW_APIHOST=f"http://{self.host}", OW_AUTH=self.berthd.key, **more)
        done = subprocess.run(command, cwd=self.work, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=5 * PATIENCE)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        return said

    def gateway(self, method, path, body=None, **headers):
        """What a user of the namespace's APIs asks."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.berthd.request(method, "/api/v1/gw/guest" + path, body, headers, key=None)
