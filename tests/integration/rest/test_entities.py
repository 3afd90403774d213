# SPDX-License-Identifier: Apache-2.0
"""Packages, triggers and rules with functions that run, and by the berth program."""

import json
import os
import tempfile
import time

from support import BerthTest

ECHO = "def main(args):\n    return args\n"


class Entities(BerthTest):
    def put(self, path, body):
        reply = self.berthd.api("PUT", path, body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def clean(self, *paths):
        for path in paths:
            self.addCleanup(self.berthd.api, "DELETE", path)

    def berth(self, *arguments, code=0):
        done = self.berthd.cli(*arguments)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_packages(self):
        self.clean("/packages/bound?force=true", "/packages/lib?force=true")
        self.put("/packages/lib", {"parameters": [{"key": "a", "value": "lib"}, {"key": "b", "value": "lib"},
                                                  {"key": "SECRET", "value": "s", "init": True}]})
        self.create("import os\ndef main(args):\n    return {**args, 'env': os.environ.get('SECRET')}\n",
                    name="lib/hello", parameters=[{"key": "c", "value": "action"}])
        self.put("/packages/bound", {"binding": {"namespace": "_", "name": "lib"},
                                     "parameters": [{"key": "b", "value": "bound"}]})
        reply = self.invoke({"d": "payload"}, name="lib/hello", query="blocking=true&result=true")
        self.assertEqual(reply.json, {"a": "lib", "b": "lib", "c": "action", "d": "payload", "env": "s"})
        reply = self.invoke({}, name="bound/hello")
        self.assertEqual(reply.json["response"]["result"], {"a": "lib", "b": "bound", "c": "action", "env": "s"})
        annotations = {a["key"]: a["value"] for a in reply.json["annotations"]}
        self.assertEqual(annotations["path"], "guest/lib/hello")
        self.assertEqual(annotations["binding"], "guest/bound")
        self.assert_error(self.berthd.api("DELETE", "/packages/lib"), 409, "Package not empty (contains 1 entity)")
        listed = self.berthd.api("GET", "/activations?name=lib/hello&limit=1")
        self.assertEqual(listed.json[0]["name"], "hello")

    def test_web_action_of_a_package(self):
        self.clean("/packages/site?force=true")
        self.put("/packages/site", {})
        self.create(ECHO, name="site/page", annotations=[{"key": "web-export", "value": True}])
        reply = self.berthd.request("GET", "/api/v1/web/guest/site/page.json?x=1", key=None)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json["x"], "1")

    def test_trigger_and_rule(self):
        self.clean("/rules/r", "/triggers/t")
        self.create(ECHO)
        self.put("/triggers/t", {"parameters": [{"key": "a", "value": "trigger"}]})
        self.put("/rules/r", {"trigger": "/_/t", "action": "/_/" + self.name})
        reply = self.berthd.api("POST", "/triggers/t", {"b": 2})
        self.assertEqual(reply.status, 202, reply)
        record = self.record(reply.json["activationId"])
        self.assertEqual(record["response"]["result"], {"b": 2})
        self.assertNotIn("end", record)
        line = json.loads(record["logs"][0])
        self.assertTrue(line["success"], line)
        result = self.record(line["activationId"])["response"]["result"]
        self.assertEqual((result["a"], result["b"]), ("trigger", 2))
        self.assertEqual(self.berthd.api("POST", "/rules/r", {"status": "inactive"}).status, 200)
        self.assertEqual(self.berthd.api("POST", "/triggers/t", {}).status, 204)

    def test_by_the_program(self):
        self.clean("/packages/cli?force=true", "/packages/mine", "/triggers/clock", "/rules/tick", "/actions/feed")
        folder = tempfile.TemporaryDirectory(prefix="bth-cli-")
        self.addCleanup(folder.cleanup)
        code = os.path.join(folder.name, "echo.py")
        with open(code, "w") as file:
            file.write(ECHO)
        self.assertEqual(self.berth("package", "create", "cli", "-p", "x", "1", "--shared", "yes"),
                         "created package cli\n")
        self.berth("action", "create", "cli/echo", code)
        self.berth("package", "bind", "/guest/cli", "mine", "-p", "y", "2")
        self.assertEqual(json.loads(self.berth("action", "invoke", "mine/echo", "-r")), {"x": 1, "y": 2})
        self.assertIn("cli/echo", self.berth("action", "list", "cli"))
        self.assertIn("/guest/cli", self.berth("package", "list"))
        self.assertEqual(json.loads(self.berth("package", "get", "cli"))["publish"], True)
        self.assertEqual(self.berth("package", "delete", "cli", code=6), "")
        self.berth("trigger", "create", "clock", "-p", "t", "1")
        self.berth("rule", "create", "tick", "clock", "cli/echo")
        self.assertIn("activation", self.berth("trigger", "fire", "clock", "-p", "now", "5"))
        self.berth("rule", "disable", "tick")
        self.assertEqual(self.berth("rule", "status", "tick"), "inactive\n")
        self.assertIn("no active rule", self.berth("trigger", "fire", "clock"))
        self.berth("rule", "enable", "tick")
        self.assertIn("tick", self.berth("rule", "list"))
        self.berth("rule", "delete", "tick")
        self.berth("trigger", "delete", "clock")
        self.berth("package", "delete", "mine")
        self.berth("package", "delete", "cli", "--force")

    def test_system_packages(self):
        listed = self.berthd.request("GET", "/api/v1/namespaces/whisk.system/packages").json
        self.assertLessEqual({"utils", "alarms"}, {package["name"] for package in listed})
        shown = self.berthd.request("GET", "/api/v1/namespaces/whisk.system/packages/alarms").json
        self.assertEqual({feed["name"] for feed in shown["feeds"]}, {"alarm", "interval", "once"})
        self.assertEqual(shown["actions"], [])
        self.assertEqual(json.loads(self.berth("action", "invoke", "/whisk.system/utils/echo", "-r", "-p", "a", "1")),
                         {"a": 1})
        reply = self.berthd.request("POST", "/api/v1/namespaces/whisk.system/actions/utils/sort?blocking=true",
                                    {"lines": ["b", "a"]})
        self.assertEqual(reply.json["response"]["result"], {"lines": ["a", "b"], "length": 2})
        record = self.record(reply.json["activationId"])
        self.assertEqual((record["namespace"], record["name"]), ("guest", "sort"))
        reply = self.berthd.request("POST", "/api/v1/namespaces/whisk.system/actions/utils/date", {})
        self.assertEqual(reply.status, 202, reply)
        self.assertIn("date", self.record(reply.json["activationId"])["response"]["result"])

    def test_alarms(self):
        self.clean("/rules/ring", "/triggers/alarm")
        self.create(ECHO)
        self.berth("trigger", "create", "alarm", "--feed", "/whisk.system/alarms/alarm", "-p", "cron", "never", code=7)
        self.assertEqual(self.berthd.api("GET", "/triggers/alarm").status, 404)
        self.berth("trigger", "create", "alarm", "--feed", "/whisk.system/alarms/alarm",
                   "-p", "cron", "* * * * * *", "-p", "trigger_payload", '{"from": "alarm"}')
        self.berth("rule", "create", "ring", "alarm", self.name)
        records = self.eventually(
            lambda: self.berthd.api("GET", f"/activations?name={self.name}&docs=true").json, lambda found: found)
        self.assertEqual(records[0]["response"]["result"], {"from": "alarm"})
        self.assertTrue(json.loads(self.berth("trigger", "get", "alarm"))["status"]["active"])
        self.assertFalse(json.loads(self.berth("trigger", "pause", "alarm"))["status"]["active"])
        self.berth("trigger", "delete", "alarm")

    def test_an_alarm_that_goes_with_its_trigger(self):
        self.clean("/rules/last", "/triggers/farewell")
        self.create(ECHO)
        feed = "/whisk.system/alarms/once"
        self.berth("trigger", "create", "farewell", "--feed", feed, "-p", "date", "2099-01-01", "-p",
                   "deleteAfterFire", "all", code=7)
        self.berth("trigger", "create", "farewell", "--feed", feed, "-p", "date", "2099-01-01", "-p",
                   "deleteAfterFire", "rules", "-p", "trigger_payload", '{"n": 1}')
        self.berth("rule", "create", "last", "farewell", self.name)
        # It is refused where the command takes longer than that.
        self.eventually(
            lambda: self.berthd.cli("trigger", "update", "farewell", "-p", "date",
                                    str(int(time.time() * 1000) + 500)).returncode, lambda code: code == 0)
        for path in ("/triggers/farewell", "/rules/last"):
            self.eventually(lambda path=path: self.berthd.api("GET", path).status, lambda status: status == 404)
        records = self.eventually(
            lambda: self.berthd.api("GET", f"/activations?name={self.name}&docs=true").json, lambda found: found)
        self.assertEqual([record["response"]["result"] for record in records], [{"n": 1}])

    def test_an_alarm_by_the_clock_of_a_zone(self):
        self.clean("/triggers/morning")
        feed = "/whisk.system/alarms/alarm"
        done = self.berthd.cli("trigger", "create", "morning", "--feed", feed, "-p", "cron", "0 9 * * *", "-p",
                               "timezone", "Europe/Atlantis")
        self.assertIn("there is no time zone 'Europe/Atlantis'", done.stderr)
        self.berth("trigger", "create", "morning", "--feed", feed, "-p", "cron", "0 9 * * *", "-p", "timezone",
                   "Asia/Tokyo")
        shown = json.loads(self.berth("trigger", "get", "morning"))
        self.assertEqual(shown["config"]["timezone"], "Asia/Tokyo")
        self.assertEqual(shown["status"]["next"] % 86_400_000, 0)
        self.berth("trigger", "delete", "morning")

    def test_feeds(self):
        # A feed is an action; this one refuses what has no `ok`, and its answers show what it was told.
        self.clean("/triggers/fed", "/actions/feed")
        self.create("def main(args):\n"
                    "    args.pop('authKey')\n"
                    "    if args['lifecycleEvent'] == 'CREATE' and not args.get('ok'):\n"
                    "        return {'error': 'no'}\n"
                    "    return args\n", name="feed", annotations=[{"key": "feed", "value": True}])
        self.berth("trigger", "create", "fed", "--feed", "feed", code=7)
        self.assertEqual(self.berthd.api("GET", "/triggers/fed").status, 404)
        self.berth("trigger", "create", "fed", "--feed", "/_/feed", "-p", "ok", "true")
        shown = self.berthd.api("GET", "/triggers/fed").json
        self.assertIn({"key": "feed", "value": "/_/feed"}, shown["annotations"])
        self.assertEqual(json.loads(self.berth("trigger", "get", "fed")),
                         {"lifecycleEvent": "READ", "triggerName": "/_/fed"})
        self.assertEqual(json.loads(self.berth("trigger", "pause", "fed"))["lifecycleEvent"], "PAUSE")
        self.berth("trigger", "update", "fed", "-p", "every", "2")
        self.berth("trigger", "delete", "fed")
        self.assertEqual(self.berthd.api("GET", "/triggers/fed").status, 404)
