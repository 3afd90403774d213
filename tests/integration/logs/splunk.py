# SPDX-License-Identifier: Apache-2.0
"""The tests' own Splunk as a child process."""
import http.client
import json
import pathlib
import subprocess
import sys

SERVER = pathlib.Path(__file__).resolve().parents[2] / "support/splunk/splunk_server.py"
TOKEN = "11111111-2222-3333-4444-555555555555"


class Splunk:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, SERVER, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def request(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def faults(self, **faults):
        self.request("POST", "/test/faults", json.dumps(faults))

    def state(self):
        return json.loads(self.request("GET", "/test/state")[1])

    def events(self):
        return json.loads(self.request("GET", "/test/events")[1])

    def search(self, text, **more):
        """The rows of a one-shot search."""
        import urllib.parse
        form = urllib.parse.urlencode({"search": text, "exec_mode": "oneshot", "output_mode": "json", **more})
        status, body = self.request("POST", "/services/search/jobs", form,
                                    {"Authorization": "Bearer search-token"})
        if status != 200:
            raise AssertionError(f"{status} {body}")
        return json.loads(body)["results"]
