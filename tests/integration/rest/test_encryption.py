# SPDX-License-Identifier: Apache-2.0
"""Parameters encrypted at rest: what clients and the disk see, what functions get, rotation."""

import base64
import os
import shutil
import tempfile

from support import BerthTest, own

CODE = """
import os
def main(args):
    return {"secret": args.get("secret"), "init": os.environ.get("TOKEN"), "n": args.get("n")}
"""
SECRET = "tell-nobody-of-this"
PARAMETERS = [{"key": "secret", "value": SECRET}, {"key": "n", "value": {"a": [1]}},
              {"key": "TOKEN", "value": SECRET + "-either", "init": True}]


class Encryption(BerthTest):
    def setUp(self):
        super().setUp()
        self.keep = tempfile.mkdtemp(prefix="bth-")
        self.addCleanup(shutil.rmtree, self.keep, ignore_errors=True)
        for name, size in (("old", 16), ("new", 32)):
            self.write_key(name, base64.b64encode(os.urandom(size)).decode() + "\n")

    def write_key(self, name, text, mode=0o600):
        path = os.path.join(self.keep, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def start(self, encryption, *keys):
        if self.berthd.data_dir.startswith(self.keep):
            self.assertEqual(self.berthd.stop(), 0)
        files = ", ".join(f'"{os.path.join(self.keep, key)}"' for key in keys)
        berthd = self.berthd = own([f"parameters.encryption={encryption}", f"parameters.key_files=[{files}]"],
                                   keep_data=os.path.join(self.keep, "data"))
        self.addCleanup(berthd.stop)
        return berthd

    def disk(self):
        """All of the store, once berthd has ended."""
        self.assertEqual(self.berthd.stop(), 0)
        content = b""
        for name in os.listdir(os.path.join(self.keep, "data")):
            if name.startswith("berth.db"):
                with open(os.path.join(self.keep, "data", name), "rb") as file:
                    content += file.read()
        return content

    def check_run(self):
        reply = self.invoke({}, name="a", query="blocking=true&result=true")
        self.assertEqual(reply.json, {"secret": SECRET, "init": SECRET + "-either", "n": {"a": [1]}})

    def test_what_was_shown_may_be_sent_back_up_to_the_limit(self):
        # In base64 it is a third longer, and still what it was.
        self.start("aes-256", "new")
        name = "/actions/" + self.name
        parameters = [{"key": "k", "value": "x" * (1024 * 1024 - 16)}]
        put = {"exec": {"kind": "python:default", "code": CODE}, "parameters": parameters}
        shown = self.berthd.api("PUT", name, put)
        self.assertEqual(shown.status, 200, shown)
        again = self.berthd.api("PUT", name + "?overwrite=true", {"parameters": shown.json["parameters"]})
        self.assertEqual(again.status, 200, again)
        parameters[0]["value"] += "x" * 32
        self.assert_error(self.berthd.api("PUT", name + "?overwrite=true", {"parameters": parameters}), 413)

    def test_many_encrypted_parameters(self):
        # Each of them is looked for among all of those that are stored.
        self.start("aes-128", "new", "old")
        name = "/actions/" + self.name
        put = {"exec": {"kind": "python:default", "code": CODE},
               "parameters": [{"key": f"k{n}", "value": n} for n in range(10000)]}
        shown = self.berthd.api("PUT", name, put)
        self.assertEqual(shown.status, 200, shown)
        again = self.berthd.api("PUT", name + "?overwrite=true", {"parameters": shown.json["parameters"]})
        self.assertEqual(again.status, 200, again)
        self.assertEqual(again.json["parameters"], shown.json["parameters"])

    def test_encrypted_and_rotated(self):
        berthd = self.start("off")
        put = {"exec": {"kind": "python:default", "code": CODE}, "parameters": PARAMETERS}
        self.assertEqual(berthd.api("PUT", "/actions/a", put).json["parameters"], PARAMETERS)
        self.assertIn(SECRET.encode(), self.disk())
        for encryption, keys in (("aes-128", ["old"]), ("aes-256", ["old", "new"]), ("aes-256", ["new"])):
            with self.subTest(encryption=encryption, keys=keys):
                berthd = self.start(encryption, *keys)
                shown = berthd.api("GET", "/actions/a").json
                self.assertEqual([entry["encryption"] for entry in shown["parameters"]], [encryption] * 3)
                self.assertTrue(shown["parameters"][2]["init"])
                self.check_run()
                # What was shown may be sent back.
                again = berthd.api("PUT", "/actions/a?overwrite=true", {"parameters": shown["parameters"]})
                self.assertEqual(again.json["parameters"], shown["parameters"])
                self.check_run()
                overridden = self.invoke({"secret": 1}, name="a", query="blocking=true&result=true")
                self.assertEqual(overridden.json["secret"], 1)
                broken = [{**shown["parameters"][0], "value": "AAAA"}]
                self.assert_error(
                    berthd.api("PUT", "/actions/a?overwrite=true", {"parameters": broken}), 400, "no key")
                # Another parameter's text is not opened; who copies the action may send what he was shown.
                moved = [{**shown["parameters"][0], "key": "other"}]
                for path in ("/actions/a?overwrite=true", "/packages/p"):
                    self.assert_error(berthd.api("PUT", path, {"parameters": moved}), 400, "other is encrypted")
                copied = berthd.api("PUT", "/actions/copy?overwrite=true", {**put, "parameters": shown["parameters"]})
                self.assertEqual(copied.json["parameters"], shown["parameters"])
                # A rule is kept with its trigger, whose parameters are encrypted.
                if berthd.api("GET", "/triggers/t").status == 404:
                    berthd.api("PUT", "/triggers/t", {"parameters": PARAMETERS[:1]})
                self.assertEqual(berthd.api("PUT", "/rules/r", {"trigger": "/_/t", "action": "/_/a"}).status, 200)
                self.assertEqual(berthd.api("DELETE", "/rules/r").status, 200)
                accepted = berthd.api("POST", "/actions/a", {})
                self.record(accepted.json["activationId"])
                # Results are records, not parameters; nothing else tells it.
                berthd.api("PUT", "/actions/a?overwrite=true",
                           {"exec": {"kind": "python:default", "code": CODE}})
        content = self.disk()
        # As a parameter, and as one of an accepted activation's arguments.
        for member in (b'"value":"', b'"secret":"'):
            self.assertNotIn(member + SECRET.encode(), content)

    def test_what_no_key_opens_can_be_got_rid_of(self):
        berthd = self.start("aes-128", "old")
        shown = berthd.cli("namespace", "key", "show", "whisk.system")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        system = shown.stdout.strip().splitlines()[-1].removeprefix("AUTH=")
        for name in ("a", "b"):
            put = {"exec": {"kind": "python:default", "code": CODE}, "parameters": PARAMETERS}
            self.assertEqual(berthd.api("PUT", f"/actions/{name}", put).status, 200)
        self.assertEqual(berthd.api("PUT", "/packages/p", {"parameters": PARAMETERS[:1]}).status, 200)
        # What is in the stead of a package of Berth's own keeps it from starting nothing else.
        self.assertEqual(berthd.api("DELETE", "/packages/utils?force=true", key=system).status, 200)
        self.assertEqual(berthd.api("PUT", "/actions/utils", put, key=system).status, 200)

        berthd = self.start("aes-256", "new")
        self.assertEqual(berthd.api("GET", "/actions/a").status, 500)
        self.assertEqual(berthd.api("GET", "/packages/p").status, 500)
        replaced = berthd.api("PUT", "/actions/a?overwrite=true", {"parameters": PARAMETERS})
        self.assertEqual(replaced.status, 200, replaced)
        self.check_run()
        for path in ("/actions/b", "/packages/p"):
            self.assertEqual(berthd.api("DELETE", path).status, 200)
            self.assertEqual(berthd.api("GET", path).status, 404)
        self.assertEqual(berthd.api("GET", "/packages/alarms", key=system).status, 200)

    def test_keys_that_are_none(self):
        self.write_key("bad", "not base64 of 32 bytes")
        for keys in (["bad"], ["old"], ["no-such-file"]):
            with self.assertRaisesRegex(RuntimeError, "key"):
                self.start("aes-256", *keys)

    def test_keys_that_others_may_read(self):
        key = base64.b64encode(os.urandom(32)).decode()
        for name, mode, reason in (("world", 0o604, "mode 0604"), ("writable", 0o620, "mode 0620")):
            self.write_key(name, key, mode)
            with self.subTest(name), self.assertRaisesRegex(RuntimeError, reason + ".*chmod 0600"):
                self.start("aes-256", name)
        self.write_key("long", key + " " * 5000)
        with self.assertRaisesRegex(RuntimeError, "longer than 4096"):
            self.start("aes-256", "long")
        os.mkfifo(os.path.join(self.keep, "pipe"), 0o600)
        with self.assertRaisesRegex(RuntimeError, "is not a file"):
            self.start("aes-256", "pipe")

    def test_alarms_are_encrypted(self):
        berthd = self.start("aes-256", "new")
        self.assertEqual(berthd.api("PUT", "/triggers/t", {}).status, 200)
        feed = "/api/v1/namespaces/whisk.system/actions/alarms/alarm?blocking=true&result=true"
        reply = berthd.request("POST", feed, {"lifecycleEvent": "CREATE", "triggerName": "/_/t",
                                              "cron": "0 0 1 1 *", "trigger_payload": {"secret": SECRET}})
        self.assertEqual(reply.json["config"]["trigger_payload"], {"secret": SECRET})
        self.assertEqual(berthd.stop(), 0)
        berthd = self.start("aes-256", "new")
        reply = berthd.request("POST", feed, {"lifecycleEvent": "READ", "triggerName": "/_/t"})
        self.assertEqual(reply.json["config"]["trigger_payload"], {"secret": SECRET})
        content = self.disk()
        self.assertIn(b"guest/t", content)
        # Neither in the alarm nor in the arguments that the feed was called with; its result is a record.
        self.assertNotIn(b'"config":{"cron":"0 0 1 1 *","trigger_payload":{"secret":"' + SECRET.encode() + b'"}},"created"',
                         content)
