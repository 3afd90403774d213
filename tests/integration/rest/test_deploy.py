# SPDX-License-Identifier: Apache-2.0
"""berth deploy: a project file against a real berthd."""

import json
import os
import pty
import shutil
import subprocess
import tempfile

from berthd_process import PATIENCE
from support import BerthTest

EXAMPLE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../../examples/project"))

CLOCKED = """
project: {name: clocked}
packages:
  default:
    actions:
      clocked-tick: {function: tick.py, runtime: "python:default"}
    triggers:
      clocked-hour:
        feed: /whisk.system/alarms/alarm
        inputs: {cron: "0 0 * * * *", trigger_payload: {from: $CLOCKED_FROM}}
    rules:
      clocked-rule: {trigger: clocked-hour, action: clocked-tick}
"""


SERVERLESS = """
service: slsshop
frameworkVersion: "3"
plugins: [serverless-openwhisk]
provider: {name: openwhisk, runtime: "nodejs:default"}
custom: {greeting: Hi}
functions:
  hello:
    handler: hello.greet
    runtime: python
    timeout: 5
    memory: 128
    parameters: {greeting: "${self:custom.greeting}"}
    events:
      - trigger: order
      - schedule: {rate: cron(0 9 1 1 *), timezone: Europe/Berlin}
  loud: {handler: loud.loud, name: tools/loud}
  both: {sequence: [hello, loud]}
resources:
  packages:
    lib: {binding: /whisk.system/utils, parameters: {payload: "a,b"}}
"""


SERVERLESS_HTTP = """
service: slsweb
provider: {name: openwhisk, runtime: "python:default"}
functions:
  hello:
    handler: hello.greet
    parameters: {greeting: Hi}
    events:
      - http: GET /hello
      - http: {method: GET, path: "/hello/{name}", resp: http}
  other: {handler: hello.greet, parameters: {greeting: Ho}}
resources: {apigw: {basepath: /slsweb}}
"""


