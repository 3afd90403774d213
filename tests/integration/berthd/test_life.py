# SPDX-License-Identifier: Apache-2.0
"""Start, stop, a second start; TLS."""
import base64
import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import time

import case


class Life(case.Case):
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
        self.assertEqual(process.wait(case.PATIENCE), 0, self.log())
        self.assertFalse((self.data / "apihost").exists())
        self.assertIn("msg=stopped", self.log())

    def test_the_key_and_the_actions_outlive_a_restart(self):
        first = self.start()
        key = (self.data / "guest.auth").read_text()
        source = self.work / "f.py"
        source.write_text(case.SLEEPER)
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
        self.assertEqual(process.wait(case.PATIENCE), 0, self.log())

    def test_a_second_sigterm_stops_at_once_and_records_what_ran(self):
        process = self.start()
        self.invoke_sleeper(seconds=100)
        process.terminate()
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        process.terminate()
        self.assertEqual(process.wait(case.PATIENCE), 0, self.log())
        database = sqlite3.connect(self.data / "berth.db")
        self.addCleanup(database.close)
        records = database.execute("SELECT count(*) FROM activations").fetchone()[0]
        self.assertEqual(records, 2, "the short one and the interrupted one")

    def invoke_sleeper(self, seconds):
        """Starts a blocking invocation and returns its connection once the function runs."""
        source = self.work / "f.py"
        source.write_text(case.SLEEPER)
        self.assertEqual(self.cli("action", "create", "f", str(source), "-t", "200000").returncode, 0)
        self.assertEqual(self.cli("action", "invoke", "f", "-r").returncode, 0)
        connection = http.client.HTTPConnection(*self.address(), timeout=case.PATIENCE)
        self.addCleanup(connection.close)
        key = base64.b64encode((self.data / "guest.auth").read_text().strip().encode()).decode()
        connection.request("POST", "/api/v1/namespaces/_/actions/f?blocking=true&result=true",
                           f'{{"seconds": {seconds}}}',
                           {"Authorization": "Basic " + key, "Content-Type": "application/json"})
        limit = time.monotonic() + case.PATIENCE
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


class LifeOnThreads(Life):
    """The same with threads for HTTP beside the one of the containers."""
    ALWAYS = ["--set", "http.threads=2"]

    def threads(self, process):
        """By name, how often each was woken; a thread that it made has its name, too."""
        found = {}
        for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
            status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
            woken = int(status["voluntary_ctxt_switches"])
            found[status["Name"]] = max(woken, found.get(status["Name"], 0))
        return {name: count for name, count in found.items() if name.startswith("berthd-http-")}

    def test_each_has_its_connections(self):
        process = self.start()
        before = self.threads(process)
        self.assertEqual(sorted(before), ["berthd-http-1", "berthd-http-2"])
        connections = [http.client.HTTPConnection(*self.address(), timeout=case.PATIENCE) for _ in range(2)]
        for connection in connections:
            self.addCleanup(connection.close)
        for _ in range(20):
            for connection in connections:
                connection.request("GET", "/ping")
                self.assertEqual(connection.getresponse().read(), b"pong")
        for name, count in self.threads(process).items():
            # A busy thread finds the next request without having slept.
            self.assertGreater(count, before[name], f"{name} served none of them")

    def test_a_taken_address_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = "127.0.0.1:%d" % other.getsockname()[1]
            run = subprocess.run([case.BIN / "berthd", "--data-dir", self.data, "--listen", address, *self.ALWAYS],
                                 capture_output=True, text=True, timeout=case.PATIENCE, check=False,
                                 env=case.clean_environment())
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn(f"{address} is in use", run.stderr)


class Tls(case.Case):
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
        with socket.create_connection((host, int(port)), timeout=case.PATIENCE) as plain:
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
        limit = time.monotonic() + case.PATIENCE
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

    def test_threads_speak_it_too(self):
        self.make_certificate("first")
        self.start(*self.settings(), "--set", "http.threads=2")
        self.assertEqual(self.cli("-i", "action", "list").returncode, 0)
        self.common_name()

    def test_a_bad_certificate_is_named(self):
        (self.work / "cert.pem").write_text("nonsense")
        (self.work / "key.pem").write_text("nonsense")
        self.assertIn(f"{self.work}/cert.pem", self.refused(*self.settings(), code=1))

    def test_certificate_and_key_come_together(self):
        self.assertIn("http.tls_certificate needs http.tls_key, too",
                      self.refused("--set", f"http.tls_certificate={self.work}/cert.pem"))


class Restart(case.Case):
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
        source.write_text(case.SLEEPER.replace("    time", "    print('said', args.get('word', 'first'))\n    time"))
        for name in self.NAMES:
            made = self.cli("action", "create", name, str(source), "-m", "128", "-t", "200000")
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertEqual(self.cli("action", "invoke", name, "-r").returncode, 0)

    def metrics(self):
        connection = http.client.HTTPConnection(*self.address(), timeout=case.PATIENCE)
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
        self.assertEqual(first.wait(case.PATIENCE), 0, self.log())
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
        connection = http.client.HTTPConnection(*self.address(), timeout=case.PATIENCE)
        self.addCleanup(connection.close)
        key = base64.b64encode((self.data / "guest.auth").read_text().strip().encode()).decode()
        connection.request("POST", "/api/v1/namespaces/_/actions/f0?blocking=true", '{"seconds": 100}',
                           {"Authorization": "Basic " + key, "Content-Type": "application/json"})
        limit = time.monotonic() + case.PATIENCE
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
        self.assertEqual(first.wait(case.PATIENCE), 0, self.log())
        self.start()
        limit = time.monotonic() + case.PATIENCE
        while self.containers():
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)
