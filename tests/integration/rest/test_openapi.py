# SPDX-License-Identifier: Apache-2.0
"""The description of the API: the document itself, its page, and that the checker finds faults. The
answers of the whole suite are checked against it (support.py)."""

import json
import re

from openapi import METHODS, Document
from support import BerthTest


class OpenApi(BerthTest):
    def setUp(self):
        super().setUp()
        reply = self.berthd.request("GET", "/api/v1/api-docs", key=None)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers["content-type"].split(";")[0], "application/json")
        self.document = Document(reply.body)

    def test_the_document_is_sound(self):
        document = self.document.document
        self.assertTrue(document["openapi"].startswith("3."))
        for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
            self.document.resolve({"$ref": reference})
        ids = [operation["operationId"] for _, _, _, operation in self.document.operations()]
        self.assertEqual(len(ids), len(set(ids)))
        tags = {tag["name"] for tag in document["tags"]}
        for path, method, item, operation in self.document.operations():
            self.assertTrue(set(operation["tags"]) <= tags, path)
            self.assertTrue(set(item) <= {*METHODS, "parameters"}, path)
            parameters = [self.document.resolve(each)
                          for each in [*item.get("parameters", []), *operation.get("parameters", [])]]
            named = {each["name"] for each in parameters if each["in"] == "path"}
            self.assertEqual(named, set(re.findall(r"{(\w+)}", path)), f"{method} {path}")
            # The checker knows every word of each schema.
            for response in operation["responses"].values():
                for media in self.document.resolve(response).get("content", {}).values():
                    self.document.problem({}, media["schema"], "")

    def test_every_path_is_answered(self):
        for path, method, _, operation in self.document.operations():
            needs = [each for each in operation.get("parameters", []) if each.get("in") == "query" and each.get("required")]
            if "default" in operation["responses"] or method != "get" or needs:
                continue
            filled = re.sub(r"{(\w+)}", lambda part: "_" if part[1] == "namespace" else "0" * 32, path)
            reply = self.berthd.request("GET", filled)
            self.assertIn(reply.status, (200, 404), f"{filled}: {reply}")
            if reply.status == 404:
                self.assertIn("{", path)

    def test_the_checker_finds_faults(self):
        good = self.create("def main(args): return args")
        check = self.document.check_answer
        path = "/api/v1/namespaces/_/actions/x"
        check("GET", path, 200, "application/json", json.dumps(good))
        for change in ({"version": 1}, {"updated": "now"}, {"surplus": 1}, {"limits": []},
                       {"annotations": [{"value": 1}]}, {"exec": {"code": "x"}}):
            with self.assertRaises(AssertionError, msg=str(change)):
                check("GET", path, 200, "application/json", json.dumps({**good, **change}))
        with self.assertRaises(AssertionError):
            check("GET", path, 200, "text/plain", json.dumps(good))
        with self.assertRaises(AssertionError):
            check("GET", path, 299, "application/json", json.dumps(good))
        with self.assertRaises(AssertionError):
            check("GET", "/api/v1/namespaces/_/actions", 200, "application/json", json.dumps([good]))

    def test_the_page_loads_nothing_foreign(self):
        reply = self.berthd.request("GET", "/api/v1/docs", key=None)
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.headers["content-type"].startswith("text/html"))
        self.assertNotRegex(reply.body, r"https?://|src=|@import|url\(")
        self.assertIn("api-docs", reply.body)

    def test_the_info_documents_name_it(self):
        paths = self.berthd.request("GET", "/api/v1", key=None).json["swagger_paths"]
        for name in ("ui", "api-docs"):
            self.assertEqual(self.berthd.request("GET", "/api/v1" + paths[name], key=None).status, 200)
