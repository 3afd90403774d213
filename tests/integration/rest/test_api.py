# SPDX-License-Identifier: Apache-2.0
"""The API around functions: entities, lists, errors, bad input, restart."""

import base64
import io
import json
import uuid
import zipfile

from support import PYTHON, BerthTest, own

CODE = {"exec": {"kind": "python:default", "code": "def main(a): return a"}}


class Entities(BerthTest):
    def put(self, body, name=None, query=""):
        name = name or self.name
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + name)
        return self.berthd.api("PUT", f"/actions/{name}{query}", body)

    def test_life_of_an_action(self):
        body = {**CODE, "parameters": [{"key": "a", "value": [1, {"b": None}]}],
                "annotations": [{"key": "n", "value": "v"}], "limits": {"timeout": 2000, "memory": 128}}
        created = self.put(body)
        self.assertEqual(created.status, 200, created)
        action = created.json
        self.assertEqual(action["namespace"], "guest")
        self.assertEqual(action["version"], "0.0.1")
        self.assertEqual(action["limits"],
                         {"timeout": 2000, "memory": 128, "logs": 10, "concurrency": 1})
        self.assertRegex(action["exec"]["kind"], r"^python:\d+\.\d+$")
        self.assertEqual(self.berthd.api("GET", "/actions/" + self.name).json, action)
        brief = self.berthd.api("GET", f"/actions/{self.name}?code=false").json
        self.assertNotIn("code", brief["exec"])
        self.assert_error(self.put(body), 409, "resource already exists")
        updated = self.put({"annotations": [{"key": "m", "value": 2}], "delAnnotations": ["n"]},
                           query="?overwrite=true").json
        self.assertEqual(updated["version"], "0.0.2")
        self.assertEqual(updated["parameters"], action["parameters"])
        keys = [annotation["key"] for annotation in updated["annotations"]]
        self.assertIn("m", keys)
        self.assertNotIn("n", keys)
        self.assertEqual(self.berthd.api("DELETE", "/actions/" + self.name).json["name"], self.name)
        self.assert_error(self.berthd.api("GET", "/actions/" + self.name), 404,
                          "The requested resource does not exist.")
        self.assert_error(self.berthd.api("DELETE", "/actions/" + self.name), 404)
        self.assert_error(self.invoke(), 404)

    def test_lists(self):
        names = [f"list-{i}" for i in range(5)]
        before = self.berthd.api("GET", "/actions?count=true").json["actions"]
        for name in names:
            self.assertEqual(self.put(CODE, name).status, 200)
        self.assertEqual(self.berthd.api("GET", "/actions?count=true").json["actions"], before + 5)
        listed = [entry["name"] for entry in self.berthd.api("GET", "/actions?limit=5").json]
        self.assertEqual(listed, names[::-1])
        page = self.berthd.api("GET", "/actions?limit=2&skip=1").json
        self.assertEqual([entry["name"] for entry in page], ["list-3", "list-2"])
        self.assertNotIn("parameters", page[0])

    def test_activations_list(self):
        self.create(PYTHON)
        ids = [self.invoke({"name": str(i)}).activation_id for i in range(3)]
        for activation_id in ids:
            self.record(activation_id)
        path = f"/activations?name={self.name}"
        summaries = self.berthd.api("GET", path).json
        self.assertEqual([entry["activationId"] for entry in summaries], ids[::-1])
        self.assertEqual(summaries[0]["statusCode"], 0)
        self.assertNotIn("response", summaries[0])
        full = self.berthd.api("GET", path + "&docs=true&limit=1").json
        self.assertEqual(full[0]["response"]["result"], {"greeting": "Hello, 2"})
        self.assertEqual(len(full[0]["logs"]), 2)
        self.assertEqual(self.berthd.api("GET", path + "&count=true").json, {"activations": 3})
        self.assertEqual(len(self.berthd.api("GET", path + "&skip=1&limit=5").json), 2)
        start = summaries[1]["start"]
        since = self.berthd.api("GET", f"{path}&since={start}").json
        self.assertTrue(all(entry["start"] >= start for entry in since))
        self.assertIn(ids[1], [entry["activationId"] for entry in since])
        upto = self.berthd.api("GET", f"{path}&upto={start}").json
        self.assertTrue(all(entry["start"] <= start for entry in upto))
        self.assertEqual(self.berthd.api("GET", "/activations?name=no-such-action").json, [])

    def test_names_with_odd_characters(self):
        self.assertEqual(self.put(CODE, "a%20b%40c.d-e").json["name"], "a b@c.d-e")
        self.assertEqual(self.invoke({"x": 1}, name="a%20b%40c.d-e").status, 200)

    def test_info(self):
        info = self.berthd.request("GET", "/", key=None).json
        self.assertEqual(info["api_paths"], ["/api/v1"])
        self.assertIn("python", info["runtimes"])
        self.assertEqual(self.berthd.request("GET", "/ping", key=None).body, "pong")
        self.assertEqual(self.berthd.request("GET", "/api/v1", key=None).json["api_version_path"], "v1")
        self.assertEqual(self.berthd.request("GET", "/api/v1/namespaces").json, ["guest"])
        self.assertIn("berth_api_requests_total", self.berthd.request("GET", "/metrics", key=None).body)


