# SPDX-License-Identifier: Apache-2.0
"""Functions from creation to their logs, and every way they can end."""

import base64
import io
import json
import zipfile

from support import NATIVE, NODEJS, PYTHON, BerthTest, own, skip

LOG_LINE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z +(stdout|stderr): "


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


class Kinds(BerthTest):
    def check(self, code, kind):
        self.create(code, kind)
        reply = self.invoke({"name": "World"})
        self.assertEqual(reply.status, 200, reply)
        record = reply.json
        self.assertEqual(record["response"]["result"], {"greeting": "Hello, World"})
        self.assertEqual(record["response"]["status"], "success")
        self.assertEqual(record["activationId"], reply.activation_id)
        self.assertEqual(record["logs"], [])
        lines = self.logs(reply.activation_id)
        for line in lines:
            self.assertRegex(line, LOG_LINE)
        texts = sorted(line[31:] for line in lines)
        self.assertEqual(texts, ["stderr: err", "stdout: out World"])
        self.assertEqual(self.record(reply.activation_id)["logs"], lines)

    def test_python(self):
        self.check(PYTHON, "python:default")

    def test_nodejs(self):
        if '"nodejs"' not in self.berthd.request("GET", "/").body:
            skip("berthd found no Node.js")
        self.check(NODEJS, "nodejs:default")

    def test_native(self):
        self.check(base64.b64encode(NATIVE.encode()).decode(), "native:default")

    def test_python_zip(self):
        self.create(zipped({"__main__.py": "from lib import greet\ndef main(a):\n  return greet(a)\n",
                            "lib.py": "def greet(a):\n  return {'from': 'lib', **a}\n"}))
        self.assertEqual(self.invoke({"x": 1}).json["response"]["result"], {"from": "lib", "x": 1})

    def test_main_names_the_function(self):
        self.berthd.api("PUT", f"/actions/{self.name}?overwrite=true", {"exec": {
            "kind": "python:default", "main": "other", "code": "def other(a): return {'other': 1}"}})
        self.addCleanup(self.berthd.api, "DELETE", "/actions/" + self.name)
        self.assertEqual(self.invoke().json["response"]["result"], {"other": 1})


class Invocation(BerthTest):
    ECHO = "def main(args): return args"

    def test_cold_then_warm(self):
        self.create(self.ECHO, limits={"memory": 128})
        first = self.invoke().json
        second = self.invoke().json
        keys = lambda record: {a["key"]: a["value"] for a in record["annotations"]}
        self.assertIn("initTime", keys(first))
        self.assertNotIn("initTime", keys(second))
        self.assertEqual(keys(second)["path"], "guest/" + self.name)
        self.assertTrue(keys(second)["kind"].startswith("python:"))
        self.assertEqual(keys(second)["limits"],
                         {"timeout": 60000, "memory": 128, "logs": 10, "concurrency": 1})
        self.assertIs(keys(second)["timeout"], False)

    def test_result_only(self):
        self.create(self.ECHO)
        reply = self.invoke({"a": [1, {"b": None}]}, query="blocking=true&result=true")
        self.assertEqual(reply.json, {"a": [1, {"b": None}]})
        self.assertRegex(reply.activation_id, "^[0-9a-f]{32}$")

    def test_not_blocking(self):
        self.create(self.ECHO)
        reply = self.invoke({"a": 1}, query="")
        self.assertEqual(reply.status, 202)
        self.assertEqual(reply.json, {"activationId": reply.activation_id})
        record = self.record(reply.activation_id)
        self.assertEqual(record["response"]["result"], {"a": 1})
        result = self.berthd.api("GET", f"/activations/{reply.activation_id}/result").json
        self.assertEqual(result["result"], {"a": 1})
        self.assertTrue(result["success"])

    def test_parameters_and_payload(self):
        self.create(self.ECHO, parameters=[{"key": "a", "value": "A"}, {"key": "o", "value": {"x": 1}}])
        query = "blocking=true&result=true"
        self.assertEqual(self.invoke(query=query).json, {"a": "A", "o": {"x": 1}})
        self.assertEqual(self.invoke({"o": {"y": 2}, "n": 3}, query=query).json,
                         {"a": "A", "o": {"y": 2}, "n": 3})
        odd = self.invoke('{"a":1,\n "\\u0061":"last", "t":"ä\\n\\"\\\\"}'.encode(), query=query)
        self.assertEqual(odd.json, {"a": "last", "o": {"x": 1}, "t": 'ä\n"\\'})

    def test_init_parameters_are_environment(self):
        self.create("import os\ndef main(args): return {'env': os.environ.get('DB'), 'args': args}",
                    parameters=[{"key": "DB", "value": "here", "init": True}])
        self.assertEqual(self.invoke(query="blocking=true&result=true").json,
                         {"env": "here", "args": {}})

    def test_context_of_the_function(self):
        self.create("import os\ndef main(args):\n"
                    "  return {k: v for k, v in os.environ.items() if k.startswith('__OW')}")
        reply = self.invoke(query="blocking=true&result=true")
        self.assertEqual(reply.json["__OW_ACTION_NAME"], "/guest/" + self.name)
        self.assertEqual(reply.json["__OW_NAMESPACE"], "guest")
        self.assertEqual(reply.json["__OW_ACTIVATION_ID"], reply.activation_id)
        self.assertNotIn("__OW_API_KEY", reply.json)

    def test_update_is_what_runs_next(self):
        self.create("def main(args): return {'v': 1}")
        self.assertEqual(self.invoke(query="blocking=true&result=true").json, {"v": 1})
        self.create("def main(args): return {'v': 2}")
        self.assertEqual(self.invoke(query="blocking=true&result=true").json, {"v": 2})

    def test_waiting_no_longer(self):
        self.create("import time\ndef main(args):\n  time.sleep(1)\n  return {'late': True}")
        reply = self.invoke(query="blocking=true&timeout=50")
        self.assertEqual(reply.status, 202)
        self.assertEqual(self.record(reply.activation_id)["response"]["result"], {"late": True})

    def test_large_result_and_payload(self):
        self.create(self.ECHO)
        text = "x" * 900_000
        self.assertEqual(self.invoke({"s": text}, query="blocking=true&result=true").json, {"s": text})

    def test_many_at_once(self):
        import concurrent.futures
        self.create(self.ECHO, limits={"memory": 128})
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(
                lambda i: self.invoke({"i": i}, query="blocking=true&result=true").json, range(40)))
        self.assertEqual(replies, [{"i": i} for i in range(40)])


