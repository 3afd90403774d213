# SPDX-License-Identifier: Apache-2.0
"""What is particular to the Python runtime."""

import os
import unittest

from harness import SENTINEL, ZYGOTE, RuntimeTest, make_zip

NO_BINARY = {"error": "The action failed to generate or locate a binary. See logs for details."}
NO_START = {"error": "Cannot start action. Check logs for details."}


class Python(RuntimeTest):
    kind = "python"

    def assert_init_fails(self, code, error, log, **options):
        runtime = self.start()
        client = self.connect(runtime)
        reply = client.init(code, **options)
        self.assertEqual((reply.status, reply.json), (502, error), runtime.stderr())
        self.assertIn(log, runtime.stderr())
        self.assertTrue(runtime.stderr().endswith("\n" + SENTINEL))
        self.assertEqual(runtime.stdout(), SENTINEL)
        reply = client.run()
        self.assertEqual((reply.status, reply.json), (500, {"error": "no action defined yet"}))
        return runtime, client

    def test_failing_codes(self):
        abruptly = "Command exited abruptly during initialization."
        self.assert_init_fails(
            "import iamnotsupported\ndef main(p): pass", NO_START, "ModuleNotFoundError"
        )
        self.assert_init_fails("import sys\nsys.exit(1)", NO_START, abruptly)
        self.assert_init_fails("raise KeyboardInterrupt", NO_START, abruptly)
        self.assert_init_fails("def other(p): pass", NO_START, "cannot import name 'main'")
        self.assert_init_fails(
            "def main(p): pass", NO_START, "cannot import name 'niam'", main="niam"
        )
        self.assert_init_fails("x = '\0'", NO_BINARY, "null bytes")
        self.assert_init_fails(
            make_zip({"echo.py": "x = 1"}), NO_BINARY, "Zip file does not include main__"
        )

    def test_init_again_after_a_failed_one(self):
        runtime, client = self.assert_init_fails("raise ValueError('x')", NO_START, "ValueError: x")
        self.assertEqual(client.init("def main(p): return {'ok': 1}").status, 200)
        self.assertEqual(client.run().json, {"ok": 1})

    def test_ways_out_of_the_action(self):
        for code, log in (
            ("exit(3)", ""),
            ("raise SystemExit('a message')", "a message\n"),
            ("raise KeyboardInterrupt()", "KeyboardInterrupt"),
            ("return {'x': {1, 2}}", "TypeError: Object of type set is not JSON serializable"),
            ("a = []; a.append(a); return a", "Circular reference"),
        ):
            runtime, client = self.started(f"def main(p):\n  print('bye', end='')\n  {code}\n")
            reply = client.run()
            self.assertEqual((reply.status, reply.json), (400, {"error": "command exited"}))
            self.assertEqual(runtime.stdout(), "bye" + SENTINEL)
            self.assertIn(log, runtime.stderr())
            self.assertTrue(runtime.stderr().endswith(SENTINEL))
            self.assertEqual(client.run().status, 500)
            self.assertEqual(client.init("def main(p): return {}").status, 403)

    def test_atexit_runs_when_the_action_exits(self):
        runtime, client = self.started(
            "import atexit\natexit.register(print, 'the end')\ndef main(p): exit()"
        )
        self.assertEqual(client.run().status, 400)
        self.assertEqual(runtime.stdout(), "the end\n" + SENTINEL)

    def test_process_death_closes_the_connection(self):
        codes = ["import os\ndef main(p): os._exit(7)"]
        if not ZYGOTE:  # the first process of a namespace cannot kill itself so
            codes.append("import os\ndef main(p): os.kill(os.getpid(), 9)")
        for code in codes:
            runtime, client = self.started(code)
            self.assertIsNone(client.run())
            self.assertIn(runtime.wait(), (7, -9))

    def test_forked_children_do_not_serve(self):
        runtime, client = self.started(
            "import os, sys\n"
            "def main(p):\n"
            "  pid = os.fork()\n"
            "  if pid == 0:\n"
            "    if p['how'] == 'exit': sys.exit(5)\n"
            "    if p['how'] == 'raise': raise ValueError()\n"
            "    return {'child': 1}\n"
            "  return {'code': os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n"
        )
        for how, code in (("exit", 5), ("raise", 1), ("return", 0)):
            self.assertEqual(client.run({"how": how}).json, {"code": code})
        self.assertEqual(runtime.stdout(), SENTINEL * 3)

    def test_results(self):
        runtime, client = self.started("import math\ndef main(p): return eval(p['e'])")
        for expression, status, body in (
            (
                "{'a': 1.5, 'b': [True, None], 'c': 'é'}",
                200,
                '{"a": 1.5, "b": [true, null], "c": "é"}\n',
            ),
            ("(1, 2)", 200, "[1, 2]\n"),
            ("None", 200, "null\n"),
            ("{'s': '\\ud83d'}", 200, '{"s": "\\ud83d"}\n'),
            ("{1: 2}", 200, '{"1": 2}\n'),
            ("5", 502, '{"error":"The action did not return a dictionary or array."}\n'),
            ("'null'", 502, '{"error":"The action did not return a dictionary or array."}\n'),
            (
                "{'x': math.nan}",
                502,
                '{"error":"The action did not return a dictionary or array."}\n',
            ),
            ("1/0", 200, '{"error": "division by zero"}\n'),
        ):
            reply = client.run({"e": expression})
            self.assertEqual((reply.status, reply.body.decode()), (status, body))

    def test_malformed_run_is_refused_and_harmless(self):
        runtime, client = self.started("def main(p): return {'p': p}")
        for body, message in (
            (b"", "unexpected end of JSON input"),
            (b'{"value"', "unexpected end of JSON input"),
            (b'{"value":}', "invalid character '}' looking for beginning of value"),
            (b'{"value" 1}', "invalid character '1' after object key"),
            (b'{"value":1 2}', "invalid character '2' after object key:value pair"),
            (b"{} x", "invalid character 'x' after top-level value"),
            (b'{"a":"\n"}', "invalid character '\\n' in string literal"),
            (b'{"a":"', "unexpected end of JSON input"),
            (b"[" * 100000, "exceeded max depth"),
            (b'{"value":NaN}', "invalid constant NaN"),
            (b"[]", "json: the request is not an object"),
        ):
            reply = client.request("POST", "/run", body)
            self.assertEqual(
                (reply.status, reply.json),
                (400, {"error": "Error unmarshaling request: " + message}),
            )
        self.assertEqual(client.run({"a": 1}).json, {"p": {"a": 1}})
        self.assertEqual(client.request("POST", "/run", b"{}").json, {"p": {}})

    def test_zip_is_the_current_directory_and_the_first_place_of_imports(self):
        files = {
            "__main__.py": "import os, sys\nfrom pack.sub import f\nimport json\n"
            "def main(p): return {'f': f(), 'file': open('data.txt').read(), 'json': hasattr(json, 'mine'), 'name': __name__,"
            " 'here': os.path.dirname(__file__) == os.getcwd() == sys.path[0]}",
            "pack/__init__.py": "",
            "pack/sub.py": "def f(): return 42",
            "data.txt": "d",
            "json.py": "mine = True",
        }
        runtime, client = self.started(make_zip(files))
        expected = {"f": 42, "file": "d", "json": True, "name": "main__", "here": True}
        self.assertEqual(client.run().json, expected)

    def test_virtualenv(self):
        activate = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'site'))\n"
        files = {
            "__main__.py": "import dep\ndef main(p): return {'x': dep.x}",
            "virtualenv/site/dep.py": "x = 9",
        }
        for place in ("bin", "Scripts"):
            runtime, client = self.started(
                make_zip({**files, f"virtualenv/{place}/activate_this.py": activate})
            )
            self.assertEqual(client.run().json, {"x": 9})
        invalid = "Invalid virtualenv. Zip file does not include 'activate_this.py'."
        self.assert_init_fails(make_zip(files), NO_BINARY, invalid)
        failing = make_zip({**files, "virtualenv/bin/activate_this.py": "raise OSError('broken')"})
        self.assert_init_fails(failing, NO_START, "broken")

    def test_text_is_a_file_too(self):
        code = (
            "import inspect\ndef main(p): return {'source': inspect.getsource(main).split('(')[0]}"
        )
        runtime, client = self.started(code)
        self.assertEqual(client.run().json, {"source": "def main"})

    def test_base64_text_is_text(self):
        runtime, client = self.started(b"def main(p): return {'b': 1}")
        self.assertEqual(client.run().json, {"b": 1})

    def test_installed_packages(self):
        code = (
            "import sys\n"
            "def main(p): return {'dist': [d for d in sys.path if d.endswith('-packages')], 'site': 'site' in sys.modules}"
        )
        runtime, client = self.started(code)
        result = client.run().json
        self.assertIn("/usr/lib/python3/dist-packages", result["dist"])
        self.assertFalse(result["site"])

    def test_pth_files_count_once_an_import_needs_them(self):
        code = (
            "import sys, os\n"
            "def main(p):\n"
            "  before = 'site' in sys.modules\n"
            "  import subprocess\n"  # tries modules of other systems: no reason to load site
            "  between = 'site' in sys.modules\n"
            "  try: import no_such_package_at_all\n"
            "  except ImportError: pass\n"
            "  return {'sites': [before, between, 'site' in sys.modules]}\n"
        )
        runtime, client = self.started(code)
        self.assertEqual(client.run().json, {"sites": [False, False, True]})

    def test_the_proxy_is_out_of_sight(self):
        code = (
            "import sys\n"
            "def main(p):\n"
            "  try:\n"
            "    import berth_archive\n"
            "    return {'seen': 1}\n"
            "  except ImportError: return {'argv': sys.argv[0][-8:], 'path': [d for d in sys.path if 'runtimes' in d]}\n"
        )
        runtime, client = self.started(code)
        self.assertEqual(client.run().json, {"argv": "main__.py"[-8:], "path": []})

    def test_time_zone_and_python_path_of_init(self):
        runtime = self.start()
        if runtime.tmp is None:
            self.skipTest("the sandbox's files are its own")
        client = self.connect(runtime)
        with open(os.path.join(runtime.tmp, "onpath.py"), "w") as file:
            file.write("x = 3")
        code = "import time, onpath\ndef main(p): return {'tz': time.strftime('%z', time.localtime(0)), 'x': onpath.x}"
        env = {"TZ": "XXX-5:30", "PYTHONPATH": runtime.tmp}
        self.assertEqual(client.init(code, env=env).status, 200, runtime.stderr())
        self.assertEqual(client.run().json, {"tz": "+0530", "x": 3})

    def test_streams_the_action_spoils(self):
        for code in (
            "sys.stdout = None",
            "sys.stdout.close()",
            "os.close(1)",
            "os.dup2(os.open('/dev/null', 1), 1)",
        ):
            runtime, client = self.started(
                f"import os, sys\ndef main(p):\n  {code}\n  return {{'ok': 1}}\n"
            )
            self.assertEqual(client.run().json, {"ok": 1}, code)
            self.assertEqual(runtime.stdout(), SENTINEL, code)
            self.assertEqual(runtime.stderr(), SENTINEL, code)

    def test_runs_on_the_main_thread(self):
        code = "import threading\ndef main(p): return {'main': threading.current_thread() is threading.main_thread()}"
        runtime, client = self.started(code)
        self.assertEqual(client.run().json, {"main": True})

    def test_signal_interrupts_the_action(self):
        code = (
            "import signal, time\n"
            "def stop(*_): raise TimeoutError('enough')\n"
            "def main(p):\n  signal.signal(signal.SIGALRM, stop); signal.setitimer(signal.ITIMER_REAL, 0.01)\n  time.sleep(60)\n"
        )
        runtime, client = self.started(code)
        self.assertEqual(client.run().json, {"error": "enough"})

    def test_without_byte_code_and_accelerator(self):
        # An interpreter without the C accelerator gives the same replies.
        runtime = self.start()
        import sys

        sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE_DIR"], "runtimes", "python"))
        self.addCleanup(sys.path.pop, 0)
        import importlib
        from unittest import mock

        sys.modules.pop("berth_json", None)
        with mock.patch.dict(sys.modules, {"_json": None}):
            plain = importlib.import_module("berth_json")
        sys.modules.pop("berth_json", None)
        fast = importlib.import_module("berth_json")
        self.assertIsNone(plain.make_scanner)
        self.assertIsNotNone(fast.make_scanner)
        for value in ({"a": [1, 2.5, None, True, "é\ud83d"]}, [], "x", 5):
            self.assertEqual(plain.encode(value), fast.encode(value))
            self.assertEqual(plain.encode(value, compact=True), fast.encode(value, compact=True))
            self.assertEqual(plain.decode(plain.encode(value)), fast.decode(fast.encode(value)))
        for text in (b"", b"{", b"{x", b'{"a":1,}', b"[1 2]", b"nul", b"NaN", b'"\\x"', b"1 1"):
            messages = []
            for module in (plain, fast):
                with self.assertRaises(ValueError) as caught:
                    module.decode(text)
                messages.append(str(caught.exception))
            self.assertEqual(messages[0], messages[1], text)


if __name__ == "__main__":
    unittest.main()
