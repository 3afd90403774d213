# SPDX-License-Identifier: Apache-2.0
"""APIs of the gateway with berth's own commands, keys of namespaces, and what stays after a restart."""

import json
import os

from support import PYTHON, BerthTest, own

WHO = """
def main(args):
    return {"body": {"book": args.get("isbn"), "method": args["__ow_method"], "path": args["__ow_path"]}}
"""


class Gateway(BerthTest):
    def cli(self, *arguments, code=0):
        done = self.berthd.cli(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def ask(self, method, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.berthd.request(method, "/api/v1/gw/guest" + path, headers=headers, key=None)

    def test_the_commands_make_and_take_apis(self):
        self.create(WHO, name="who", annotations=[{"key": "web-export", "value": True},
                                                  {"key": "require-whisk-auth", "value": "s3cret"}])
        self.create(PYTHON, name="closed")
        self.addCleanup(self.berthd.cli, "api", "delete", "/club")
        said = self.cli("api", "create", "/club", "/books/{isbn}", "get", "who", "--apiname", "Book Club",
                        "--response-type", "http")
        self.assertIn(f"GET {self.berthd.api_host}/api/v1/gw/guest/club/books/{{isbn}} answered by /guest/who", said)
        self.assertIn("is no web action", self.cli("api", "create", "/club", "/x", "get", "closed", code=1))
        self.assertIn("/apidoc/gatewayPath", self.cli("api", "create", "/club", "/{a}{b}", "get", "who", code=1))
        reply = self.ask("GET", "/club/books/97")
        self.assertEqual((reply.status, reply.json),
                         (200, {"book": "97", "method": "get", "path": "/club/books/97"}), reply)
        self.assertEqual(self.ask("PUT", "/club/books/97").status, 405)

        self.cli("api", "create", "Book Club", "/books", "POST", "who", "--key-header", "x-api-key")
        self.assertEqual(self.ask("POST", "/club/books").status, 401)
        made = json.loads(self.cli("--json", "api", "key", "create", "/club", "--note", "app"))
        self.assertEqual(self.ask("POST", "/club/books", x_api_key=made["key"]).status, 200)
        self.assertIn("app", self.cli("api", "key", "list", "Book Club"))
        self.cli("api", "key", "delete", "/club", made["id"])
        self.assertEqual(self.ask("POST", "/club/books", x_api_key=made["key"]).status, 401)

        listed = self.cli("api", "list")
        self.assertRegex(listed, r"(?m)^/guest/who +GET +Book Club +http://.*/club/books/\{isbn\}$")
        self.assertNotIn("POST", self.cli("api", "list", "/club", "/books/{isbn}"))
        file = os.path.join(self.berthd.work, "club.json")
        with open(file, "w") as out:
            out.write(self.cli("api", "get", "/club"))
        self.cli("api", "delete", "/club", "/books")
        self.assertEqual(self.ask("POST", "/club/books").status, 404)
        self.assertEqual(self.cli("api", "create", "--config-file", file).count("answered by"), 2)
        self.assertEqual(self.ask("POST", "/club/books").status, 401)
        self.cli("api", "delete", "/club")
        self.assertEqual(self.ask("GET", "/club/books/97").status, 404)
        self.cli("api", "get", "/club", code=5)

    def test_keys_with_rights_and_a_blocked_namespace(self):
        berthd = own()
        self.addCleanup(berthd.stop)
        self.berthd = berthd
        made = json.loads(self.cli("--json", "namespace", "key", "create", "guest", "--subject", "ci",
                                   "--rights", "read,invoke", "--expires", "1h"))
        self.assertEqual(berthd.api("GET", "/actions", key=made["key"]).status, 200)
        self.assertEqual(berthd.api("PUT", "/packages/p", {}, key=made["key"]).status, 403)
        self.assertRegex(self.cli("namespace", "key", "list", "--subject", "ci"), r"(?m)^guest +ci +.*read,activate")
        old = berthd.key
        fresh = json.loads(self.cli("--json", "namespace", "key", "rotate", "guest", "--overlap", "1h"))
        self.assertNotEqual(fresh["key"], old)
        for key in (old, fresh["key"]):
            self.assertEqual(berthd.api("GET", "/actions", key=key).status, 200)
        with open(os.path.join(berthd.data_dir, "guest.auth")) as file:
            self.assertEqual(file.read().strip(), fresh["key"])
        self.cli("namespace", "key", "delete", "guest", made["uuid"])
        self.assertEqual(berthd.api("GET", "/actions", key=made["key"]).status, 401)
        self.assertIn("own key", self.cli("namespace", "key", "delete", "guest", fresh["uuid"], code=6))
        self.assertIn("is no time", self.cli("namespace", "key", "rotate", "guest", "--overlap", "soon", code=2))
        self.assertIn("opens nothing", self.cli("namespace", "key", "create", "guest", "--expires", "0s", code=2))

        usage = json.loads(self.cli("--json", "namespace", "usage", "guest"))
        self.assertEqual((usage["name"], usage["actions"], usage["running"], usage["blocked"]), ("guest", 0, 0, False))
        self.cli("namespace", "block", "guest")
        self.assertEqual(berthd.api("GET", "/actions", key=fresh["key"]).status, 401)
        self.assertRegex(self.cli("namespace", "list"), r"(?m)^guest .*yes$")
        self.cli("namespace", "unblock", "guest")
        self.assertEqual(berthd.api("GET", "/actions", key=fresh["key"]).status, 200)