class Deploy(BerthTest):
    def setUp(self):
        super().setUp()
        self.work = tempfile.mkdtemp(prefix="bth-")
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def deploy(self, file, *options, code=0):
        done = self.berthd.cli("deploy", file, *options)
        self.assertEqual(done.returncode, code, done)
        return done

    def example(self):
        """A copy of the example, which goes when the test ends."""
        folder = os.path.join(self.work, "project")
        shutil.copytree(EXAMPLE, folder)
        for path in ("/rules/welcome", "/triggers/visitor", "/packages/greetings?force=true"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        return os.path.join(folder, "berth.yaml")

    def edit(self, file, old, new):
        with open(file) as source:
            text = source.read()
        self.assertEqual(text.count(old), 1, old)
        with open(file, "w") as target:
            target.write(text.replace(old, new))

    def test_second_time_and_one_change(self):
        file = self.example()
        looked = self.deploy(file, "--dry-run").stdout.splitlines()
        self.assertEqual(looked, [
            "+ package greetings", "+ action greetings/hello", "+ action greetings/shout", "+ action greetings/loud",
            "+ trigger visitor", "+ rule welcome", "6 to create, 0 to update, 0 to delete, 0 unchanged"])
        self.assertEqual(self.berthd.api("GET", "/packages/greetings").status, 404)
        refused = self.deploy(file, code=2)
        self.assertIn("--yes", refused.stderr)
        self.assertEqual(self.berthd.api("GET", "/packages/greetings").status, 404)

        made = self.deploy(file, "--yes").stdout.splitlines()
        self.assertEqual(made[7:], [
            "created package greetings", "created action greetings/hello", "created action greetings/shout",
            "created action greetings/loud", "created trigger visitor", "created rule welcome"])
        reply = self.invoke({"name": "Ada"}, "greetings/loud", "blocking=true&result=true")
        self.assertEqual(reply.json, {"text": "HELLO, ADA!"})
        action = self.berthd.api("GET", "/actions/greetings/hello?code=false").json
        self.assertEqual((action["limits"]["timeout"], action["limits"]["memory"]), (10000, 128))

        self.assertEqual(self.deploy(file).stdout, "nothing to do: 6 unchanged\n")
        self.assertEqual(self.berthd.api("GET", "/actions/greetings/hello?code=false").json, action)

        self.edit(file, "timeout: 10000", "timeout: 20000")
        expected = ["~ action greetings/hello", "    ~ limit timeout: 10000 -> 20000",
                    "0 to create, 1 to update, 0 to delete, 5 unchanged"]
        self.assertEqual(self.deploy(file, "--dry-run").stdout.splitlines(), expected)
        plan = json.loads(self.deploy(file, "--dry-run", "--json").stdout)
        self.assertEqual((plan["project"], plan["applied"]), ("greeter", False))
        self.assertEqual([(change["name"], change["differences"]) for change in plan["changes"]
                          if change["change"] != "unchanged"],
                         [("greetings/hello", [{"what": "limit timeout", "before": "10000", "after": "20000"}])])
        self.assertEqual(self.deploy(file, "--yes").stdout.splitlines(),
                         expected + ["updated action greetings/hello"])
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 6 unchanged\n")

    def test_code_and_annotations(self):
        file = self.example()
        self.deploy(file, "--yes")
        self.edit(os.path.join(os.path.dirname(file), "src/shout.js"), '"!"', '"!!"')
        self.edit(file, "        web: true\n", "")
        self.edit(file, "hello, shout", "hello, shout, shout")
        shown = self.deploy(file, "--yes").stdout.splitlines()
        self.assertEqual(shown[0], "~ action greetings/shout")
        self.assertRegex(shown[1], r"^    ~ code: \d+ bytes -> \d+ bytes, from line 4$")
        self.assertEqual(sorted(shown[2:5]), ["    - annotation final: true", "    - annotation raw-http: false",
                                              "    - annotation web-export: true"])
        self.assertEqual(shown[5], "~ action greetings/loud")
        self.assertIn('"/guest/greetings/hello","/guest/greetings/shout","/guest/greetings/shout"]', shown[6])
        self.assertEqual(shown[7], "0 to create, 2 to update, 0 to delete, 4 unchanged")
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 6 unchanged\n")
        reply = self.invoke({}, "greetings/loud", "blocking=true&result=true")
        self.assertEqual(reply.json, {"text": "HELLO, WORLD!!!!"})

    def test_prune(self):
        file = self.example()
        self.deploy(file, "--yes")
        self.create("def main(args):\n  return {}\n")
        self.edit(file, "    rules:\n      welcome:\n        trigger: visitor\n        action: loud\n", "")
        self.edit(file, "    sequences:\n      loud:\n        actions: hello, shout\n", "")
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 4 unchanged\n")
        self.assertEqual(self.deploy(file, "--prune", "--yes").stdout.splitlines(), [
            "- rule welcome", "- action greetings/loud", "0 to create, 0 to update, 2 to delete, 4 unchanged",
            "deleted rule welcome", "deleted action greetings/loud"])
        self.assertEqual(self.berthd.api("GET", "/actions/greetings/loud").status, 404)
        self.assertEqual(self.berthd.api("GET", "/actions/" + self.name).status, 200)
        self.assertEqual(self.deploy(file, "--prune").stdout, "nothing to do: 4 unchanged\n")

    def test_goes_on_where_it_failed(self):
        file = self.example()
        self.edit(file, "memorySize: 128", "memorySize: 1")
        failed = self.deploy(file, "--yes", code=1)
        self.assertRegex(failed.stderr, "create action greetings/hello: memory .*; 1 changes were made before")
        self.edit(file, "memorySize: 1", "memorySize: 128")
        self.assertIn("5 to create, 0 to update, 0 to delete, 1 unchanged", self.deploy(file, "--yes").stdout)
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 6 unchanged\n")

    def test_serverless(self):
        with open(os.path.join(self.work, "hello.py"), "w") as file:
            file.write("def greet(args):\n    return {'text': args['greeting'] + ' ' + args.get('name', '?')}\n")
        with open(os.path.join(self.work, "loud.js"), "w") as file:
            file.write("exports.loud = ({text}) => ({text: text.toUpperCase()});\n")
        file = self.write("serverless.yml", SERVERLESS)
        for path in ("/rules/slsshop_order_to_hello", "/rules/slsshop_hello_schedule_rule", "/triggers/order",
                     "/triggers/slsshop_hello_schedule_trigger", "/packages/tools?force=true", "/packages/lib",
                     "/actions/slsshop-dev-hello", "/actions/slsshop-dev-both"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        made = self.deploy(file, "--yes").stdout.splitlines()
        self.assertIn("9 to create, 0 to update, 0 to delete, 0 unchanged", made)
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 9 unchanged\n")
        reply = self.invoke({"name": "Ada"}, "slsshop-dev-both", "blocking=true&result=true")
        self.assertEqual(reply.json, {"text": "HI ADA"})
        action = self.berthd.api("GET", "/actions/slsshop-dev-hello?code=false").json
        self.assertEqual((action["limits"]["timeout"], action["limits"]["memory"]), (5000, 128))
        rule = self.berthd.api("GET", "/rules/slsshop_order_to_hello").json
        self.assertEqual((rule["trigger"]["name"], rule["action"]["name"]), ("order", "slsshop-dev-hello"))
        fired = self.berthd.api("POST", "/triggers/order", {"name": "Bo"})
        self.assertEqual(fired.status, 202, fired)
        clock = json.loads(self.berthd.cli("trigger", "get", "slsshop_hello_schedule_trigger").stdout)
        self.assertEqual(clock["config"]["timezone"], "Europe/Berlin")
        self.assertTrue(clock["status"]["active"])
        # A package of another's, by a name of one's own.
        reply = self.invoke({"separator": ","}, "lib/split", "blocking=true&result=true")
        self.assertEqual(reply.json["lines"], ["a", "b"])
        self.edit(file, "timeout: 5", "timeout: 6")
        self.assertIn("    ~ limit timeout: 5000 -> 6000", self.deploy(file, "--yes").stdout)
        wrong = self.deploy(self.write("wrong.yml", SERVERLESS.replace("trigger: order", "cloudant: x")), code=2)
        self.assertRegex(wrong.stderr, r"wrong\.yml:\d+: function 'hello', events: events of the kind 'cloudant'")

    def test_http_events(self):
        with open(os.path.join(self.work, "hello.py"), "w") as file:
            file.write("def greet(args):\n    text = args['greeting'] + ' ' + args.get('name', '?')\n"
                       "    return {'text': text, 'body': text}\n")
        file = self.write("serverless.yml", SERVERLESS_HTTP)
        for path in ("/actions/slsweb-dev-hello", "/actions/slsweb-dev-other"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        self.addCleanup(self.berthd.cli, "api", "delete", "/slsweb")

        def ask(path, method="GET"):
            return self.berthd.request(method, "/api/v1/gw/guest/slsweb" + path, key=None)

        looked = self.deploy(file, "--dry-run").stdout.splitlines()
        self.assertEqual(looked, [
            "+ action slsweb-dev-hello", "+ action slsweb-dev-other", "+ api /slsweb",
            "    + GET /hello: /guest/slsweb-dev-hello (json)",
            "    + GET /hello/{name}: /guest/slsweb-dev-hello (http)",
            "3 to create, 0 to update, 0 to delete, 0 unchanged"])
        self.assertEqual(ask("/hello").status, 404)
        self.assertIn("created api /slsweb", self.deploy(file, "--yes").stdout)
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 3 unchanged\n")
        self.assertEqual(ask("/hello?name=Ada").json["text"], "Hi Ada")
        self.assertEqual(ask("/hello/Bo").body, "Hi Bo")
        # Nobody gets past the gateway.
        web = "/api/v1/web/guest/default/slsweb-dev-hello.json"
        self.assertEqual(self.berthd.request("GET", web, key=None).status, 401)

        self.edit(file, "      - http: GET /hello\n", "      - http: POST /hello\n")
        self.edit(file, "other: {handler: hello.greet, ",
                  "other: {handler: hello.greet, events: [{http: PUT /hello}], ")
        said = self.deploy(file, "--yes").stdout.splitlines()
        self.assertEqual(said[said.index("~ api /slsweb"):][:4], [
            "~ api /slsweb", "    + POST /hello: /guest/slsweb-dev-hello (json)",
            "    + PUT /hello: /guest/slsweb-dev-other (json)", "    - GET /hello: /guest/slsweb-dev-hello (json)"])
        self.assertEqual([ask("/hello", method).status for method in ("GET", "POST", "PUT")], [405, 200, 200])
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 3 unchanged\n")

        # Of another project: hands off.
        rival = self.write("rival.yml", SERVERLESS_HTTP.replace("service: slsweb", "service: rival"))
        self.assertIn("api '/slsweb' is of the project 'slsweb-dev'", self.deploy(rival, "--yes", code=6).stderr)

        # Of another stage as well.
        prod = self.write("prod.yml", SERVERLESS_HTTP.replace("provider: {", "provider: {stage: prod, "))
        self.assertEqual(self.berthd.cli("undeploy", prod).stdout, "nothing to do: 0 unchanged\n")

        os.remove(os.path.join(self.work, "hello.py"))
        away = self.berthd.cli("undeploy", file, "--yes")
        self.assertEqual(away.stdout.splitlines(), [
            "- api /slsweb", "- action slsweb-dev-other", "- action slsweb-dev-hello",
            "0 to create, 0 to update, 3 to delete, 0 unchanged", "deleted api /slsweb",
            "deleted action slsweb-dev-other", "deleted action slsweb-dev-hello"], away)
        self.assertEqual(ask("/hello/Bo").status, 404)
        self.assertEqual(self.berthd.api("GET", "/actions/slsweb-dev-hello").status, 404)
        self.assertEqual(self.berthd.cli("undeploy", file).stdout, "nothing to do: 0 unchanged\n")

    def test_a_folder_by_patterns(self):
        for name, text in (("hello.py", "from lib.words import text\ndef greet(args):\n    return {'text': text}\n"),
                           ("lib/__init__.py", ""), ("lib/words.py", "text = 'Hello'\n"), ("notes.md", "none of it"),
                           ("loud.js", "exports.loud = () => ({text: require('./lib/words')});\n"),
                           ("lib/words.js", "module.exports = 'HELLO';\n")):
            os.makedirs(os.path.dirname(os.path.join(self.work, name)), exist_ok=True)
            self.write(name, text)
        file = self.write("serverless.yml", "service: slszip\nprovider: openwhisk\npackage: {patterns: ['!*.md']}\n"
                          "functions:\n  hello: {handler: hello.greet, runtime: python}\n  loud: {handler: loud.loud}\n")
        for name in ("hello", "loud"):
            self.addCleanup(self.berthd.api, "DELETE", f"/actions/slszip-dev-{name}")
        self.deploy(file, "--yes")
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 2 unchanged\n")
        for name, text in (("hello", "Hello"), ("loud", "HELLO")):
            reply = self.invoke({}, f"slszip-dev-{name}", "blocking=true&result=true")
            self.assertEqual((reply.status, reply.json), (200, {"text": text}), reply)

    def test_apis_of_a_manifest(self):
        self.write("echo.py", "def main(args):\n  return args\n")
        manifest = ("project: {name: clubs}\npackages:\n  clubs:\n    actions:\n      books: {function: echo.py, web: true}\n"
                    "      shut: {function: echo.py}\n    apis:\n      Club: {clubs: {books: {books: get}}}\n")
        file = self.write("clubs.yaml", manifest)
        self.addCleanup(self.berthd.api, "DELETE", "/packages/clubs?force=true")
        self.addCleanup(self.berthd.cli, "api", "delete", "/clubs")
        self.deploy(file, "--yes")
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 4 unchanged\n")
        reply = self.berthd.request("GET", "/api/v1/gw/guest/clubs/books?isbn=97", key=None)
        self.assertEqual((reply.status, reply.json["isbn"]), (200, "97"))
        wrong = self.deploy(self.write("wrong.yaml", manifest.replace("books: get", "shut: get")), code=2)
        self.assertRegex(wrong.stderr, r"wrong\.yaml:\d+: api '/clubs': action '/_/clubs/shut' is no web action")
        self.edit(file, "    apis:\n      Club: {clubs: {books: {books: get}}}\n", "")
        self.assertIn("deleted api /clubs", self.deploy(file, "--prune", "--yes").stdout)

    def test_asks_on_a_terminal(self):
        file = self.example()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        environment["BERTH_DATA_DIR"] = self.berthd.data_dir
        for answer, code in (("n", 1), ("", 1), ("y", 0)):
            ours, theirs = pty.openpty()
            try:
                os.write(ours, f"{answer}\n".encode())
                done = subprocess.run(
                    [os.path.join(self.berthd.bin_dir, "berth"), "deploy", file], stdin=theirs, capture_output=True,
                    text=True, timeout=PATIENCE, env=environment)
            finally:
                os.close(ours)
                os.close(theirs)
            self.assertEqual(done.returncode, code, done)
            self.assertIn("Apply this? [y/N]", done.stderr)
            self.assertIn("+ rule welcome\n", done.stdout)
            self.assertEqual(self.berthd.api("GET", "/rules/welcome").status, 404 if code else 200)
        self.edit(file, "greeting: Hello", "greeting: Hi")
        done = json.loads(self.deploy(file, "--json", "--yes").stdout)
        self.assertEqual([change["change"] for change in done["changes"]], ["update"] + ["unchanged"] * 5)
        self.assertTrue(done["applied"])

    def test_of_another_project(self):
        file = self.example()
        self.deploy(file, "--yes")
        self.edit(file, "name: greeter", "name: other")
        refused = self.deploy(file, "--yes", code=6)
        self.assertIn("is of the project 'greeter'", refused.stderr)
        self.assertEqual(self.berthd.api("GET", "/packages/greetings").json["version"], "0.0.1")

    def test_what_is_not_there(self):
        file = self.example()
        self.edit(file, "action: loud", "action: quiet")
        refused = self.deploy(file, "--yes", code=2)
        self.assertIn("/_/greetings/quiet' is neither in this file nor on the server", refused.stderr)
        self.assertEqual(self.berthd.api("GET", "/packages/greetings").status, 404)
        self.assertIn("there is no file", self.deploy(self.write("lost.yaml", CLOCKED), code=2).stderr)

    def test_feed_and_environment(self):
        for path in ("/rules/clocked-rule", "/actions/clocked-tick"):
            self.addCleanup(self.berthd.api, "DELETE", path)
        self.addCleanup(self.berthd.cli, "trigger", "delete", "--force", "clocked-hour")
        self.write("tick.py", "def main(args):\n  return args\n")
        file = self.write("clocked.yaml", CLOCKED)
        self.assertIn("clocked.yaml:10: trigger 'clocked-hour', inputs: $CLOCKED_FROM is not set",
                      self.deploy(file, "--yes", code=2).stderr)
        os.environ["CLOCKED_FROM"] = "tell-nobody-of-this"
        self.addCleanup(os.environ.pop, "CLOCKED_FROM")
        self.assertIn("created trigger clocked-hour", self.deploy(file, "--yes").stdout)
        told = json.loads(self.berthd.cli("trigger", "get", "clocked-hour").stdout)
        self.assertEqual(told["config"]["cron"], "0 0 * * * *")
        self.assertEqual(told["config"]["trigger_payload"], {"from": "tell-nobody-of-this"})
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 3 unchanged\n")
        self.edit(file, "0 0 * * * *", "0 30 * * * *")
        os.environ["CLOCKED_FROM"] = "another-secret"
        self.assertEqual(self.deploy(file, "--yes").stdout.splitlines(), [
            "~ trigger clocked-hour", '    ~ input cron: "0 0 * * * *" -> "0 30 * * * *"',
            "    ~ input trigger_payload: (not shown) -> (from the environment)",
            "0 to create, 1 to update, 0 to delete, 2 unchanged", "updated trigger clocked-hour"])
        told = json.loads(self.berthd.cli("trigger", "get", "clocked-hour").stdout)
        self.assertEqual(told["config"]["cron"], "0 30 * * * *")
        self.assertEqual(self.deploy(file).stdout, "nothing to do: 3 unchanged\n")
        nothing = self.write("nothing.yaml", "project: {name: clocked}\npackages: {}\n")
        self.assertEqual(self.deploy(nothing, "--prune", "--yes").stdout.splitlines()[-3:], [
            "deleted rule clocked-rule", "deleted trigger clocked-hour", "deleted action clocked-tick"])
