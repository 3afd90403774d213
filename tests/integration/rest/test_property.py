# SPDX-License-Identifier: Apache-2.0
"""Random creating, updating, reading, listing and deleting of actions beside a model of what must come of it.

BERTH_SEED=N repeats a run's choices; BERTH_STEPS=N takes so many steps.
"""

import os
import random
import time

from support import BerthTest

STEPS = int(os.environ.get("BERTH_STEPS", "400"))
PREFIX = "model-"
NAMES = [f"{PREFIX}{i}" for i in range(6)]
LIMITS = {"timeout": (100, 300000), "memory": (128, 512), "logs": (0, 10)}
STANDARD = {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}
VALUES = [None, True, 0, -1.5, "", "text", "\u00e4\u20ac\U0001f600\n", [], [1, [None]], {}, {"a": {"b": [2]}}]


class Model:
    """What is stored, as GET shows it."""

    def __init__(self):
        self.actions = {}
        self.order = []  # names, the one changed last at the end

    def sequence_length(self, name, path=()):
        """Actions in it; None if it is in itself."""
        if name in path:
            return None
        exec_ = self.actions[name]["exec"]
        if exec_["kind"] != "sequence":
            return 1
        inner = [self.sequence_length(part.rsplit("/", 1)[1], (*path, name)) for part in exec_["components"]]
        return None if None in inner else sum(inner)

    def fault(self, name, body):
        """The status that a body must be refused with; None: it is taken."""
        exec_ = body.get("exec")
        if exec_ is None:
            return None if name in self.actions else 400
        if exec_["kind"] != "sequence":
            return None
        parts = [part.rsplit("/", 1)[1] for part in exec_["components"]]
        # Looked at one after the other: whatever is wrong is a 400.
        if any(part not in self.actions or part == name for part in parts):
            return 400
        if any(self.mentions(part, name) for part in parts):
            return 400
        lengths = [self.sequence_length(part) for part in parts]
        return 400 if None in lengths or sum(lengths) > 50 else None

    def mentions(self, name, wanted):
        exec_ = self.actions[name]["exec"] if name in self.actions else {"kind": ""}
        if exec_["kind"] != "sequence":
            return False
        parts = [part.rsplit("/", 1)[1] for part in exec_["components"]]
        # One that was deleted since makes it a 400 as well.
        return any(part == wanted or part not in self.actions or self.mentions(part, wanted) for part in parts)

    def put(self, name, body):
        old = self.actions.get(name)
        action = {"namespace": "guest", "name": name, "publish": False, "version": "0.0.1", "parameters": [],
                  "annotations": [], "limits": dict(STANDARD)} if old is None else dict(old)
        if old is not None:
            major, minor, patch = old["version"].split(".")
            action["version"] = f"{major}.{minor}.{int(patch) + 1}"
        was_sequence = old is not None and old["exec"]["kind"] == "sequence"
        for key in ("version", "publish"):
            action[key] = body.get(key, action[key])
        action["limits"] = {**action["limits"], **body.get("limits", {})}
        if "exec" in body:
            exec_ = body["exec"]
            if exec_["kind"] == "sequence":
                parts = ["/guest/" + part.rsplit("/", 1)[1] for part in exec_["components"]]
                action["exec"] = {"kind": "sequence", "components": parts}
            else:
                action["exec"] = {**exec_, "binary": False}
        if "parameters" in body:
            action["parameters"] = body["parameters"]
        elif was_sequence:
            action["parameters"] = []
        if action["exec"]["kind"] == "sequence":
            action["parameters"] = [{"key": "_actions", "value": action["exec"]["components"]}]
        notes = {note["key"]: note["value"] for note in action["annotations"]
                 if note["key"] not in body.get("delAnnotations", [])}
        notes.update({note["key"]: note["value"] for note in body.get("annotations", [])})
        if old is None:
            notes.setdefault("provide-api-key", False)
        notes["exec"] = action["exec"]["kind"]
        action["annotations"] = [{"key": key, "value": value} for key, value in notes.items()]
        self.actions[name] = action
        self.touch(name)
        return action

    def touch(self, name):
        self.forget(name)
        self.order.append(name)

    def forget(self, name):
        if name in self.order:
            self.order.remove(name)