class Failures(BerthTest):
    def fails(self, status, text, payload=None):
        reply = self.invoke(payload)
        self.assertEqual(reply.status, 502, reply)
        response = reply.json["response"]
        self.assertEqual(response["status"], status)
        self.assertIs(response["success"], False)
        self.assertIn(text, json.dumps(response["result"]["error"]))
        bare = self.invoke(payload, query="blocking=true&result=true")
        self.assertEqual(bare.status, 502)
        self.assertEqual(list(bare.json), ["error"])
        return reply

    def test_application_error(self):
        self.create("def main(args): return {'error': 'boom', 'other': 1}")
        self.fails("application error", "boom")

    def test_exception(self):
        self.create("def main(args): raise ValueError('boom')")
        reply = self.invoke()
        self.assertEqual(reply.status, 502)
        self.assertTrue(any("boom" in line for line in self.logs(reply.activation_id)))

    def test_exit(self):
        self.create("import os\ndef main(args): os._exit(3)")
        self.assertEqual(self.invoke().json["response"]["status"], "action developer error")
        self.assertEqual(self.invoke().status, 502)

    def test_not_json(self):
        self.create("def main(args): return 'text'")
        self.assertEqual(self.invoke().json["response"]["status"], "action developer error")

    def test_syntax_error(self):
        self.create("def main(args:")
        self.assertEqual(self.invoke().json["response"]["status"], "action developer error")

    def test_time_limit(self):
        self.create("import time\ndef main(args):\n  time.sleep(args.get('s', 30))\n  return {}",
                    limits={"timeout": 1000})
        self.fails("action developer error", "The action exceeded its time limits of 1000 milliseconds")
        self.assertEqual(self.invoke({"s": 0}).status, 200)

    def test_result_too_long(self):
        self.create("def main(args): return {'s': 'x' * 1100000}")
        self.fails("application error", "exceeded the allowed length")

    def test_log_limit(self):
        self.create("def main(args):\n  for i in range(20000): print('y' * 99)\n  return {}",
                    limits={"logs": 1})
        reply = self.invoke()
        self.assertEqual(reply.status, 200, reply)
        lines = self.logs(reply.activation_id)
        self.assertLess(len(lines), 20000)
        self.assertGreater(len(lines), 1000)
        self.assertIn("truncated", lines[-1].lower())

    def test_no_logs_wanted(self):
        self.create("def main(args):\n  print('x')\n  return {}", limits={"logs": 0})
        reply = self.invoke()
        self.assertEqual(self.logs(reply.activation_id), [])

    def test_unmapped_image(self):
        reply = self.berthd.api("PUT", "/actions/unmapped?overwrite=true", {
            "exec": {"kind": "blackbox", "image": "nobody/has-this:1"}, "limits": {"timeout": 5000}})
        self.assertEqual(reply.status, 200, reply)
        self.addCleanup(self.berthd.api, "DELETE", "/actions/unmapped")
        reply = self.invoke(name="unmapped")
        self.assertEqual(reply.status, 502, reply)
        self.assertEqual(reply.json["response"]["status"], "action developer error")


class Throttles(BerthTest):
    def test_refusals(self):
        self.berthd = own(["limits.invocations_per_minute=1000", "limits.concurrent_invocations=1"])
        self.addCleanup(self.berthd.stop)
        self.create("import time\ndef main(args):\n  time.sleep(args.get('s', 0))\n  return {}")
        # A sequence is one; its steps are not counted beside it.
        steps = {"kind": "sequence", "components": ["/_/" + self.name] * 3}
        self.assertEqual(self.berthd.api("PUT", "/actions/steps", {"exec": steps}).status, 200)
        self.assertEqual(self.invoke({}, name="steps").status, 200)
        self.assertEqual(self.invoke({"s": 3}, query="").status, 202)
        self.assert_error(self.invoke(), 429, "Too many concurrent requests in flight")
        self.assertEqual(self.berthd.api("GET", "/limits").json["concurrentInvocations"], 1)
