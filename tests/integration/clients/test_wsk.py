# SPDX-License-Identifier: Apache-2.0
"""wsk, OpenWhisk's own command line: actions, sequences, packages, triggers and rules, feeds, activations, and APIs of the
gateway. No registry has it, so it is taken where BERTH_WSK names it, or from the PATH."""

import json
import os
import re
import shutil
import unittest

from project import ClientTest


class Wsk(ClientTest):
    project = "wsk"
    recording = "wsk"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = os.environ.get("BERTH_WSK") or shutil.which("wsk")

    def setUp(self):
        super().setUp()
        if not self.program:
            # Also where all is required: nothing installs it.
            raise unittest.SkipTest("there is no wsk: name one in BERTH_WSK")
        properties = os.path.join(self.work, "wskprops")
        with open(properties, "w") as file:
            file.write(f"APIHOST=http://{self.host}\nAUTH={self.berthd.key}\n")
        self.properties = properties

    def wsk(self, *arguments, **more):
        return self.run_client(self.program, *arguments, WSK_CONFIG_FILE=self.properties, **more)

    def test_functions_triggers_apis_and_a_project(self):
        for path in ("/rules/wskshop-rule", "/triggers/wskshop-order", "/packages/wskshop?force=true", "/rules/wsk-rule",
                     "/triggers/wsk-trigger", "/triggers/wsk-clock", "/packages/wsk-utils", "/actions/wsk-both",
                     "/packages/wsk-package?force=true", "/actions/wsk-hello"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        self.addCleanup(self.berthd.cli, "api", "delete", "/wsk")
        self.assertIn("guest", self.wsk("namespace", "list"))

        # Actions.
        self.assertIn("created action wsk-hello", self.wsk("action", "create", "wsk-hello", "hello.js", "--web", "true",
                                                           "-p", "greeting", "Hello", "-m", "128", "-t", "20000"))
        self.wsk("action", "update", "wsk-hello", "-a", "note", "made by wsk")
        shown = self.wsk("action", "get", "wsk-hello")
        self.assertEqual(json.loads(shown[shown.index("{"):])["limits"]["memory"], 128)
        self.assertIn("/api/v1/web/guest/default/wsk-hello", self.wsk("action", "get", "wsk-hello", "--url"))
        said = self.wsk("action", "invoke", "wsk-hello", "-r", "-p", "name", "Ann")
        self.assertEqual(json.loads(said), {"text": "Hello, Ann!"})
        self.assertIn("/guest/wsk-hello", self.wsk("action", "list"))
        self.wsk("package", "create", "wsk-package", "-p", "greeting", "Hi")
        self.wsk("action", "create", "wsk-package/hello", "hello.js")
        self.wsk("package", "bind", "/whisk.system/utils", "wsk-utils")
        self.assertIn("/guest/wsk-utils/echo", self.wsk("package", "get", "wsk-utils", "--summary"))
        self.wsk("action", "create", "wsk-both", "--sequence", "wsk-package/hello,wsk-utils/echo")
        said = self.wsk("action", "invoke", "wsk-both", "-r", "-p", "name", "Ben")
        self.assertEqual(json.loads(said), {"text": "Hi, Ben!"})

        # Activations.
        said = self.wsk("action", "invoke", "wsk-hello", "-p", "name", "Cy")
        activation = re.search(r"[0-9a-f]{32}", said)[0]
        self.record(activation)
        self.logs(activation)
        self.assertIn("greeting Cy", self.wsk("activation", "logs", activation))
        self.assertIn('"text": "Hello, Cy!"', self.wsk("activation", "result", activation))
        self.assertIn('"status": "success"', self.wsk("activation", "get", activation))
        self.assertIn(activation, self.wsk("activation", "list", "wsk-hello", "-l", "5"))

        # Triggers, rules, a feed.
        self.wsk("trigger", "create", "wsk-trigger", "-p", "name", "Dee")
        self.wsk("rule", "create", "wsk-rule", "wsk-trigger", "wsk-hello")
        self.assertIn("triggered /_/wsk-trigger with id", self.wsk("trigger", "fire", "wsk-trigger"))
        self.wsk("rule", "disable", "wsk-rule")
        self.assertIn("is inactive", self.wsk("rule", "status", "wsk-rule"))
        self.wsk("rule", "enable", "wsk-rule")
        self.wsk("trigger", "create", "wsk-clock", "--feed", "/whisk.system/alarms/alarm", "-p", "cron", "0 0 1 1 *")
        self.assertIn('"cron": "0 0 1 1 *"', self.wsk("trigger", "get", "wsk-clock"))
        self.wsk("trigger", "delete", "wsk-clock")
        said = self.wsk("list")
        for name in ("wsk-package", "wsk-hello", "wsk-trigger", "wsk-rule"):
            self.assertIn("/guest/" + name, said)

        # APIs.
        said = self.wsk("api", "create", "/wsk", "/books/{name}", "get", "wsk-hello", "--response-type", "http",
                        "-n", "Book Club")
        self.assertIn(f"http://{self.host}/api/v1/gw/guest/wsk/books/{{name}}", said)
        self.wsk("api", "create", "/wsk", "/books", "post", "wsk-hello")
        said = self.wsk("api", "list")
        self.assertRegex(said, r"/guest/default/wsk-hello +get +Book Club +http://.*/wsk/books/\{name\}")
        self.assertRegex(said, r"/guest/default/wsk-hello +post +Book Club +http://.*/wsk/books")
        self.assertNotIn("{name}", self.wsk("api", "list", "/wsk", "/books", "post"))
        reply = self.gateway("GET", "/wsk/books/Eve")
        self.assertEqual((reply.status, reply.body), (200, "Hello, Eve!"), reply)
        self.assertEqual(self.gateway("POST", "/wsk/books", {"name": "Fay"}).json, {"text": "Hello, Fay!"})
        said = self.wsk("api", "get", "Book Club")
        swagger = os.path.join(self.work, "swagger.json")
        with open(swagger, "w") as file:
            file.write(said[said.index("{"):])
        self.wsk("api", "delete", "/wsk", "/books", "post")
        self.assertEqual(self.gateway("POST", "/wsk/books", {}).status, 404)
        self.wsk("api", "delete", "Book Club")
        self.assertEqual(self.gateway("GET", "/wsk/books/Eve").status, 404)
        self.wsk("api", "create", "--config-file", swagger)
        self.assertEqual(self.gateway("GET", "/wsk/books/Eve").body, "Hello, Eve!")
        self.wsk("api", "delete", "/wsk")
        self.assertIn("does not exist", self.wsk("api", "get", "/wsk", code=1))

        for collection, name in (("rule", "wsk-rule"), ("trigger", "wsk-trigger"), ("action", "wsk-both"),
                                 ("package", "wsk-utils"), ("action", "wsk-package/hello"),
                                 ("package", "wsk-package"), ("action", "wsk-hello")):
            self.assertIn("deleted", self.wsk(collection, "delete", name))
            # wsk's exit code is the status, of which a process has eight bits.
            self.wsk(collection, "get", name, code=404 & 255)

        # wskdeploy, which is in it.
        self.wsk("project", "deploy", "--manifest", "manifest.yaml")
        self.assertEqual(self.invoke({"name": "Ann"}, "wskshop/greet", "blocking=true&result=true").json,
                         {"text": "Ahoy, Ann!"})
        self.assertEqual(self.berthd.api("GET", "/rules/wskshop-rule").json["status"], "active")
        self.wsk("project", "undeploy", "--manifest", "manifest.yaml")
        self.assertEqual(self.berthd.api("GET", "/packages/wskshop").status, 404)
