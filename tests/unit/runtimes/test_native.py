# SPDX-License-Identifier: Apache-2.0
"""What is particular to the native runtime: the ActionLoop protocol towards any executable."""

import json
import os
import unittest

from harness import BUILD, SENTINEL, RuntimeTest, make_zip

NO_BINARY = {"error": "The action failed to generate or locate a binary. See logs for details."}
NO_START = {"error": "Cannot start action. Check logs for details."}
ECHO = '#!/bin/sh\nwhile IFS= read -r line; do printf \'{"echo":%s}\\n\' "$line" >&3; done\n'


def script(body):
    """A Python script: one call of body a line."""
    return (
        "#!/usr/bin/python3\nimport json, os, sys, time\ndef say(text): os.write(3, text.encode())\n"
        + body
    )


class Native(RuntimeTest):
    kind = "native"

    def assert_init_fails(self, code, error, log, env=None):
        runtime = self.start(env=env)
        client = self.connect(runtime)
        reply = client.init(code)
        self.assertEqual((reply.status, reply.json), (502, error), runtime.stderr())
        self.assertIn(log, runtime.stderr())
        self.assertTrue(runtime.stderr().endswith("\n" + SENTINEL))
        self.assertEqual(runtime.stdout(), SENTINEL)
        reply = client.run()
        self.assertEqual((reply.status, reply.json), (500, {"error": "no action defined yet"}))
        self.assertEqual(client.init(ECHO).status, 200)

    def test_compiled_program(self):
        with open(os.path.join(BUILD, "tests", "berth_echo_action"), "rb") as file:
            program = file.read()
        for code in (program, make_zip({"exec": program, "other": "x"})):
            runtime, client = self.started(code)
            request = {"value": {"a": "é"}, "activation_id": "1" * 32, "deadline": "5"}
            for _ in range(3):
                reply = client.request("POST", "/run", request)
                self.assertEqual((reply.status, reply.json), (200, {"echo": request}))
                self.assertTrue(reply.body.endswith(b"}\n"))
            line = json.dumps(request)
            self.assertEqual(runtime.stdout(), f"{len(line) + 1} bytes\n{SENTINEL}" * 3)

    def test_zip_is_the_current_directory(self):
        code = '#!/bin/sh\nwhile read -r line; do echo "{\\"d\\":\\"$(cat data)\\",\\"z\\":\\"$(dirname "$0")\\",\\"c\\":\\"$(pwd)\\"}" >&3; done\n'
        runtime, client = self.started(make_zip({"exec": code, "data": "content"}))
        result = client.run().json
        self.assertEqual((result["d"], result["z"]), ("content", result["c"]))
        self.assertTrue(result["z"].startswith(runtime.tmp))

    def test_codes_that_do_not_start(self):
        self.assert_init_fails("#!/no/such/interpreter\n", NO_START, "No such file or directory")
        self.assert_init_fails(b"\x7fELF garbage", NO_START, "Exec format error")
        self.assert_init_fails(
            make_zip({"other": "x"}), NO_BINARY, "Zip file does not include exec"
        )
        self.assert_init_fails(
            make_zip({"exec/x": "x"}), NO_BINARY, "Zip file does not include exec"
        )

    def test_acknowledgement(self):
        ack = script(
            "assert os.environ['__OW_WAIT_FOR_ACK']\ntime.sleep(0.01)\nsay('{\"ok\":true}\\n')\nfor l in sys.stdin: say('{}\\n')\n"
        )
        for name in ("OW_WAIT_FOR_ACK", "__OW_WAIT_FOR_ACK"):
            runtime = self.start(env={name: "1"})
            client = self.connect(runtime)
            self.assertEqual(client.init(ack).status, 200, runtime.stderr())
            self.assertEqual(client.run().json, {})
        env = {"__OW_WAIT_FOR_ACK": "1"}
        for line in ('{"ok":false}\\n', "[]\\n", "nonsense\\n", "{}\\n"):
            code = script(f"if 'seen' not in os.environ: say('{line}')\nsys.stdin.read()\n")
            runtime = self.start(env=env)
            reply = self.connect(runtime).init(code)
            self.assertEqual((reply.status, reply.json), (502, NO_START))
            self.assertIn("The action did not initialize properly.", runtime.stderr())
        runtime = self.start(env=env)
        reply = self.connect(runtime).init("#!/bin/sh\necho dying >&2\nexit 3\n")
        self.assertEqual((reply.status, reply.json), (502, NO_START))
        self.assertEqual(
            runtime.stderr(), "dying\nCommand exited abruptly during initialization.\n" + SENTINEL
        )

    def test_ways_to_end(self):
        for body in (
            "#!/bin/sh\nread -r line\necho bye\nexit 3\n",
            "#!/bin/sh\nread -r line\necho bye\nkill -9 $$\n",
            "#!/bin/sh\nread -r line\necho bye\nexec 3>&-\nsleep 100\n",
            "#!/bin/sh\nread -r line\necho bye\n(sleep 100)&\nexit 0\n",
            "#!/bin/sh\nread -r line\necho bye\nprintf 'half a line' >&3\nexit 0\n",
        ):
            runtime, client = self.started(body)
            reply = client.run()
            self.assertEqual((reply.status, reply.json), (400, {"error": "command exited"}))
            self.assertEqual((runtime.stdout(), runtime.stderr()), ("bye\n" + SENTINEL, SENTINEL))
            reply = client.run()
            self.assertEqual((reply.status, reply.json), (500, {"error": "no action defined yet"}))
            self.assertEqual(client.init(ECHO).status, 403)

    def test_an_answer_before_the_end_counts(self):
        runtime, client = self.started("#!/bin/sh\nread -r line\necho '{\"last\":1}' >&3\nexit 0\n")
        self.assertEqual(client.run().json, {"last": 1})
        reply = client.run()
        self.assertIn(reply.status, (400, 500))
        self.assertEqual(reply.json, {"error": "command exited"})
        self.assertEqual(runtime.stdout(), SENTINEL * 2)

    def test_program_that_ends_at_once(self):
        runtime, client = self.started("#!/bin/sh\necho wrong >&2\n")
        reply = client.run()
        self.assertIn(reply.status, (400, 500))
        self.assertEqual(reply.json, {"error": "command exited"})
        self.assertEqual(runtime.stderr(), "wrong\n" + SENTINEL)

    def test_answers(self):
        runtime, client = self.started(
            script("for line in sys.stdin: say(json.loads(line)['value']['say'] + '\\n')\n")
        )
        refused = '{"error":"The action did not return a dictionary or array."}\n'
        for answer, status in (
            ('{"a":1}', 200),
            (' {"a" : [ 1 , -2.5e+3 , true , false , null , "\\u00e9\\n" ] , "b" : { } } ', 200),
            ("[1,2]", 200),
            ("[]", 200),
            ("null", 200),
            ("5", 502),
            ('"text"', 502),
            ("true", 502),
            ("", 502),
            ("nonsense", 502),
            ("{", 502),
            ('{"a":1}}', 502),
            ('{"a":01}', 502),
            ('{"a":1.}', 502),
            ('{"a":+1}', 502),
            ('{"a":"\\x"}', 502),
            ('{"a":"\\u12g4"}', 502),
            ("{'a':1}", 502),
            ('{"a":1,}', 502),
            ("[1 2]", 502),
            ("[" * 20000, 502),
            ("[" * 9000 + "]" * 9000, 200),
        ):
            reply = client.run({"say": answer})
            self.assertEqual(
                (reply.status, reply.body.decode()),
                (status, answer + "\n" if status == 200 else refused),
            )

    def test_program_that_answers_before_reading(self):
        runtime, client = self.started(
            script(
                "say('{\"early\":1}\\n')\ntime.sleep(0.05)\nfor line in sys.stdin: say('{\"n\":%d}\\n' % len(line))\n"
            )
        )
        self.assertEqual(client.run().json, {"early": 1})
        self.assertIn("n", client.run().json)

    def test_program_that_writes_much_before_it_reads(self):
        big = 3 * 1024 * 1024
        code = script(
            "for _ in range(2):\n"
            '  say(\'{"a":"\')\n'
            f"  for _ in range({big} // 4096): say('x' * 4096)\n"
            "  say('\"}\\n')\n"
            "  sys.stdin.readline()\n"
            "sys.stdin.read()\n"
        )
        runtime, client = self.started(code)
        for _ in range(2):
            self.assertEqual(len(client.run({"in": "y" * big}).json["a"]), big)

    def test_malformed_init(self):
        runtime = self.start()
        client = self.connect(runtime)
        for body, message in (
            (b"", "unexpected end of JSON input"),
            (b"{not json", "invalid character 'n' looking for beginning of object key string"),
            (b'{"value":{"code":"x"', "unexpected end of JSON input"),
            (b'{"value":{"code":"x"} x', "invalid character 'x' after object key:value pair"),
            (b'{"value":[1 2]}', "invalid character '2' after array element"),
            (b'{"value" 1}', "invalid character '1' after object key"),
            (b"{} x", "invalid character 'x' after top-level value"),
            (b'{"a":"\n"}', "invalid character '\n' in string literal"),
            (b'{"a":"\\x"}', "invalid character 'x' in string escape code"),
            (b'{"a":"\\u12x4"}', "invalid character 'x' in \\u hexadecimal character escape"),
            (b'{"a":trve}', "invalid character 'v' in literal true"),
            (b'{"a":-x}', "invalid character 'x' in numeric literal"),
            ('{"a":é}'.encode(), "invalid character 'é' looking for beginning of value"),
            (b"[" * 10001, "exceeded max depth"),
            (
                b'{"value":{"code":5}}',
                "json: cannot unmarshal field value.code, which is not of type string",
            ),
            (
                b'{"value":{"code":"x","binary":1}}',
                "json: cannot unmarshal field value.binary, which is not of type bool",
            ),
            (
                b'{"value":{"code":"x","env":[]}}',
                "json: cannot unmarshal field value.env, which is not of type map",
            ),
        ):
            reply = client.request("POST", "/init", body)
            self.assertEqual(
                (reply.status, reply.json),
                (400, {"error": "Error unmarshaling request: " + message}),
            )
        for body in (
            b"{}",
            b'{"value":null}',
            b'{"value":{"code":""}}',
            b'{"value":{"code":null}}',
            b"[]",
            b"5",
        ):
            reply = client.request("POST", "/init", body)
            self.assertEqual(
                (reply.status, reply.json),
                (403, {"error": "Missing main/no code to execute."}),
                body,
            )

    def test_escapes_in_code_and_environment(self):
        code = '#!/bin/sh\n# \u00e9 \ud83d\ude00 "quoted" \\back\\\nwhile read -r line; do printf \'{"e":"%s"}\\n\' "$E" >&3; done\n'
        runtime = self.start()
        client = self.connect(runtime)
        body = (
            '{"value": {"env": {"E": "\\u00e9\\ud83d\\ude00\\/\\ud83dx"}, "name": "\\"}{", "code": %s}}'
            % json.dumps(code)
        )
        self.assertEqual(client.request("POST", "/init", body.encode()).status, 200)
        self.assertEqual(client.run().json, {"e": "é😀/\ufffdx"})
        (directory,) = os.listdir(runtime.tmp)
        with open(os.path.join(runtime.tmp, directory, "exec"), encoding="utf-8") as file:
            self.assertEqual(
                file.read(),
                '#!/bin/sh\n# é 😀 "quoted" \\back\\\nwhile read -r line; do printf \'{"e":"%s"}\\n\' "$E" >&3; done\n',
            )

    def test_orphans_are_reaped_without_confusion(self):
        code = "#!/bin/sh\nwhile read -r line; do (sleep 0.01 &) ; echo '{\"ok\":1}' >&3; done\n"
        runtime, client = self.started(code)
        for _ in range(20):
            self.assertEqual(client.run().json, {"ok": 1})


if __name__ == "__main__":
    unittest.main()
