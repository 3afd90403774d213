# SPDX-License-Identifier: Apache-2.0
"""Sequences and compositions, end to end."""

import json
import os
import shutil
import signal
import tempfile

from support import BerthTest, own

APPEND = """
import os
def main(args):
    seen = args.get("seen", [])
    return {"seen": seen + [os.environ.get("__OW_ACTION_NAME", "").split("/")[-1]]}
"""
FAIL = 'def main(args): return {"error": "no, " + str(args.get("seen"))}'
LIST = "def main(args): return {'numbers': [1, 2, 3]}"
SLOW = """
import time
def main(args):
    time.sleep(args.get("sleep", 600))
    return {"slept": True}
"""
# Counts up to its parameter `to` by means of the action `NAME-plus`.
CONDUCTOR = """
def main(args):
    n = args.get("n", 0)
    if "error" in args:
        return {"params": {"told": args["error"]}}
    if n < args["to"]:
        return {"action": args["step"], "params": {"n": n}, "state": {"to": args["to"], "step": args["step"]}}
    return {"params": {"n": n}}
"""
PLUS = 'def main(args): return {"n": args["n"] + 1}'


class Flows(BerthTest):
    def sequence(self, *components, name=None, **more):
        name = name or self.name
        reply = self.berthd.api(
            "PUT", f"/actions/{name}?overwrite=true",
            {"exec": {"kind": "sequence", "components": ["/_/" + part for part in components]}, **more})
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + name)
        return reply

    def step(self, suffix, code=APPEND, **more):
        name = f"{self.name}-{suffix}"
        self.create(code, name=name, **more)
        return name

    def annotations(self, record):
        return {entry["key"]: entry["value"] for entry in record["annotations"]}

    def test_a_sequence(self):
        a, b = self.step("a"), self.step("b", limits={"memory": 512})
        created = self.sequence(a, b, parameters=[{"key": "x", "value": 1}])
        self.assertEqual(created.status, 200, created)
        components = [f"/guest/{a}", f"/guest/{b}"]
        self.assertEqual(created.json["exec"], {"kind": "sequence", "components": components})
        self.assertEqual(created.json["parameters"], [{"key": "_actions", "value": components}])
        reply = self.invoke({"seen": ["begin"]})
        self.assertEqual(reply.status, 200, reply)
        record = reply.json
        self.assertEqual(record["response"]["result"], {"seen": ["begin", a, b]})
        said = self.annotations(record)
        self.assertEqual((said["kind"], said["topmost"], said["path"]), ("sequence", True, "guest/" + self.name))
        self.assertEqual(said["limits"]["memory"], 512)
        steps = [self.record(step) for step in record["logs"]]
        self.assertEqual([step["name"] for step in steps], [a, b])
        for step in steps:
            self.assertEqual(step["cause"], record["activationId"])
            self.assertEqual(self.annotations(step)["causedBy"], "sequence")
        self.assertEqual(record["duration"], sum(step["duration"] for step in steps))
        stored = self.record(record["activationId"])
        self.assertEqual(stored["logs"], record["logs"])
        self.assertEqual(self.logs(record["activationId"]), record["logs"])
        self.assertEqual(self.invoke({}, query="blocking=true&result=true").json, {"seen": [a, b]})

    def test_nested(self):
        a, inner = self.step("a"), self.name + "-inner"
        self.assertEqual(self.sequence(a, a, name=inner).status, 200)
        self.assertEqual(self.sequence(inner, a, inner).status, 200)
        record = self.invoke({}).json
        self.assertEqual(record["response"]["result"], {"seen": [a] * 5})
        nested = self.record(record["logs"][0])
        self.assertEqual(nested["name"], inner)
        self.assertEqual(len(nested["logs"]), 2)
        self.assertEqual(self.annotations(nested)["topmost"], False)
        self.assertEqual(self.record(nested["logs"][0])["cause"], nested["activationId"])

    def test_an_error_ends_it(self):
        a, fail = self.step("a"), self.step("fail", FAIL)
        self.sequence(a, fail, a)
        reply = self.invoke({})
        self.assertEqual(reply.status, 502, reply)
        self.assertEqual(reply.json["response"]["status"], "application error")
        self.assertEqual(reply.json["response"]["result"], {"error": f"no, ['{a}']"})
        self.assertEqual(len(reply.json["logs"]), 2)

    def test_what_cannot_be_a_sequence(self):
        a = self.step("a")
        for components, text in (
                ([], "No component specified for the sequence."),
                ([a] * 51, "Too many actions in the sequence."),
                ([a, self.name], "Sequence may not refer to itself."),
                ([a, "nothing-there"], "Sequence component does not exist.")):
            self.assert_error(self.sequence(*components), 400, text)
        inner = self.name + "-inner"
        self.sequence(*[a] * 26, name=inner)
        self.assert_error(self.sequence(inner, inner), 400, "Too many actions in the sequence.")
        self.assertEqual(self.sequence(inner, a).status, 200)
        self.assert_error(self.sequence(self.name, name=inner), 400, "Sequence may not refer to itself.")
        for components in ("x", [1], ["x"], ["/_/a/b/c"], None):
            reply = self.berthd.api("PUT", f"/actions/{self.name}-bad",
                                    {"exec": {"kind": "sequence", "components": components}})
            self.assert_error(reply, 400, "malformed")
        other = self.berthd.api("PUT", f"/actions/{self.name}-bad",
                                {"exec": {"kind": "sequence", "components": ["/whisk.system/a"]}})
        self.assertIn(other.status, (400, 403))

    def test_a_deleted_component(self):
        gone = self.step("gone")
        self.sequence(gone)
        self.berthd.api("DELETE", "/actions/" + gone)
        reply = self.invoke({})
        self.assertEqual(reply.status, 500, reply)
        self.assertEqual(reply.json["response"]["result"], {"error": "Sequence failed."})

    def test_back_to_code(self):
        a = self.step("a")
        self.sequence(a)
        self.create(APPEND)
        action = self.berthd.api("GET", "/actions/" + self.name).json
        self.assertEqual(action["parameters"], [])
        self.assertEqual(self.invoke({}).json["response"]["result"], {"seen": [self.name]})

    def test_not_waited_for(self):
        a = self.step("a")
        self.sequence(a, a)
        reply = self.invoke({}, query="")
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(self.record(reply.json["activationId"])["response"]["result"], {"seen": [a, a]})

    def test_longer_than_the_wait(self):
        slow = self.step("slow", SLOW)
        self.sequence(slow)
        reply = self.invoke({"sleep": 2}, query="blocking=true&timeout=50")
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(self.record(reply.activation_id)["response"]["result"], {"slept": True})

    def test_as_web_action(self):
        self.step("web", 'def main(args): return {"body": args["seen"], "statusCode": 201}')
        self.sequence(self.step("a"), self.name + "-web",
                      annotations=[{"key": "web-export", "value": True}])
        reply = self.berthd.request("GET", f"/api/v1/web/guest/default/{self.name}", key=None)
        self.assertEqual((reply.status, reply.json), (201, [self.name + "-a"]))

    def test_a_conductor(self):
        plus = self.step("plus", PLUS)
        self.create(CONDUCTOR, annotations=[{"key": "conductor", "value": True}])
        record = self.invoke({"to": 3, "step": plus}).json
        self.assertEqual(record["response"]["result"], {"n": 3})
        said = self.annotations(record)
        self.assertEqual((said["kind"], said["conductor"], said["topmost"]), ("sequence", True, True))
        names = [self.record(step)["name"] for step in record["logs"]]
        self.assertEqual(names, [self.name, plus] * 3 + [self.name])
        told = self.invoke({"to": 1, "step": "no-such"}, query="blocking=true&result=true").json
        self.assertEqual(told, {"told": "Failed to resolve action with name 'guest/no-such' during composition."})
        endless = self.invoke({"to": 1000, "step": plus}, query="blocking=true&result=true")
        self.assertEqual(endless.json, {"told": "Too many actions in the composition."})

    def test_from_the_command_line(self):
        a, b = self.step("a"), self.step("b")
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + self.name)
        made = self.berthd.cli("action", "create", self.name, "--sequence", f"{a},/guest/{b}")
        self.assertEqual(made.returncode, 0, made)
        ran = self.berthd.cli("action", "invoke", self.name, "-r", "--json")
        self.assertEqual(json.loads(ran.stdout), {"seen": [a, b]}, ran)
        record = self.record(self.invoke({}).activation_id)
        for step in record["logs"]:
            self.record(step)
        traced = self.berthd.cli("activation", "trace", record["activationId"])
        self.assertEqual(traced.returncode, 0, traced)
        for text in (a, b, *record["logs"]):
            self.assertIn(text, traced.stdout)
        wrong = self.berthd.cli("action", "create", self.name + "-x", "--sequence", "nothing-there")
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("Sequence component does not exist.", wrong.stderr)