class Property(BerthTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("BERTH_SEED", time.time_ns() % 1_000_000))
        self.chance = random.Random(self.seed)
        self.kind = self.berthd.request("GET", "/", key=None).json["runtimes"]["python"][0]["kind"]

    def pairs(self, most):
        keys = self.chance.sample(["a", "b", "\u00e4", "with space", "x/y", "note"], self.chance.randrange(most + 1))
        return [{"key": key, "value": self.chance.choice(VALUES)} for key in keys]

    def random_body(self):
        chance, body = self.chance, {}
        if chance.random() < 0.7:
            if chance.random() < 0.4:
                parts = [chance.choice(["/_/", "/guest/", "guest/"]) + chance.choice(NAMES)
                         for _ in range(chance.choice([1, 1, 2, 3, 12]))]
                body["exec"] = {"kind": "sequence", "components": parts}
            else:
                body["exec"] = {"kind": self.kind, "code": chance.choice(["def main(a): return a", "# \u00e4\n"])}
                if chance.random() < 0.5:
                    body["exec"]["main"] = "main"
        if chance.random() < 0.5:
            body["parameters"] = self.pairs(4)
            for parameter in body["parameters"]:
                if chance.random() < 0.3:
                    parameter["init"] = True
        if chance.random() < 0.5:
            body["annotations"] = self.pairs(3)
        if chance.random() < 0.3:
            body["delAnnotations"] = chance.sample(["a", "note", "exec", "provide-api-key", "none"], 2)
        if chance.random() < 0.4:
            body["limits"] = {name: chance.randint(low, high) for name, (low, high) in LIMITS.items()
                              if chance.random() < 0.5}
        if chance.random() < 0.1:
            body["version"] = f"{chance.randrange(3)}.{chance.randrange(3)}.{chance.randrange(20)}"
        if chance.random() < 0.2:
            body["publish"] = chance.random() < 0.5
        return body

    def check_same(self, shown, action):
        shown = dict(shown)
        self.assertIsInstance(shown.pop("updated"), int)
        self.assertEqual({note["key"]: note["value"] for note in shown.pop("annotations")},
                         {note["key"]: note["value"] for note in action["annotations"]})
        self.assertEqual(shown, {key: value for key, value in action.items() if key != "annotations"})

    def check_list(self, model):
        listed = [entry for entry in self.berthd.api("GET", "/actions?limit=200").json
                  if entry["name"].startswith(PREFIX)]
        names = [entry["name"] for entry in listed]
        # Those of one millisecond are in the order of their writing, too.
        self.assertEqual(names, model.order[::-1])
        for entry in listed:
            self.assertEqual(entry["version"], model.actions[entry["name"]]["version"])

    def test_actions_are_as_they_were_put(self):
        print(f"seed {self.seed}", end=" ", flush=True)
        for name in NAMES:
            self.addCleanup(self.berthd.api, "DELETE", "/actions/" + name)
        model, taken = Model(), 0
        for step in range(STEPS):
            name = self.chance.choice(NAMES)
            what = self.chance.choice(["put", "put", "put", "create", "get", "delete", "list"])
            with self.subTest(seed=self.seed, step=step, what=what, name=name):
                if what in ("put", "create"):
                    body = self.random_body()
                    overwrite = "?overwrite=true" if what == "put" else ""
                    reply = self.berthd.api("PUT", f"/actions/{name}{overwrite}", body)
                    fault = model.fault(name, body)
                    if fault is None and what == "create" and name in model.actions:
                        fault = 409
                    if fault is not None:
                        # What is wrong with the body may be told before the name's conflict.
                        self.assertIn(reply.status, (fault, 409) if what == "create" else (fault,), reply)
                        continue
                    self.assertEqual(reply.status, 200, f"{body}\n{reply}")
                    self.check_same(reply.json, model.put(name, body))
                    taken += 1
                elif what == "get":
                    reply = self.berthd.api("GET", "/actions/" + name)
                    self.assertEqual(reply.status, 200 if name in model.actions else 404)
                    if reply.status == 200:
                        self.check_same(reply.json, model.actions[name])
                elif what == "delete":
                    reply = self.berthd.api("DELETE", "/actions/" + name)
                    self.assertEqual(reply.status, 200 if name in model.actions else 404)
                    if reply.status == 200:
                        self.check_same(reply.json, model.actions.pop(name))
                        model.forget(name)
                else:
                    self.check_list(model)
        self.check_list(model)
        self.assertGreater(taken, STEPS // 20)
