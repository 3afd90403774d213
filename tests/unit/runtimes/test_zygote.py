# SPDX-License-Identifier: Apache-2.0
"""Forks of a zygote: the same sandbox as a plain start's, fresh, and there again after any end."""

import os
import signal
import time
import unittest

import sandboxed
from harness import RuntimeTest, make_zip, require
from sandboxed import COMMAND, MODULES, PRIVILEGED, SandboxedRuntime, Sandboxer, wait_until

# Everything about the sandbox and the interpreter that a function can see.
INSPECT = """
import os, sys, resource, socket, locale, subprocess, platform, threading, logging
def read(path):
  try:
    with open(path) as file: return file.read()
  except OSError as error: return type(error).__name__
def status():
  wanted = ('Uid', 'Gid', 'Groups', 'Cap', 'NoNewPrivs', 'Seccomp', 'Sig', 'Umask', 'NSpid', 'NSsid',
            'Threads', 'PPid', 'Cpus_allowed_list', 'TracerPid', 'CoreDumping', 'Speculation')
  return [l for l in read('/proc/self/status').splitlines() if l.startswith(wanted)]
def mounts():
  fields = [l.split() for l in read('/proc/self/mountinfo').splitlines()]
  return [(f[4], f[5], f[6:]) for f in fields]
def stream(s):
  return [type(s).__name__, s.encoding, s.errors, s.line_buffering, s.isatty(), s.seekable(), s.name,
          s.fileno(), s.mode, s.buffer.raw.fileno(), s.newlines]
def main(p):
  out = {'pid': os.getpid(), 'ppid': os.getppid(), 'sid': os.getsid(0), 'ids': [os.getresuid(), os.getresgid(), os.getgroups()],
   'status': status(), 'mounts': mounts(), 'cgroup': read('/proc/self/cgroup'), 'oom': read('/proc/self/oom_score_adj'),
   'uid_map': len(read('/proc/self/uid_map').split()), 'net': [l.split(':')[0] for l in read('/proc/net/dev').splitlines()],
   'host': list(os.uname())[1], 'platform': platform.uname()[:2],
   'thread': threading.main_thread().native_id, 'logs': logging._startTime >= float(os.environ['BEGAN']),
   'domain': read('/proc/sys/kernel/domainname'),
   'limits': {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith('RLIMIT_')},
   'environ': ascii(dict(os.environ)), 'getenv': ascii(sorted(l for l in subprocess.check_output(['env']).splitlines() if l[:4] != b'PWD=')),
   'fds': sorted(os.listdir('/proc/self/fd')), 'links': sorted(os.readlink('/proc/self/fd/' + f) for f in ('0',)),
   'argv': [os.path.basename(a) for a in sys.argv], 'flags': str(sys.flags), 'path': [x for x in sys.path if 'berth-action' not in x],
   'modules': sorted(sys.modules), 'main': vars(sys.modules['__main__']).get('__file__'), 'exe': sys.executable,
   'out': stream(sys.stdout), 'err': stream(sys.stderr), 'in': stream(sys.stdin),
   'affinity': sorted(os.sched_getaffinity(0)), 'policy': os.sched_getscheduler(0), 'nice': os.nice(0),
   'locale': locale.setlocale(locale.LC_ALL), 'encoding': [sys.getfilesystemencoding(), locale.getpreferredencoding()],
   'cwd': os.getcwd().startswith('/tmp/berth-action-'), 'root': sorted(os.listdir('/')), 'tmp': len(os.listdir('/tmp')),
   'recursion': sys.getrecursionlimit(), 'switch': sys.getswitchinterval(), 'comm': read('/proc/self/comm')}
  return out
"""


