# SPDX-License-Identifier: Apache-2.0
"""Web actions: a page, a form and a webhook, asked as browsers and services ask."""

import hashlib
import hmac
import json

from support import BerthTest

PAGE = """
def main(args):
    if args["__ow_method"] == "post":
        return {"statusCode": 303, "headers": {"location": "/" + args["name"], "set-cookie": ["a=1", "b=2"]}}
    return {"body": "<h1>" + args.get("name", "nobody") + args["__ow_path"] + "</h1>"}
"""

# A signed webhook: the signature is over the bytes as they came.
WEBHOOK = """
import base64, hashlib, hmac
def main(args):
    body = base64.b64decode(args["__ow_body"])
    good = hmac.new(b"key", body, hashlib.sha256).hexdigest()
    known = hmac.compare_digest(good, args["__ow_headers"].get("x-signature", ""))
    return {"statusCode": 200 if known else 403, "body": {"bytes": len(body), "query": args["__ow_query"]}}
"""


class Web(BerthTest):
    def export(self, code, **more):
        annotations = {"web-export": True, **more}
        self.create(code, annotations=[{"key": key, "value": value} for key, value in annotations.items()])

    def web(self, method, rest="", body=None, **headers):
        return self.berthd.request(method, f"/api/v1/web/guest/default/{self.name}{rest}", body,
                                   {name.replace("_", "-"): value for name, value in headers.items()}, key=None)

    def test_a_page_and_its_form(self):
        self.export(PAGE)
        reply = self.web("GET", "/sub?name=World")
        self.assertEqual((reply.status, reply.body), (200, "<h1>World/sub</h1>"))
        self.assertEqual(reply.headers["content-type"], "text/html; charset=UTF-8")
        self.assertEqual(reply.headers["access-control-allow-origin"], "*")
        reply = self.web("POST", "", "name=next", Content_Type="application/x-www-form-urlencoded")
        self.assertEqual((reply.status, reply.headers["location"], reply.body), (303, "/next", ""))
        # It was an activation of its owner's as any other.
        self.assertEqual(self.record(reply.activation_id)["namespace"], "guest")

    def test_a_webhook_sees_the_bytes(self):
        self.export(WEBHOOK, **{"raw-http": True})
        body = json.dumps({"event":  "x", "text": "é"}).encode()
        signature = hmac.new(b"key", body, hashlib.sha256).hexdigest()
        reply = self.web("POST", "?a=1", body, Content_Type="application/json", X_Signature=signature)
        self.assertEqual((reply.status, reply.json), (200, {"bytes": len(body), "query": "a=1"}))
        self.assertEqual(self.web("POST", "", body + b" ", Content_Type="application/json",
                                  X_Signature=signature).status, 403)

    def test_the_command_line_makes_one(self):
        self.create(PAGE)
        self.assert_error(self.web("GET"), 404)
        done = self.berthd.cli("action", "update", self.name, "--web", "yes", "--web-secure", "sesame")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_error(self.web("GET"), 401)
        self.assertEqual(self.web("GET", X_Require_Whisk_Auth="sesame").status, 200)
        done = self.berthd.cli("action", "update", self.name, "--web", "no")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_error(self.web("GET", X_Require_Whisk_Auth="sesame"), 404)
