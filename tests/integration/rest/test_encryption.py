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
            with open(os.path.join(self.keep, name), "w") as file:
                file.write(base64.b64encode(os.urandom(size)).decode() + "\n")

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
                accepted = berthd.api("POST", "/actions/a", {})
                self.record(accepted.json["activationId"])
                # Results are records, not parameters; nothing else tells it.
                berthd.api("PUT", "/actions/a?overwrite=true",
                           {"exec": {"kind": "python:default", "code": CODE}})
        content = self.disk()
        self.assertNotIn(b'"value":"' + SECRET.encode(), content)

    def test_keys_that_are_none(self):
        with open(os.path.join(self.keep, "bad"), "w") as file:
            file.write("not base64 of 32 bytes")
        for keys in (["bad"], ["old"], ["no-such-file"]):
            with self.assertRaisesRegex(RuntimeError, "key"):
                self.start("aes-256", *keys)