class Zygote(RuntimeTest):
    kind = "python"
    maxDiff = None

    def setUp(self):
        require(sandboxed.usable(), "no sandboxes here: neither root nor user namespaces")

    def runtime(self, **options):
        runtime = SandboxedRuntime(options.pop("env", {}), **options)
        self.addCleanup(runtime.stop)
        return runtime

    def ask(self, runtime, code, value=None):
        client = self.connect(runtime)
        reply = client.init(code)
        self.assertEqual(reply.status, 200, (reply, runtime.stderr()))
        reply = client.run(value)
        self.assertEqual(reply.status, 200, (reply, runtime.stderr()))
        return reply.json

    def own_sandboxer(self, **options):
        sandboxer = Sandboxer(**options)
        self.addCleanup(sandboxer.end)
        return sandboxer

    def test_a_fork_is_what_a_plain_start_is(self):
        sandboxed.sandboxer()  # its zygote is older than the function
        env = {"SECRET": "of this one", "EMPTY": "", "BYTES": "\udcff", "BEGAN": repr(time.time())}
        plain = self.ask(self.runtime(zygote="", env=env, forked=False), INSPECT)
        forked = self.ask(self.runtime(env=env), INSPECT)
        self.assertEqual(plain["pid"], 1)
        self.assertTrue(plain["logs"])
        self.assertEqual(plain, forked)

    def test_a_fork_that_waits_has_written_to_what_its_first_activation_needs(self):
        def faults(pid):
            with open(f"/proc/{pid}/stat") as file:
                return int(file.read().rpartition(")")[2].split()[7])

        def forks(sandboxer):
            zygote = sandboxer.zygote()
            found = {}
            for pid in sandboxer.children():
                with open(f"/proc/{pid}/comm") as file:
                    if pid != zygote and file.read().startswith("python"):
                        found[pid] = faults(pid)
            return found

        sandboxer = self.own_sandboxer(prepared=1).warm()
        wait_until(lambda: sandboxer.settled())
        (pid, before), *others = forks(sandboxer).items()
        self.assertEqual(others, [])
        self.ask(self.runtime(of=sandboxer), "def main(p): return {'x': 1}", {"x": 1})
        self.assertIn(pid, forks(sandboxer))
        # Some hundred of a fork that begins only now.
        self.assertLess(faults(pid) - before, 120)

    def test_imports_bring_what_they_bring_in_a_plain_start(self):
        code = (
            "import sys\n"
            "def main(p):\n"
            "  before = set(sys.modules)\n"
            "  exec(p['code'], {})\n"
            "  packages = {n: sorted(k for k, v in vars(m).items() if isinstance(v, type(sys)))\n"
            "              for n, m in sys.modules.items() if hasattr(m, '__path__')}\n"
            "  names = sorted(set(sys.modules) - before)\n"
            "  return {'names': names, 'packages': packages, 'specs': {n: [type(s.loader).__name__, s.origin, s.cached, s.parent] for n in names for s in [sys.modules[n].__spec__]}}\n"
        )
        for text in [f"import {name}" for name in MODULES + ["http.client", "email.message"]] + [
            "import urllib",
            "from urllib import request",
            "import importlib\nimportlib.import_module('urllib.parse')",
            "import asyncio",
            "from concurrent.futures import ThreadPoolExecutor",
            "import ssl, json, uuid",
        ]:
            with self.subTest(text):
                plain = self.ask(self.runtime(zygote="", forked=False), code, {"code": text})
                self.assertEqual(plain, self.ask(self.runtime(), code, {"code": text}))

    def test_an_import_can_be_repeated(self):
        code = (
            "import sys, importlib, json, logging\n"
            "def main(p):\n"
            "  first = json\n"
            "  del sys.modules['json']\n"
            "  import json as second\n"
            "  logging.raiseExceptions = 'changed'\n"
            "  importlib.reload(logging)\n"
            "  return {'fresh': first is not second, 'reloaded': logging.raiseExceptions, 'parts': first.JSONDecoder is second.JSONDecoder,\n"
            "   'works': second.dumps([1]), 'specs': [type(m.__spec__.loader).__name__ for m in (first, second, logging)]}\n"
        )
        plain = self.ask(self.runtime(zygote="", forked=False), code)
        self.assertEqual([plain["fresh"], plain["reloaded"]], [True, True])
        self.assertEqual(plain, self.ask(self.runtime(), code))

    def test_the_actions_own_files_win(self):
        for shadow, names in (("json", ["json"]), ("random", ["tempfile", "random"])):
            files = {
                "__main__.py": f"import {', '.join(names)}\nimport random, tempfile, json\n"
                "def main(p): return {'own': hasattr(%s, 'mine'), 'inner': tempfile._Random.__module__}" % shadow,
                f"{shadow}.py": "mine = True\nclass Random: pass\n"
                if shadow == "random"
                else "mine = True",
            }
            seen = [
                self.ask(self.runtime(zygote=zygote, forked=bool(zygote)), make_zip(files))
                for zygote in ("", "python")
            ]
            self.assertTrue(seen[0]["own"])
            self.assertEqual(seen[0], seen[1])

    def test_everything_random_is_fresh(self):
        code = (
            "import os, random, secrets, ssl, tempfile, uuid, _random\n"
            "def main(p): return {'random': random.random(), 'os': os.urandom(8).hex(), 'secrets': secrets.token_hex(8),\n"
            " 'ssl': ssl.RAND_bytes(8).hex(), 'uuid4': str(uuid.uuid4()), 'uuid1': str(uuid.uuid1()),\n"
            " 'temp': next(tempfile._get_candidate_names()), 'own': random.Random().random(), 'raw': _random.Random().random()}\n"
        )
        seen = [self.ask(self.runtime(), code) for _ in range(6)]
        for name in seen[0]:
            self.assertEqual(len({one[name] for one in seen}), len(seen), name)

    def test_a_fresh_zygote_has_a_fresh_hash_seed(self):
        sandboxer = self.own_sandboxer(renew_after=3, prepared=0, modules=[]).warm()
        code = "def main(p): return {'hash': hash('tenant'), 'place': id(main)}"
        hashes = set()
        for _ in range(12):
            hashes.add(self.ask(self.runtime(of=sandboxer, forked=None), code)["hash"])
            starts = sandboxer.stats()["zygote_starts"]
            wait_until(lambda: sum(sandboxer.children().values()) == 1 or starts > 3)
        wait_until(lambda: sandboxer.stats()["zygote_starts"] >= 3)
        self.assertGreaterEqual(len(hashes), 2)
        # The replaced ones end.
        wait_until(lambda: sum(sandboxer.children().values()) == 1)

    def test_nothing_of_one_function_reaches_another(self):
        mark = (
            "import json, sys, builtins, os, ssl\n"
            "def main(p):\n"
            "  json.mark = ssl.mark = builtins.mark = sys.mark = 'left'\n"
            "  os.environ['MARK'] = 'left'\n"
            "  open('/tmp/mark', 'w').write('left')\n"
            "  return {}\n"
        )
        look = (
            "import json, sys, builtins, os, ssl\n"
            "def main(p): return {'seen': [hasattr(m, 'mark') for m in (json, ssl, builtins, sys)] + ['MARK' in os.environ, os.path.exists('/tmp/mark')]}\n"
        )
        first = self.runtime(env={"TENANT": "first"})
        self.ask(first, mark)
        self.assertEqual(self.ask(self.runtime(), look), {"seen": [False] * 6})
        # And the zygote itself has seen neither environment nor code.
        zygote = first.sandboxer.zygote()
        with open(f"/proc/{zygote}/environ", "rb") as file:
            self.assertEqual(
                sorted(file.read().split(b"\0")),
                [b"", b"HOME=/tmp", b"LANG=C.UTF-8", b"PATH=/usr/local/bin:/usr/bin:/bin"],
            )

    def test_the_zygote_has_little_power_and_sees_nothing_of_the_host(self):
        sandboxer = sandboxed.sandboxer()
        zygote = sandboxer.zygote()
        with open(f"/proc/{zygote}/status") as file:
            status = {name: value.strip() for name, _, value in (l.partition(":") for l in file)}
        # CAP_SETGID, SETUID, SETPCAP, NET_ADMIN, SYS_ADMIN
        self.assertEqual(int(status["CapBnd"], 16), 1 << 6 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 21)
        self.assertEqual(int(status["CapEff"], 16) & ~int(status["CapBnd"], 16), 0)
        self.assertEqual(int(status["Threads"]), 1)
        self.assertNotIn("shadow", os.listdir(f"/proc/{zygote}/root/etc"))
        self.assertFalse(os.path.exists(f"/proc/{zygote}/root/root"))
        self.assertNotEqual(os.readlink(f"/proc/{zygote}/ns/net"), os.readlink("/proc/self/ns/net"))

    def test_a_fork_has_the_network_that_is_configured(self):
        code = "import os\ndef main(p): return {'net': os.stat('/proc/self/ns/net').st_ino}"
        host = os.stat("/proc/self/ns/net").st_ino
        sandboxer = self.own_sandboxer(network=1, modules=[]).warm()
        self.assertEqual(self.ask(self.runtime(of=sandboxer), code), {"net": host})
        seen = {self.ask(self.runtime(), code)["net"] for _ in range(3)}
        self.assertEqual(len(seen), 3)
        self.assertNotIn(host, seen)

    def test_without_a_zygote_a_start_is_plain_and_another_zygote_comes(self):
        sandboxer = self.own_sandboxer(prepared=0).warm()
        zygote = sandboxer.zygote()
        os.kill(zygote, signal.SIGSTOP)  # so that none is forked of it any more
        os.kill(zygote, signal.SIGKILL)
        wait_until(lambda: zygote not in sandboxer.children())
        code = "def main(p): return {'x': 1}"
        self.assertEqual(self.ask(self.runtime(of=sandboxer, forked=None), code), {"x": 1})
        self.assertNotEqual(sandboxer.zygote(), zygote)
        self.assertEqual(self.ask(self.runtime(of=sandboxer), code), {"x": 1})
        self.assertEqual(sandboxer.stats()["zygote_starts"], 2)

    def test_a_zygote_that_cannot_be_is_told_and_starts_are_plain(self):
        code = "def main(p): return {'x': 1}"
        broken = COMMAND[:-1] + ["/berth/runtimes/python/nothing.py"]
        sandboxer = self.own_sandboxer(command=broken)
        for _ in range(3):
            runtime = self.runtime(of=sandboxer, forked=False)
            self.assertEqual(self.ask(runtime, code), {"x": 1})
            wait_until(lambda: sandboxer.stats()["problem"] != "")
        self.assertIn("nothing.py", sandboxer.stats()["problem"])
        self.assertEqual(sandboxer.stats()["zygotes"], 0)
        self.assertGreaterEqual(sandboxer.stats()["fork_fallbacks"], 3)

    def test_a_module_that_fails_is_told_and_the_rest_is_warm(self):
        sandboxer = self.own_sandboxer(modules=["json", "no_such_module"]).warm()
        self.assertIn("no_such_module", sandboxer.stats()["problem"])
        code = "import json\ndef main(p): return {'x': json.dumps(1)}"
        self.assertEqual(self.ask(self.runtime(of=sandboxer), code), {"x": "1"})

    def assert_refused(self, script, why):
        name = "/python/refused.py"
        sandboxer = self.own_sandboxer(command=COMMAND[:-1] + ["/berth/runtimes" + name])
        with open(f"{sandboxer.directory}/f{name}", "w") as file:
            file.write(script)
        self.runtime(of=sandboxer, forked=False)
        wait_until(lambda: sandboxer.stats()["problem"] != "")
        self.assertIn(why, sandboxer.stats()["problem"])
        self.assertEqual(sandboxer.stats()["zygotes"], 0)
        return sandboxer

    def test_a_zygote_with_a_thread_is_refused(self):
        self.assert_refused(
            "import runpy, threading, time\n"
            "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
            "runpy.run_path('/berth/runtimes/python/proxy.py', run_name='__main__')\n",
            "starts threads",
        )

    def test_a_zygote_with_shared_memory_is_refused(self):
        self.assert_refused(
            "import mmap, runpy\n"
            "shared = mmap.mmap(-1, 4096)\n"
            "runpy.run_path('/berth/runtimes/python/proxy.py', run_name='__main__')\n",
            "shares memory",
        )

    def test_a_zygote_of_another_version_is_refused_whatever_it_says(self):
        for version in (b"", b"\1\0\0\0\0\0\0\0"):
            sandboxer = self.assert_refused(
                "import socket, time\n"
                "print('ready\\n' * 1000, flush=True)\n"
                f"socket.socket(fileno=10).send(b'R' + {version!r})\n"
                "print('still here', flush=True)\n"
                "time.sleep(600)\n",
                "of another version",
            )
            # Several of the pauses after which others are tried again.
            time.sleep(1.5)
            self.assertEqual(sandboxer.stats()["zygote_starts"], 0)
            with open(f"{sandboxer.directory}/d/sandboxer.log") as file:
                self.assertEqual(file.read().count("zygote of python"), 1)

    def test_limits_hold_in_a_fork(self):
        if not PRIVILEGED:
            self.skipTest("memory is limited as root only")
        code = "def main(p):\n  x = bytearray(200 << 20)\n  return {'size': len(x)}"
        runtime = self.runtime(memory=64 << 20)
        client = self.connect(runtime)
        self.assertEqual(client.init(code).status, 200)
        self.assertIsNone(client.run())
        self.assertEqual(runtime.wait(), -signal.SIGKILL)

    def test_zygotes_killed_at_any_moment_leave_nothing(self):
        sandboxer = self.own_sandboxer(prepared=1, modules=[]).warm()
        code = "def main(p): return {'x': 1}"
        for _ in range(12):
            runtime = SandboxedRuntime({}, sandboxer, forked=None)
            for pid, is_zygote in sandboxer.children().items():
                if is_zygote:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            self.assertEqual(self.ask(runtime, code), {"x": 1})
            runtime.stop()
        sandboxer.zygote()
        # One plain sandbox, one fork and the zygote.
        wait_until(lambda: len(sandboxer.children()) == 3)


if __name__ == "__main__":
    unittest.main()
