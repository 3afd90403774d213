#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Others believe the tests' Splunk, too: what a real Docker engine sent, and Splunk's own npm clients."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from splunk import Splunk, TOKEN

DATA = pathlib.Path(__file__).resolve().parents[2] / "data/splunk"
PATIENCE = 120

CLIENT = """
const Logger = require('splunk-logging').Logger;
const sdk = require('splunk-sdk');
const [port, token] = [Number(process.argv[2]), process.argv[3]];
const logger = new Logger({token, url: `http://127.0.0.1:${port}`, maxRetries: 0});
const service = new sdk.Service({scheme: 'http', host: '127.0.0.1', port, username: 'admin',
                                 password: 'changeme', version: '9.1'});
const send = (event) => new Promise((resolve, reject) => {
  logger.error = reject;
  logger.send(event, (error, response, body) => error ? reject(error) : resolve(body));
});
async function main() {
  const body = await send({message: {activation_id: '1', temperature: '70F'},
                           metadata: {source: 'chickencoop', index: 'main'}});
  if (body.code !== 0) throw body;
  await service.login();
  const answer = await service.oneshotSearch(
    'search index=main message.temperature=70F | spath path=message.activation_id output=id | table id',
    {earliest_time: '-1h', output_mode: 'json'});
  console.log(JSON.stringify((answer.data || answer).results));
}
main().catch((error) => { console.error('failed', JSON.stringify(error), error); process.exit(1); });
"""


def skip(reason):
    if os.environ.get("BERTH_REQUIRE_ALL") == "1":
        raise AssertionError("not to be skipped here: " + reason)
    raise unittest.SkipTest(reason)


class Recorded(unittest.TestCase):
    def setUp(self):
        self.splunk = Splunk()
        self.addCleanup(self.splunk.stop)

    def replay(self, name):
        """Sends a recorded conversation; the codes of the replies."""
        codes = []
        for head in sorted((DATA / name).glob("*.head")):
            lines = head.read_text().replace("\r", "").splitlines()
            lines = [line for line in lines if line and not line.startswith("#")]
            method, path, _ = lines[0].split(" ")
            headers = dict(line.split(": ", 1) for line in lines[1:])
            headers.pop("Host", None)
            if headers.get("Authorization") == "Splunk T":
                headers["Authorization"] = "Splunk " + TOKEN
            body = head.with_suffix(".body").read_bytes()
            codes.append(self.splunk.request(method, path, body, headers)[0])
        return codes

    def test_dockers_driver_is_understood(self):
        self.assertEqual(self.replay("plain"), [200, 200])
        rows = self.splunk.search("search index=main source=* | spath line | spath source | "
                                  "table line, source | reverse", earliest_time="0", count=0)
        self.assertEqual([row["line"] for row in rows],
                         ["out 1", '{"json":true}', 'quote " back\\slash é', "err 1", "no newline"])
        self.assertEqual(rows[3]["source"], "stderr")

    def test_its_json_format_has_fields_that_can_be_searched(self):
        self.replay("json")
        rows = self.splunk.search("search index=main | spath output=x path=line.json | where x==\"true\" | table x",
                                  earliest_time="0")
        self.assertEqual(rows, [{"x": "true"}])

    def test_its_raw_format_and_gzip(self):
        self.replay("raw")
        self.assertEqual(self.replay("gzip"), [200, 200])
        self.assertEqual(self.splunk.state()["counts"]["gzip"], 1)
        rows = self.splunk.search("search index=myidx sourcetype=mytype | spath attrs.FOO | table attrs.FOO",
                                  earliest_time="0")
        self.assertEqual(rows, [{"attrs.FOO": "bar"}] * 3)

    def test_what_it_repeats_after_503_is_counted(self):
        self.splunk.faults(hec_status=503, hec_count=2)
        self.assertEqual(self.replay("err503-post"), [503, 503, 200])
        self.assertEqual(len(self.splunk.events()), 4)

    def test_a_wrong_query_is_refused(self):
        for text in ('search index="main', "search x | frobnicate", "table x", "search a | where b"):
            with self.assertRaises(AssertionError, msg=text):
                self.splunk.search(text)


class Npm(unittest.TestCase):
    def test_splunks_own_clients_write_and_search(self):
        if not shutil.which("npm") or not shutil.which("node"):
            skip("npm or node is not installed")
        folder = tempfile.mkdtemp(prefix="bth-npm-")
        self.addCleanup(shutil.rmtree, folder, True)
        install = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", folder,
                                  "splunk-logging@0.11", "splunk-sdk@2.0"], capture_output=True, text=True,
                                 cwd=folder, timeout=5 * PATIENCE, check=False)
        if install.returncode != 0:
            skip("npm could not install splunk-logging and splunk-sdk: " + install.stderr[-500:])
        splunk = Splunk()
        self.addCleanup(splunk.stop)
        program = pathlib.Path(folder) / "client.js"
        program.write_text(CLIENT)
        run = subprocess.run(["node", program, str(splunk.port), TOKEN], capture_output=True, text=True,
                             timeout=PATIENCE, check=False,
                             env=dict(os.environ, NODE_PATH=os.path.join(folder, "node_modules")))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(json.loads(re.findall(r"^\[.*\]$", run.stdout, re.M)[-1]), [{"id": "1"}])


if __name__ == "__main__":
    unittest.main(verbosity=2)