class Crash(BerthTest):
    def setUp(self):
        super().setUp()
        self.keep = tempfile.mkdtemp(prefix="bth-")
        self.addCleanup(shutil.rmtree, self.keep, ignore_errors=True)

    def start(self):
        berthd = own(keep_data=os.path.join(self.keep, "data"))
        self.addCleanup(berthd.stop)
        return berthd

    def test_kill_in_the_middle(self):
        berthd = self.berthd = self.start()
        for name, code in (("first", PLUS), ("slow", SLOW)):
            berthd.api("PUT", "/actions/" + name, {"exec": {"kind": "python:default", "code": code}})
        berthd.api("PUT", "/actions/s",
                   {"exec": {"kind": "sequence", "components": ["/_/first", "/_/slow", "/_/first"]}})
        accepted = [berthd.api("POST", "/actions/s", {"n": i}) for i in range(3)]
        self.assertEqual([reply.status for reply in accepted], [202] * 3)
        # The first step of each has ended, so the second is on its way or waits for its container.
        self.eventually(lambda: berthd.api("GET", "/activations?name=first&count=true").json["activations"],
                        lambda count: count == 3)
        berthd.process.send_signal(signal.SIGKILL)
        berthd.process.wait()
        self.berthd = again = self.start()
        for reply in accepted:
            record = self.record(reply.activation_id)
            self.assertEqual(record["response"]["status"], "whisk internal error", record)
            self.assertIn("interrupted", record["response"]["result"]["error"])
        count = again.api("GET", "/activations?name=s&count=true").json["activations"]
        self.assertEqual(count, 3, "exactly one record each")
        self.assertEqual(again.api("GET", "/activations?name=first&count=true").json["activations"], 3,
                         "nothing ran twice")
