# SPDX-License-Identifier: Apache-2.0
"""helix-deploy: a universal function is bundled and deployed as a raw web action. It is not run: the bundles that this
version makes without a plugin are for another kind of platform."""

import os

import npm
from project import ClientTest


class Helix(ClientTest):
    project = "universal"
    recording = "helix-universal"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = npm.installed("helix", {
            "@adobe/helix-deploy": "13.5.1", "@adobe/fetch": "4.2.3", "@adobe/helix-universal": "5.4.0"})
        os.symlink(os.path.join(cls.packages, "node_modules"), os.path.join(cls.work, "node_modules"))

    def test_a_function_is_deployed_and_answers(self):
        with open(os.path.join(self.home, ".wskprops"), "w") as file:
            file.write(f"APIHOST=http://{self.host}\nAUTH={self.berthd.key}\nNAMESPACE=guest\n")
        hedy = os.path.join(self.packages, "node_modules", "@adobe", "helix-deploy", "src", "index.js")
        said = self.run_client("node", hedy, "--target", "wsk", "--node-version", "20", "--build", "--deploy",
                               WSK_APIHOST=f"http://{self.host}", WSK_AUTH=self.berthd.key, WSK_NAMESPACE="guest")
        self.assertIn("ok:", said)
        action = self.berthd.api("GET", "/actions/universal/hello?code=false").json
        annotations = {each["key"]: each.get("value") for each in action["annotations"]}
        self.assertTrue(annotations["web-export"] and annotations["raw-http"])
        self.berthd.api("DELETE", "/packages/universal?force=true")
