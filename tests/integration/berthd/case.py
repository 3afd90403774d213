# SPDX-License-Identifier: Apache-2.0
"""What the tests of berthd share: one of its own for each test, in a directory of its own."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

BIN = None  # set by berthd_test.py before any test runs
PATIENCE = 120
NOBODY = 65534
SLEEPER = "import time\ndef main(args):\n    time.sleep(args.get('seconds', 0))\n    return {'slept': True}\n"


def clean_environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
    return {**kept, **more}


class Case(unittest.TestCase):
    ALWAYS = []  # what each start of a class is told

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
             "containers.on_stop=kill", "--set", "containers.prewarm=false", *self.ALWAYS, *arguments],
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
