# SPDX-License-Identifier: Apache-2.0
"""OpenWhisk's official npm client, unchanged, against berthd."""

import os
import shutil
import subprocess
import tempfile

from support import PATIENCE, BerthTest, skip

HERE = os.path.dirname(os.path.abspath(__file__))


class NpmClient(BerthTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = None
        if not shutil.which("npm") or not shutil.which("node"):
            skip("npm or node is not installed")
        cls.folder = tempfile.mkdtemp(prefix="bth-npm-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        # Beside a private engine there is no way out but through the network outside.
        outer = os.environ.get("BERTH_OUTER_NET")
        install = subprocess.run(
            [*(["nsenter", "--net=" + outer] if outer else []), "npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", cls.folder,
             "openwhisk@3.21"],
            capture_output=True, text=True, cwd=cls.folder, timeout=10 * PATIENCE)
        if install.returncode != 0:
            skip("npm could not install openwhisk: " + install.stderr[-500:])

    def test_creates_invokes_and_reads(self):
        environment = dict(os.environ, BERTH_TEST_APIHOST=self.berthd.api_host,
                           BERTH_TEST_KEY=self.berthd.key,
                           NODE_PATH=os.path.join(self.folder, "node_modules"))
        done = subprocess.run(["node", os.path.join(HERE, "npm_client.js")], env=environment,
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(done.stdout.endswith("npm client: all good\n"), done.stdout)
