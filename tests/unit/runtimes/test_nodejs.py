# SPDX-License-Identifier: Apache-2.0
"""What is particular to the Node.js runtime."""

import os
import unittest

from harness import SENTINEL, RuntimeTest, make_zip

INIT_FAILED = "Initialization has failed due to: "


class NodeJs(RuntimeTest):
    kind = "nodejs"

    def result(self, code, value=None, **options):
        runtime, client = self.started(code, **options)
        reply = client.run(value)
        self.assertEqual(reply.status, 200, (reply, runtime.stderr()))
        return reply.json

    def assert_init_fails(self, code, error, **options):
        runtime = self.start()
        client = self.connect(runtime)
        reply = client.init(code, **options)
        self.assertEqual(reply.status, 502, reply)
        self.assertTrue(reply.json["error"].startswith(INIT_FAILED + error), reply)
        self.assertEqual(runtime.stdout(), SENTINEL)
        self.assertTrue(
            runtime.stderr().startswith("Error during initialization: "), runtime.stderr()
        )
        self.assertTrue(runtime.stderr().endswith("\n" + SENTINEL))
        again = client.init("function main() {}")
        self.assertEqual(
            (again.status, again.json), (403, {"error": "System not ready, status is stopped."})
        )

    def test_ways_to_name_the_function(self):
        for code, main in (
            ("exports.main = () => ({ok: 1})", "main"),
            ("module.exports = {main: () => ({ok: 1})}", "main"),
            ("exports.main = () => ({ok: 1})\n// a comment at the end", "main"),
            ("const main = async () => ({ok: 1})", "main"),
            ("class A { static run() { return {ok: 1}; } }", "A.run"),
            ("x = 1; function niam() { return {ok: x}; }", "niam"),
        ):
            self.assertEqual(self.result(code, main=main), {"ok": 1}, code)

    def test_failing_codes(self):
        self.assert_init_fails("throw new Error('at init')", "Error: at init\n")
        self.assert_init_fails("throw 'text'", "text")
        self.assert_init_fails("const main = 5", "Action entrypoint 'main' is not a function.")
        self.assert_init_fails("require('iamnotthere')", "Error: Cannot find module 'iamnotthere'")
        self.assert_init_fails(
            "let a = ;\nfunction main() {}", "SyntaxError: Unexpected token ';'\n    at "
        )
        no_index = "Zipped actions must contain either package.json or index.js at the root."
        self.assert_init_fails(make_zip({"other.js": ""}), no_index)
        self.assert_init_fails(
            make_zip({"index.js": ""}), "Action entrypoint 'main' is not a function."
        )
        self.assert_init_fails(
            make_zip({"index.js": ""}), "Name of main function is not valid.", main=".x"
        )
        self.assert_init_fails(make_zip({"index.js": "exports.main = 1 +"}), "")

    def test_promises(self):
        self.assertEqual(self.result("async function main() { return {a: 1}; }"), {"a": 1})
        self.assertEqual(self.result("function main() { return Promise.reject(); }"), {"error": {}})
        self.assertEqual(
            self.result("function main() { return {then: (ok) => ok({t: 1})}; }"), {"t": 1}
        )
        error = self.result(
            "async function main() { const e = new TypeError('bad'); e.code = 5; throw e; }"
        )["error"]
        self.assertEqual((error["name"], error["message"], error["code"]), ("TypeError", "bad", 5))
        self.assertTrue(error["stack"].startswith("TypeError"))
        self.assertIn("bad\n    at main", error["stack"])

    def test_rejections_of_every_kind(self):
        runtime, client = self.started("function main(p) { return Promise.reject(eval(p.e)); }")
        for expression, error in (
            ("'text'", "text"),
            ("0", {}),
            ("[1, {a: 2}]", [1, {"a": 2}]),
            (
                "(() => { const a = {n: 1}; a.self = a; return a; })()",
                {"n": 1, "self": "[Circular]"},
            ),
            (
                "({f() {}, b: Buffer.from('x'), n: 10n, d: new Date(0)})",
                {"b": "[object Buffer]", "n": "10n", "d": "1970-01-01T00:00:00.000Z"},
            ),
            ("(function named() {})", "[Function: named]"),
        ):
            reply = client.run({"e": expression})
            self.assertEqual((reply.status, reply.json), (200, {"error": error}), expression)
        cause = client.run({"e": "new Error('a', {cause: new Error('b')})"}).json["error"]
        self.assertEqual((cause["message"], cause["cause"]["message"]), ("a", "b"))

    def test_results_that_are_no_json(self):
        runtime, client = self.started(
            "function main(p) { const a = {}; a.a = a; return p.big ? {n: 1n} : a; }"
        )
        for value in ({}, {"big": 1}):
            reply = client.run(value)
            self.assertEqual((reply.status, reply.json), (500, {"error": "Internal error."}))

    def test_zip_with_index(self):
        code = "const f = require('./lib/f'); exports.main = () => ({f: f(), cwd: process.cwd() === __dirname, d: require('dep')})"
        files = {
            "index.js": code,
            "lib/f.js": "module.exports = () => 7",
            "node_modules/dep/index.js": "module.exports = 'dep'",
        }
        self.assertEqual(self.result(make_zip(files)), {"f": 7, "cwd": True, "d": "dep"})

    def test_zip_with_main_in_another_file(self):
        files = {
            "package.json": '{"main": "a.js"}',
            "a.js": "exports.x = {y: () => ({a: 1})}",
            "b.js": "exports.m = {n: () => ({b: 1})}",
        }
        self.assertEqual(self.result(make_zip(files), main="a.x.y"), {"a": 1})
        self.assertEqual(self.result(make_zip(files), main="b.m.n"), {"b": 1})

    def test_zip_with_es_modules(self):
        module = "import os from 'node:os'; export async function main(p) { return {esm: typeof os.type, p}; }"
        expected = {"esm": "function", "p": {"v": 1}}
        self.assertEqual(self.result(make_zip({"index.mjs": module}), {"v": 1}), expected)
        package = '{"type": "module", "main": "m.js"}'
        self.assertEqual(
            self.result(make_zip({"package.json": package, "m.js": module}), {"v": 1}), expected
        )
        default = "export default {main: () => ({d: 1})}"
        self.assertEqual(self.result(make_zip({"index.mjs": default})), {"d": 1})

    def test_text_can_require_and_import(self):
        code = "async function main() { const os = await import('node:os'); return {t: os.type() === require('os').type()}; }"
        self.assertEqual(self.result(code), {"t": True})

    def test_second_run_while_one_runs(self):
        code = (
            "const fs = require('fs');\n"
            "function main(p) { console.log('started'); return new Promise(done => { const t = setInterval(() => {\n"
            "  if (fs.existsSync(p.f)) { clearInterval(t); done({}); } }, 5); }); }"
        )
        runtime, first = self.started(code)
        second = self.connect(runtime)
        flag = os.path.join(runtime.tmp, "flag")
        first.send(
            b'POST /run HTTP/1.1\r\nContent-Length: %d\r\n\r\n{"value":{"f":"%b"}}'
            % (len(flag) + 18, flag.encode())
        )
        while "started" not in runtime.stdout():
            pass
        reply = second.run()
        self.assertEqual(
            (reply.status, reply.json), (403, {"error": "System not ready, status is running."})
        )
        self.assertEqual(second.init("function main() {}").status, 403)
        open(flag, "w").close()
        self.assertEqual(first.receive().status, 200)
        self.assertEqual(second.run({"f": flag}).status, 200)
        self.assertEqual(runtime.stdout(), ("started\n" + SENTINEL) * 2)

    def test_concurrent_runs_where_allowed(self):
        runtime = self.start(env={"__OW_ALLOW_CONCURRENT": "true"})
        clients = [self.connect(runtime) for _ in range(3)]
        # Each run waits until all three are there.
        code = "const waiting = [];\nfunction main(p) { return new Promise(r => { waiting.push(() => r(p)); if (waiting.length === 3) waiting.forEach(f => f()); }); }"
        self.assertEqual(clients[0].init(code).status, 200)
        for n, client in enumerate(clients):
            client.send(b'POST /run HTTP/1.1\r\nContent-Length: 17\r\n\r\n{"value":{"n":%d}}' % n)
        for n, client in enumerate(clients):
            self.assertEqual(client.receive().json, {"n": n})

    def test_process_death_closes_the_connection(self):
        for code, status in (
            ("function main() { process.kill(process.pid, 'SIGKILL'); }", -9),
            (
                "function main() { return new Promise(() => setTimeout(() => { throw new Error('late'); }, 1)); }",
                1,
            ),
        ):
            runtime, client = self.started(code)
            self.assertIsNone(client.run())
            self.assertEqual(runtime.wait(), status)

    def test_console_the_action_spoils(self):
        code = "console.log = console.error = process.stdout.write = process.stderr.write = () => {};\nfunction main() { return {}; }"
        runtime, client = self.started(code)
        self.assertEqual(client.run().status, 200)
        self.assertEqual((runtime.stdout(), runtime.stderr()), (SENTINEL, SENTINEL))

    def test_body_must_be_an_object(self):
        runtime, client = self.started("function main(p) { return p; }")
        for body in (b"5", b"null", b'"x"'):
            reply = client.request("POST", "/run", body)
            self.assertEqual((reply.status, reply.json), (500, {"error": "Bad request."}))
        self.assertEqual(client.request("POST", "/run", b"").json, {})
        self.assertEqual(client.run(5).status, 403)

    def test_half_closed_connection_gets_its_reply(self):
        import socket

        runtime, client = self.started(
            "function main() { return new Promise(r => setTimeout(() => r({a: 1}), 20)); }"
        )
        client.send(b'POST /run HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"value":{}}')
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.receive().json, {"a": 1})
        self.assertTrue(client.closed())


if __name__ == "__main__":
    unittest.main()
