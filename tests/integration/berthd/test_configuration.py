# SPDX-License-Identifier: Apache-2.0
"""What it says to a bad configuration and a bad place."""
import os
import pathlib
import socket
import sqlite3
import subprocess
import unittest

import case


class BadConfiguration(case.Case):
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


class Documentation(case.Case):
    def test_the_configuration_page_is_what_berthd_says(self):
        page = pathlib.Path(__file__).resolve().parents[3] / "docs/configuration.md"
        run = self.berthd("--reference")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(run.stdout, page.read_text(encoding="utf-8"),
                      "put the output of berthd --reference into docs/configuration.md")


class BadPlace(case.Case):
    def test_a_taken_port_is_named_with_the_mend(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            run = subprocess.run([case.BIN / "berthd", "--data-dir", self.data, "--listen", f"127.0.0.1:{port}"],
                                 capture_output=True, text=True, timeout=case.PATIENCE, check=False,
                                 env=case.clean_environment())
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
        os.chown(self.data, case.NOBODY, case.NOBODY)
        error = self.refused(code=1)
        self.assertIn(f"belongs to uid {case.NOBODY}", error)

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
