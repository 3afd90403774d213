# SPDX-License-Identifier: Apache-2.0
"""What clients sent in a run with them (run.py --record), sent again: the same statuses, the same members."""

import os

import traffic
from support import BerthTest

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "clients")


class Replay(BerthTest):
    def replay(self, name, at_least):
        host = f"{self.berthd.host}:{self.berthd.port}"
        names = traffic.Names(host, self.berthd.key)
        activations = []
        records = traffic.read(os.path.join(DATA, name))
        self.assertGreaterEqual(len(records), at_least)
        for record in records:
            target = names.show(record["target"])
            if "{activation}" in target:
                # Whichever was started last; its record may still be on its way.
                target = target.replace("{activation}", activations[-1])
                self.record(activations[-1])
            body = record.get("body")
            reply = self.berthd.request(
                record["method"], target, names.show(body) if body is not None else None, dict(record["headers"]),
                key=names.show(record["key"]) if "key" in record else None)
            where = f"{record['method']} {record['target']}"
            self.assertEqual(reply.status, record["status"], f"{where}: {reply}")
            if reply.activation_id:
                activations.append(reply.activation_id)
            if "reply" in record:
                problem = traffic.differs(record["reply"], traffic.shape(reply.json))
                self.assertIsNone(problem, f"{where}: {problem}\n{reply}")

    def test_serverless(self):
        self.replay("serverless-project.jsonl", 40)

    def test_wsk(self):
        self.replay("wsk.jsonl", 60)
