#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulator speaks as the real master did, and the plugin's messages are what was recorded.

    dialect_test.py PROTO_DIRECTORY DATA_DIRECTORY
"""

import http.client
import json
import os
import sys
import unittest
import urllib.parse

PROTO, DATA = sys.argv[1:3]
sys.path[:0] = [PROTO, os.path.dirname(os.path.abspath(__file__))]

import berth_mesos_v1_pb2 as pb  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from with_simulator import Simulator  # noqa: E402

PB = "application/x-protobuf"


class Calls(unittest.TestCase):
    def test_recorded_calls_have_our_names_and_numbers(self):
        """The bytes of each call are what its JSON, written by another encoder, says."""
        names = sorted(n[:-5] for n in os.listdir(DATA + "/calls") if n.endswith(".json"))
        self.assertGreaterEqual(len(names), 15)
        for name in names:
            with open(f"{DATA}/calls/{name}.body", "rb") as file:
                call = pb.Call.FromString(file.read())
            with open(f"{DATA}/calls/{name}.json") as file:
                said = json_format.ParseDict(json.load(file), pb.Call())
            self.assertEqual(call, said, name)


class Dialect(unittest.TestCase):
    def setUp(self):
        self.simulator = Simulator(PROTO, "--masters", "2", "--agents", "1")
        self.addCleanup(self.simulator.close)
        self.master = urllib.parse.urlsplit(self.simulator.masters[0]).netloc
        self.streams = []
        self.addCleanup(lambda: [s.close() for s in self.streams])

    def post(self, call, headers=None, method="POST", master=None, raw=None):
        connection = http.client.HTTPConnection(master or self.master, timeout=60)
        self.addCleanup(connection.close)
        given = {"Content-Type": PB, "Accept": PB}
        given.update(headers or {})
        given = {k: v for k, v in given.items() if v is not None}
        connection.request(method, "/api/v1/scheduler", call.SerializeToString() if raw is None else raw, given)
        return connection.getresponse()

    def refused(self, code, text, call=None, **more):
        response = self.post(call or pb.Call(), **more)
        self.assertEqual((response.status, response.read().decode()), (code, text))

    def record(self, response):
        size = b""
        while not size.endswith(b"\n"):
            size += response.read(1)
        return pb.Event.FromString(response.read(int(size)))

    def subscribe(self, framework_id="", **info):
        call = pb.Call(type=pb.Call.SUBSCRIBE)
        f = call.subscribe.framework_info
        f.user, f.name, f.failover_timeout = "root", "test", info.pop("failover_timeout", 60.0)
        f.roles.append("*")
        f.capabilities.add(type=pb.FrameworkInfo.Capability.MULTI_ROLE)
        if framework_id:
            f.id.value = call.framework_id.value = framework_id
        response = self.post(call)
        self.streams.append(response)
        return response, self.record(response)

    def call(self, kind, framework_id="x"):
        call = pb.Call(type=kind)
        call.framework_id.value = framework_id
        return call

    def test_refuses_in_the_same_words(self):
        self.refused(400, "Failed to parse body into Call protobuf", raw=b"\xff\xff garbage")
        self.refused(400, "Failed to validate scheduler::Call: Expecting 'type' to be present")
        self.refused(400, "Expecting 'Content-Type' to be present", headers={"Content-Type": None})
        for kind in ("text/plain", PB + "; charset=utf-8"):
            self.refused(415, "Expecting 'Content-Type' of application/json or application/x-protobuf",
                         headers={"Content-Type": kind})
        self.refused(405, "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.", method="GET")
        self.refused(400, "Failed to validate scheduler::Call: Expecting 'subscribe' to be present",
                     pb.Call(type=pb.Call.SUBSCRIBE))
        self.refused(400, "Failed to validate scheduler::Call: Expecting 'framework_id' to be present",
                     pb.Call(type=pb.Call.ACCEPT))
        self.refused(400, "Framework cannot be found", self.call(pb.Call.REVIVE))
        one_sided = self.call(pb.Call.SUBSCRIBE)
        one_sided.subscribe.framework_info.name = "x"
        self.refused(400, "Failed to validate scheduler::Call: 'framework_id' differs from "
                     "'subscribe.framework_info.id'", one_sided)

    def test_wants_the_stream_id(self):
        response, event = self.subscribe()
        framework = event.subscribed.framework_id.value
        stream = {"Mesos-Stream-Id": response.getheader("Mesos-Stream-Id")}
        self.refused(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header",
                     self.call(pb.Call.REVIVE, framework))
        self.refused(400, "The stream ID 'xyz' included in this request didn't match the stream ID currently "
                     f"associated with framework ID {framework}", self.call(pb.Call.REVIVE, framework),
                     headers={"Mesos-Stream-Id": "xyz"})
        self.refused(400, "Failed to validate scheduler::Call: Expecting 'kill' to be present",
                     self.call(pb.Call.KILL, framework), headers=stream)
        self.refused(202, "", self.call(pb.Call.REVIVE, framework), headers=stream)
        self.refused(202, "", self.call(pb.Call.TEARDOWN, framework), headers=stream)
        self.refused(400, "Framework cannot be found", self.call(pb.Call.REVIVE, framework), headers=stream)
        _, event = self.subscribe(framework)
        self.assertEqual(event.error.message, "Framework has been removed")

    def test_a_second_subscription_takes_over(self):
        first, event = self.subscribe()
        framework = event.subscribed.framework_id.value
        _, again = self.subscribe(framework)
        self.assertEqual(again.subscribed.framework_id.value, framework)
        while event.type != pb.Event.ERROR:
            event = self.record(first)
        self.assertEqual(event.error.message, "Framework failed over")
        self.assertEqual(first.read(), b"")
        self.refused(400, "The stream ID 'old' included in this request didn't match the stream ID currently "
                     f"associated with framework ID {framework}", self.call(pb.Call.REVIVE, framework),
                     headers={"Mesos-Stream-Id": "old"})

    def test_another_than_the_leader_redirects(self):
        other = urllib.parse.urlsplit(self.simulator.masters[1]).netloc
        response = self.post(pb.Call(), master=other, raw=b"garbage")
        self.assertEqual(response.status, 307)
        self.assertEqual(response.getheader("Location"), f"//{self.master}/master/api/v1/scheduler")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
