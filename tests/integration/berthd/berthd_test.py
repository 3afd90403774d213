#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""berthd as an operator meets it: what it says to a bad configuration, start, stop, a second start.

Usage: berthd_test.py BIN_DIRECTORY [unittest's arguments]
"""
import base64
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import unittest

BIN = None
PATIENCE = 120
NOBODY = 65534
SLEEPER = "import time\ndef main(args):\n    time.sleep(args.get('seconds', 0))\n    return {'slept': True}\n"


def clean_environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
    return {**kept, **more}


class Case(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bth-"))
        self.addCleanup(shutil.rmtree, self.work, True)
        self.data = self.work / "data"

    def config(self, text):
        path = self.work / "berth.toml"
        path.write_text(text)
        return path

    def berthd(self, *arguments, **options):
        """Runs berthd to its end."""
        return subprocess.run([BIN / "berthd", "--data-dir", self.data, "--listen", "127.0.0.1:0", *arguments],
                              capture_output=True, text=True, timeout=PATIENCE, check=False,
                              env=clean_environment(**options))

    def refused(self, *arguments, code=2, **options):
        run = self.berthd(*arguments, **options)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stderr

    def start(self, *arguments):
        log = open(self.work / "log", "a", encoding="utf-8")
        process = subprocess.Popen(
            [BIN / "berthd", "--data-dir", self.data, "--listen", "127.0.0.1:0", "--set",
             "containers.on_stop=kill", "--set", "containers.prewarm=false", *arguments],
            stderr=log, env=clean_environment())
        log.close()
        self.addCleanup(self.end, process)
        host_file = self.data / "apihost"
        limit = time.monotonic() + PATIENCE
        while not host_file.exists():
            self.assertIsNone(process.poll(), self.log())
            self.assertLess(time.monotonic(), limit, self.log())
            time.sleep(0.02)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log(self):
        return (self.work / "log").read_text(encoding="utf-8")

    def cli(self, *arguments):
        return subprocess.run([BIN / "berth", "--data-dir", self.data, *arguments], capture_output=True,
                              text=True, timeout=PATIENCE, check=False, env=clean_environment())

    def address(self):
        host, port = (self.data / "apihost").read_text().strip().removeprefix("http://").rsplit(":", 1)
        return host, int(port)


class Zygotes(Case):
    # Who finds modules first: a fork's are kept by its zygote, out of sight.
    WHO = "import sys\ndef main(args): return {'first': type(sys.meta_path[0]).__name__}\n"

    def first_finder(self, name):
        path = self.work / "who.py"
        path.write_text(self.WHO)
        done = self.cli("action", "create", name, str(path), "--kind", "python:default")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.cli("action", "invoke", name, "--result")
        self.assertEqual(done.returncode, 0, done.stderr + self.log())
        return json.loads(done.stdout)["first"]

    def test_python_functions_are_soon_forked_from_a_warm_interpreter(self):
        self.start()
        self.assertEqual(self.first_finder("first"), "type", "nothing is warm before it is wanted")
        deadline = time.monotonic() + PATIENCE
        count = 0
        while self.first_finder(f"later{count}") != "Pantry":
            self.assertLess(time.monotonic(), deadline, self.log())
            count += 1

    def test_without_zygotes_every_start_is_from_nothing(self):
        self.start("--set", "plugin.process.zygote.enabled=false")
        for count in range(4):
            self.assertEqual(self.first_finder(f"f{count}"), "type")


class BadConfiguration(Case):
    def test_broken_toml_names_file_line_and_column(self):
        path = self.config("[http]\nlisten = \n")
        self.assertIn(f"{path}:2:", self.refused("--config", path))

    def test_a_missing_file_is_named(self):
        self.assertIn("none.toml", self.refused("--config", self.work / "none.toml"))

    def test_unknown_keys_are_errors_with_a_proposal(self):
        path = self.config('[http]\nlistne = "x"\n')
        error = self.refused("--config", path)
        self.assertIn(f"{path}:2: unknown key http.listne; did you mean http.listen?", error)
        self.assertIn("--set nope", self.refused("--set", "nope=1"))

    def test_an_unknown_plugin_is_named_with_those_there_are(self):
        path = self.config('[containers]\nplugin = "warp"\n')
        error = self.refused("--config", path)
        self.assertIn(f"{path}:2: containers.plugin = \"warp\"", error)
        self.assertIn("process", error)

    def test_a_plugin_in_the_wrong_role_is_refused(self):
        error = self.refused("--set", "containers.plugin=file")
        self.assertIn("does not provide berth.container-factory/1", error)

    def test_a_plugins_schema_refuses_its_settings_with_the_line(self):
        path = self.config('[plugin.process]\nnetwork = "carrier-pigeon"\n')
        error = self.refused("--config", path)
        self.assertIn(f"{path}:2", error)
        self.assertIn("/network", error)

    def test_limits_out_of_order_are_refused(self):
        error = self.refused("--set", "limits.memory_default=1024MB")
        self.assertIn("limits.memory_default must not be larger than limits.memory_max", error)

    def test_a_bad_instance_name_is_refused(self):
        self.assertIn("instance must be", self.refused("--set", "instance=No Way"))

    def test_a_plugin_directory_that_is_not_there_is_named(self):
        self.assertIn(str(self.work / "nowhere"), self.refused("--plugin-dir", self.work / "nowhere", code=1))

    def test_a_manifest_that_is_none_names_file_and_pointer(self):
        manifest = self.work / "runtimes.json"
        manifest.write_text('{"runtimes": {"python": 3}}')
        error = self.refused("--set", f"runtimes.manifest={manifest}")
        self.assertIn(str(manifest), error)
        self.assertIn("/runtimes/python", error)

    def test_check_prints_values_with_their_origin(self):
        path = self.config('[http]\nmax_connections = 7\n')
        run = self.berthd("--config", path, "--check", BERTH_LIMITS__LOGS_MAX="2MB")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(f"http.max_connections = 7  # {path}:2", run.stdout)
        self.assertIn("limits.logs_max = 2097152 bytes  # environment BERTH_LIMITS__LOGS_MAX", run.stdout)
        self.assertIn('containers.plugin = "process"  # default', run.stdout)
        self.assertFalse(self.data.exists(), "--check makes nothing")


class Documentation(Case):
    def test_the_configuration_page_is_what_berthd_says(self):
        page = pathlib.Path(__file__).resolve().parents[3] / "docs/configuration.md"
        run = self.berthd("--reference")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(run.stdout, page.read_text(encoding="utf-8"),
                      "put the output of berthd --reference into docs/configuration.md")


class BadPlace(Case):
    def test_a_taken_port_is_named_with_the_mend(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            run = subprocess.run([BIN / "berthd", "--data-dir", self.data, "--listen", f"127.0.0.1:{port}"],
                                 capture_output=True, text=True, timeout=PATIENCE, check=False,
                                 env=clean_environment())
        error = run.stderr
        self.assertEqual(run.returncode, 1, error)
        self.assertIn(f"127.0.0.1:{port}", error)
        self.assertIn("in use", error)

    def test_a_data_directory_that_is_a_file_is_refused(self):
        self.data.write_text("")
        self.assertIn(f"{self.data} is not a directory", self.refused(code=1))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to make a directory of another user")
    def test_a_data_directory_of_another_user_is_refused(self):
        self.data.mkdir()
        os.chown(self.data, NOBODY, NOBODY)
        error = self.refused(code=1)
        self.assertIn(f"belongs to uid {NOBODY}", error)

    def test_a_newer_data_directory_is_refused_and_kept(self):
        self.end(self.start())
        database = sqlite3.connect(self.data / "berth.db")
        database.execute("PRAGMA user_version = 999")
        database.commit()
        database.close()
        error = self.refused(code=1)
        self.assertIn("newer Berth", error)
        self.assertIn("999", error)

    def test_a_data_directory_in_use_names_the_process(self):
        process = self.start()
        self.assertIn(f"process {process.pid}", self.refused(code=1))


class Life(Case):
    def test_secrets_are_private(self):
        self.start()
        for name in ("guest.auth", "berth.db", "admin.sock", "apihost"):
            with self.subTest(name):
                self.assertEqual(stat.S_IMODE((self.data / name).stat().st_mode) & 0o077, 0)
        self.assertEqual(stat.S_IMODE(self.data.stat().st_mode), 0o700)
        key = (self.data / "guest.auth").read_text().strip()
        self.assertNotIn(key.split(":")[1], self.log())

    def test_sigterm_ends_well_and_takes_the_address_away(self):
        process = self.start()
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0, self.log())
        self.assertFalse((self.data / "apihost").exists())
        self.assertIn("msg=stopped", self.log())

    def test_the_key_and_the_actions_outlive_a_restart(self):
        first = self.start()
        key = (self.data / "guest.auth").read_text()
        source = self.work / "f.py"
        source.write_text(SLEEPER)
        self.assertEqual(self.cli("action", "create", "f", str(source)).returncode, 0)
        self.end(first)
        self.start()
        self.assertEqual((self.data / "guest.auth").read_text(), key)
        run = self.cli("action", "invoke", "f", "-r")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn('"slept": true', run.stdout)

    def test_a_stopping_berthd_is_not_ready_and_finishes_what_runs(self):
        process = self.start()
        reply = self.invoke_sleeper(seconds=3)
        process.terminate()
        self.assertEqual(reply.getresponse().status, 200)
        self.assertEqual(process.wait(PATIENCE), 0, self.log())

    def test_a_second_sigterm_stops_at_once_and_records_what_ran(self):
        process = self.start()
        self.invoke_sleeper(seconds=100)
        process.terminate()
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0, self.log())
        database = sqlite3.connect(self.data / "berth.db")
        self.addCleanup(database.close)
        records = database.execute("SELECT count(*) FROM activations").fetchone()[0]
        self.assertEqual(records, 2, "the short one and the interrupted one")

    def invoke_sleeper(self, seconds):
        """Starts a blocking invocation and returns its connection once the function runs."""
        source = self.work / "f.py"
        source.write_text(SLEEPER)
        self.assertEqual(self.cli("action", "create", "f", str(source), "-t", "200000").returncode, 0)
        self.assertEqual(self.cli("action", "invoke", "f", "-r").returncode, 0)
        connection = http.client.HTTPConnection(*self.address(), timeout=PATIENCE)
        self.addCleanup(connection.close)
        key = base64.b64encode((self.data / "guest.auth").read_text().strip().encode()).decode()
        connection.request("POST", "/api/v1/namespaces/_/actions/f?blocking=true&result=true",
                           f'{{"seconds": {seconds}}}',
                           {"Authorization": "Basic " + key, "Content-Type": "application/json"})
        limit = time.monotonic() + PATIENCE
        while '"running": 1' not in self.running():
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)
        return connection

    def running(self):
        """The states of containers, by the administration."""
        class Unix(http.client.HTTPConnection):
            def connect(connection):
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(self.data / "admin.sock"))
        connection = Unix("admin")
        connection.request("GET", "/status")
        text = connection.getresponse().read().decode()
        connection.close()
        return text.replace('":', '": ').replace(":  ", ": ")


class Tls(Case):
    def make_certificate(self, name):
        run = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-keyout", self.work / "key.pem", "-out", self.work / "cert.pem"],
            capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)

    def settings(self):
        return ("--set", f"http.tls_certificate={self.work}/cert.pem", "--set", f"http.tls_key={self.work}/key.pem")

    def common_name(self):
        host, port = (self.data / "apihost").read_text().strip().removeprefix("https://").rsplit(":", 1)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as plain:
            with context.wrap_socket(plain) as secure:
                return secure.getpeercert(binary_form=True)

    def test_the_api_speaks_tls_and_takes_a_new_certificate_at_sighup(self):
        self.make_certificate("first")
        process = self.start(*self.settings())
        self.assertTrue((self.data / "apihost").read_text().startswith("https://"))
        self.assertEqual(self.cli("-i", "action", "list").returncode, 0)
        self.assertNotEqual(self.cli("action", "list").returncode, 0, "a certificate that nobody vouches for")
        first = self.common_name()
        self.make_certificate("second")
        process.send_signal(signal.SIGHUP)
        limit = time.monotonic() + PATIENCE
        while self.common_name() == first:
            self.assertLess(time.monotonic(), limit, self.log())
            time.sleep(0.05)
        second = self.common_name()
        (self.work / "cert.pem").write_text("nonsense")
        process.send_signal(signal.SIGHUP)
        while "the certificate in use stays" not in self.log():
            self.assertLess(time.monotonic(), limit, self.log())
            time.sleep(0.05)
        self.assertEqual(self.common_name(), second)

    def test_a_bad_certificate_is_named(self):
        (self.work / "cert.pem").write_text("nonsense")
        (self.work / "key.pem").write_text("nonsense")
        self.assertIn(f"{self.work}/cert.pem", self.refused(*self.settings(), code=1))

    def test_certificate_and_key_come_together(self):
        self.assertIn("http.tls_certificate needs http.tls_key, too",
                      self.refused("--set", f"http.tls_certificate={self.work}/cert.pem"))


class Administration(Case):
    def run_cli(self, *arguments, code=0):
        run = self.cli(*arguments)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def create(self):
        source = self.work / "f.py"
        source.write_text(SLEEPER)
        self.run_cli("action", "create", "f", str(source))

    def test_a_backup_can_be_put_in_the_place_of_the_store(self):
        process = self.start()
        self.create()
        self.run_cli("action", "invoke", "f", "-r")
        copy = self.work / "copy.db"
        self.assertIn(f"wrote {copy}", self.run_cli("admin", "backup", str(copy)))
        self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)
        self.assertIn("exists", self.run_cli("admin", "backup", str(copy), code=6))
        self.assertIn("no damage found", self.run_cli("admin", "check"))
        self.assertIn("no damage found", self.run_cli("admin", "check", str(copy)))
        self.run_cli("action", "delete", "f")
        self.end(process)
        shutil.move(copy, self.data / "berth.db")
        for name in ("berth.db-wal", "berth.db-shm"):
            (self.data / name).unlink(missing_ok=True)
        self.start()
        self.assertIn('"slept": true', self.run_cli("action", "invoke", "f", "-r"))

    def test_a_namespace_has_limits_of_its_own(self):
        self.start()
        self.create()
        self.assertIn("has no limits of its own", self.run_cli("namespace", "limits", "guest"))
        self.assertIn("invocationsPerMinute", self.run_cli("namespace", "limits", "guest", "invocationsPerMinute=2"))
        for _ in range(2):
            self.run_cli("action", "invoke", "f", "-r")
        refused = self.cli("action", "invoke", "f", "-r")
        self.assertIn("Too many requests in the last minute (count: 3, allowed: 2).", refused.stderr)
        self.run_cli("namespace", "limits", "guest", "invocationsPerMinute=none", "allowedKinds=native:1")
        self.assertIn("not authorized to access actions of kind", self.cli("action", "invoke", "f", "-r").stderr)
        self.assertIn("is no limit of a namespace", self.cli("namespace", "limits", "guest", "speed=1").stderr)
        self.run_cli("namespace", "limits", "guest", "allowedKinds=none")
        self.run_cli("action", "invoke", "f", "-r")

    def test_a_trace_shows_the_phases(self):
        self.start()
        self.create()
        self.run_cli("action", "invoke", "f")
        limit = time.monotonic() + PATIENCE
        while self.cli("activation", "trace", "--last").returncode != 0:
            self.assertLess(time.monotonic(), limit, self.log())
            time.sleep(0.05)
        shown = self.run_cli("activation", "trace", "--last")
        for word in ("queue", "mark", "init", "run", "cold", "guest/f", "transaction"):
            self.assertIn(word, shown)


class Restart(Case):
    """Containers outlive berthd, and the next one goes on using them."""
    NAMES = [f"f{i}" for i in range(100 if os.environ.get("BERTH_SOAK") else 6)]
    SETTINGS = ["--set", "containers.memory=16384MB", "--set", "plugin.process.detach_ttl=\"30s\""]

    def start_detaching(self):
        # The address that functions are told is among what a container was created with.
        return self.start(*self.SETTINGS, "--set", "containers.on_stop=detach",
                          "--set", "containers.api_host=http://127.0.0.1:1")

    def start_last(self):
        """Its end kills all containers."""
        return self.start(*self.SETTINGS, "--set", "containers.api_host=http://127.0.0.1:1")

    def make_warm(self):
        source = self.work / "f.py"
        source.write_text(SLEEPER.replace("    time", "    print('said', args.get('word', 'first'))\n    time"))
        for name in self.NAMES:
            made = self.cli("action", "create", name, str(source), "-m", "128", "-t", "200000")
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertEqual(self.cli("action", "invoke", name, "-r").returncode, 0)

    def metrics(self):
        connection = http.client.HTTPConnection(*self.address(), timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")

    def starts(self, kind):
        return float(self.metrics()[f'berth_container_starts_total{{kind="{kind}"}}'])

    def containers(self):
        listed = self.cli("--json", "container", "list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return json.loads(listed.stdout)

    def invoke_all(self):
        for name in self.NAMES:
            run = self.cli("action", "invoke", name, "-r")
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn('"slept": true', run.stdout)

    def test_after_a_stop_nothing_starts_cold(self):
        first = self.start_detaching()
        self.make_warm()
        before = {entry["name"]: entry["action"] for entry in self.containers()}
        stopped = time.monotonic()
        first.terminate()
        self.assertEqual(first.wait(PATIENCE), 0, self.log())
        self.start_last()
        print(f"unavailable for {time.monotonic() - stopped:.2f} s, {len(self.NAMES)} warm containers", file=sys.stderr)
        self.assertEqual({entry["name"]: entry["action"] for entry in self.containers()}, before)
        self.invoke_all()
        self.assertEqual(self.starts("warm"), len(self.NAMES))
        self.assertEqual(self.starts("cold"), 0)
        # Their logs begin with what they write for us, not with what they wrote before.
        self.assertEqual(self.cli("action", "invoke", "f0", "-r", "-p", "word", "second").returncode, 0)
        logs = self.cli("activation", "logs", "--last")
        self.assertEqual(logs.returncode, 0, logs.stderr)
        self.assertIn("said second", logs.stdout)
        self.assertNotIn("said first", logs.stdout)

    def test_after_a_kill_only_the_one_at_work_is_gone(self):
        first = self.start_detaching()
        self.make_warm()
        connection = http.client.HTTPConnection(*self.address(), timeout=PATIENCE)
        self.addCleanup(connection.close)
        key = base64.b64encode((self.data / "guest.auth").read_text().strip().encode()).decode()
        connection.request("POST", "/api/v1/namespaces/_/actions/f0?blocking=true", '{"seconds": 100}',
                           {"Authorization": "Basic " + key, "Content-Type": "application/json"})
        limit = time.monotonic() + PATIENCE
        while not any(entry["state"] == "running" for entry in self.containers()):
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)
        first.kill()
        first.wait()
        (self.data / "apihost").unlink()
        self.start_last()
        warm = {entry["action"] for entry in self.containers() if entry["state"] != "removing"}
        self.assertEqual(warm, {"guest/" + name for name in self.NAMES[1:]})
        self.invoke_all()
        self.assertEqual(self.starts("warm"), len(self.NAMES) - 1)
        self.assertEqual(self.starts("cold"), 1)

    def test_what_was_created_with_other_settings_is_not_used(self):
        first = self.start_detaching()
        self.make_warm()
        first.terminate()
        self.assertEqual(first.wait(PATIENCE), 0, self.log())
        self.start()
        limit = time.monotonic() + PATIENCE
        while self.containers():
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)


class Containers(Case):
    def test_list_and_stats(self):
        self.start()
        source = self.work / "f.py"
        source.write_text(SLEEPER)
        self.assertEqual(self.cli("action", "create", "f", str(source)).returncode, 0)
        self.assertEqual(self.cli("action", "invoke", "f", "-r").returncode, 0)
        listed = self.cli("container", "list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertRegex(listed.stdout, r"(?m)^NAME +STATE")
        self.assertRegex(listed.stdout, r"(?m)^berth-berth-1 +ready +python.* +256 MB +guest +guest/f ")
        none = self.cli("container", "list", "--state", "paused")
        self.assertEqual(len(none.stdout.splitlines()), 1)
        stats = json.loads(self.cli("--json", "container", "stats").stdout)
        self.assertEqual(stats["states"]["ready"], 1)
        self.assertEqual(stats["memory_used_bytes"], 256 << 20)
        self.assertEqual(stats["queue"], 0)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