class BadInput(BerthTest):
    def test_authentication(self):
        for key in (None, str(uuid.uuid4()) + ":secret", self.berthd.key + "x", "guest:guest"):
            reply = self.berthd.api("GET", "/actions", key=key)
            self.assert_error(reply, 401)
            self.assertIn("Basic", reply.headers["www-authenticate"])

    def test_other_namespaces(self):
        self.assert_error(self.berthd.request("GET", "/api/v1/namespaces/whisk.system/actions"), 403)
        self.assert_error(self.berthd.request("GET", "/api/v1/namespaces/whisk.system/actions/x"), 403,
                          "not authorized to access 'whisk.system/x'")

    def test_paths_methods_types(self):
        self.assert_error(self.berthd.request("GET", "/api/v1/nothing"), 404)
        self.assert_error(self.berthd.api("POST", "/activations", {}), 405)
        self.assert_error(self.berthd.api("PUT", "/actions/x", "{}",
                                          headers={"Content-Type": "text/plain"}), 415)
        self.assert_error(self.berthd.api("POST", "/packages/x", {}), 405)
        self.assertEqual(self.berthd.api("OPTIONS", "/actions/x", key=None).status, 200)

    def test_bodies(self):
        for body, text in (
                ("", "malformed"),
                ("{", "malformed"),
                ("[]", "must be a JSON object"),
                ('{"exec":{"kind":"python:default","code":7}}', "/exec/code: must be a string"),
                ('{"exec":{"kind":"cobol:1","code":"x"}}', "'cobol:1' is not supported"),
                ('{"parameters":[{"value":1}]}', "/parameters/0"),
                ('{"limits":{"memory":"big"}}', "/limits/memory"),
                ("{}", "exec undefined"),
                ('{"exec":{"kind":"python:default","code":"x"},"limits":{"memory":1}}', "memory size"),
                ("[" * 100_000, "malformed"),
                (b'{"exec":"\xff"}', "malformed")):
            self.assert_error(self.berthd.api("PUT", "/actions/bad", body), 400, text)
        self.create("def main(a): return a")
        for payload in ("[]", "1", "{", "nul", '{"a":1}}'):
            self.assert_error(self.invoke(payload), 400, "malformed")
        self.assert_error(self.berthd.api("GET", "/actions/bad"), 404)

    def test_too_large(self):
        self.create("def main(a): return {}")
        self.assert_error(self.invoke({"s": "x" * 1_100_000}), 413, "Request larger than allowed")
        code = {"exec": {"kind": "python:default", "code": "#" * (49 * 1024 * 1024)}}
        self.assert_error(self.berthd.api("PUT", "/actions/big", code), 413, "exec larger than allowed")
        parameters = {**CODE, "parameters": [{"key": "k", "value": "x" * 1_100_000}]}
        self.assert_error(self.berthd.api("PUT", "/actions/big", parameters), 413, "parameters larger")
        # More than the server reads at all: it answers and closes before the body came.
        head = (f"PUT /api/v1/namespaces/_/actions/big HTTP/1.1\r\nHost: x\r\n"
                f"Content-Length: {200 * 1024 * 1024}\r\n\r\n").encode()
        self.assertTrue(self.berthd.raw(head).startswith(b"HTTP/1.1 413"))

    def test_code_that_is_none(self):
        def archive(build):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
                build(target)
            return base64.b64encode(buffer.getvalue()).decode()

        def put(code, **more):
            return self.berthd.api("PUT", "/actions/bad", {
                "exec": {"kind": "python:default", "code": code, **more}})

        self.assert_error(put("not base64!", binary=True), 400, "/exec/code")
        self.assert_error(put(base64.b64encode(b"no zip at all, only text").decode(), binary=True), 400,
                          "/exec/code")
        self.assert_error(put(archive(lambda z: z.writestr("../evil.py", "x"))), 400, "/exec/code")
        self.assert_error(put(archive(lambda z: z.writestr("/etc/evil.py", "x"))), 400, "/exec/code")
        bomb = archive(lambda z: z.writestr("zeros", b"\0" * (100 * 1024 * 1024)))
        self.assert_error(put(bomb), 400, "/exec/code")

    def test_queries(self):
        for path in ("/actions?limit=201", "/actions?limit=x", "/actions?skip=-1", "/actions?count=7",
                     "/activations?docs=true&count=true", "/activations?name=a/b/c",
                     "/activations?since=x", "/activations/zz", "/activations/" + "Z" * 32,
                     "/actions/%zz", "/actions/a%2Fb", "/actions/" + "a" * 257):
            self.assert_error(self.berthd.api("GET", path), 400)
        self.create("def main(a): return a")
        for query in ("blocking=true&timeout=0", "blocking=true&timeout=60001", "blocking=perhaps"):
            self.assert_error(self.invoke(query=query), 400)
        self.assert_error(self.berthd.api("GET", "/activations/" + "0" * 32), 404)

    def test_protocol(self):
        self.assertTrue(self.berthd.raw(b"GARBAGE\r\n\r\n").startswith(b"HTTP/1.1 400"))
        self.assertTrue(self.berthd.raw(
            b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 414"))
        smuggling = (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assertTrue(self.berthd.raw(smuggling).startswith(b"HTTP/1.1 400"))
        self.assertEqual(self.berthd.request("GET", "/ping", key=None).status, 200)


class Restart(BerthTest):
    def test_everything_is_there_after_a_restart(self):
        import shutil
        import tempfile
        data = tempfile.mkdtemp(prefix="bth-")
        self.addCleanup(shutil.rmtree, data, ignore_errors=True)
        first = own(keep_data=data)
        self.berthd = first
        try:
            self.create(PYTHON, name="kept")
            reply = self.invoke({"name": "A"}, name="kept")
            record = self.record(reply.activation_id)
            key = first.key
            self._cleanups.clear()  # the action is to stay
        finally:
            code = first.stop()
        self.addCleanup(shutil.rmtree, data, ignore_errors=True)
        self.assertEqual(code, 0)
        second = self.berthd = own(keep_data=data)
        self.addCleanup(second.stop)
        self.assertEqual(second.key, key)
        self.assertEqual(self.record(reply.activation_id), record)
        self.assertEqual(len(record["logs"]), 2)
        self.assertEqual(self.invoke({"name": "B"}, name="kept").json["response"]["result"],
                         {"greeting": "Hello, B"})
