# SPDX-License-Identifier: Apache-2.0
"""serverless 3 with serverless-openwhisk: a project with packages, a sequence, a trigger, a schedule and HTTP events
is deployed, looked at, invoked, its logs are read, and it is removed."""

import os

import npm
from project import ClientTest


class Serverless(ClientTest):
    project = "project"
    recording = "serverless-project"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = npm.installed("serverless", {"serverless": "3.40.0", "serverless-openwhisk": "0.18.4"})
        os.symlink(os.path.join(cls.packages, "node_modules"), os.path.join(cls.work, "node_modules"))

    def serverless(self, *arguments, **more):
        return self.run_client("node", os.path.join(self.packages, "node_modules", "serverless", "bin", "serverless.js"),
                               *arguments, SLS_TELEMETRY_DISABLED="1", SLS_NOTIFICATIONS_MODE="off",
                               SLS_TRACKING_DISABLED="1", **more)

    def test_a_project_lives_and_goes(self):
        self.serverless("deploy")
        for path, name in (("/packages", "goods"), ("/triggers", "orders"), ("/triggers", "shop_ordered_schedule_trigger"),
                           ("/rules", "orders_to_ordered")):
            names = [each["name"] for each in self.berthd.api("GET", path).json]
            self.assertIn(name, names)
        self.assertEqual(self.berthd.api("GET", "/actions/shop-dev-greet").json["limits"]["timeout"], 30000)

        said = self.serverless("info")
        for text in ("shop-dev-greet", "shop-dev-both", "goods/price", "orders", "shop_ordered_schedule_rule",
                     "GET http://", "/api/v1/gw/guest/shop/greet --> shop-dev-greet"):
            self.assertIn(text, said)
        self.assertNotIn("failed", said)

        said = self.serverless("invoke", "--function", "greet", "--data", '{"name": "Ann"}')
        self.assertIn('"text": "Hello, Ann!"', said)
        said = self.serverless("invoke", "--function", "both", "--data", '{"name": "Ann"}')
        self.assertIn('"text": "HELLO, ANN!"', said)
        said = self.serverless("invoke", "--function", "price")
        self.assertIn('"price": "1 EUR"', said)
        self.eventually(lambda: self.serverless("logs", "--function", "greet"), lambda said: "greeting Ann" in said)

        # Its HTTP events, for people without a key.
        reply = self.gateway("GET", "/shop/greet?name=Ben")
        self.assertEqual((reply.status, reply.json), (200, {"text": "Hello, Ben!"}), reply)
        reply = self.gateway("POST", "/shop/greet", {"name": "Cy"})
        self.assertEqual((reply.status, reply.json), (200, {"text": "Hello, Cy!"}), reply)
        reply = self.gateway("GET", "/shop/greet/Dee")
        self.assertEqual((reply.status, reply.body), (200, "Hello, Dee! /shop/greet/Dee"), reply)
        self.assertEqual(self.gateway("OPTIONS", "/shop/greet").status, 200)
        # The action itself asks for a secret that only the gateway has.
        web = "/api/v1/web/guest/default/shop-dev-greet.json"
        self.assertEqual(self.berthd.request("GET", web, key=None).status, 401)

        fired = self.berthd.api("POST", "/triggers/orders", {"item": "cap"})
        self.assertEqual(fired.status, 202, fired)
        said = self.record(fired.activation_id)["logs"]
        self.assertEqual(len(said), 1)
        self.assertIn('"success":true', said[0].replace(" ", ""))

        self.serverless("deploy")  # again: everything is there already
        self.serverless("remove")
        for path in ("/actions", "/packages", "/triggers", "/rules"):
            self.assertEqual(self.berthd.api("GET", path).json, [], path)
