# SPDX-License-Identifier: Apache-2.0
"""What all three proxies share: the HTTP side, sockets, environment, large values."""

import base64
import json
import os
import socket
import subprocess
import unittest

from harness import COMMANDS, PATIENCE, SENTINEL, RuntimeTest

ECHO = {
    "python": "def main(p): return {'echo': p}",
    "nodejs": "function main(p) { return {echo: p}; }",
    # The whole request line is JSON: the value is passed on untouched inside of it.
    "native": '#!/bin/sh\nwhile IFS= read -r line; do printf \'{"echo":%s}\\n\' "$line" >&3; done\n',
}
FAST_ECHO = """#!/usr/bin/python3
import sys
with open(3, "w") as out:
    for line in sys.stdin:
        out.write('{"echo":' + line.rstrip("\\n") + "}\\n")
        out.flush()
"""
SLOW = {
    "python": "import time\ndef main(p):\n  time.sleep(p['s'])\n  return {'s': p['s']}",
    "native": "#!/bin/sh\nwhile read -r line; do sleep 0.2; echo '{\"s\":0.2}' >&3; done\n",
}
ENVIRONMENT = {
    "python": "import os\ndef main(p): return {n: v for n, v in os.environ.items()}",
    "nodejs": "function main() { return {...process.env}; }",
    "native": "#!/usr/bin/python3\nimport json, os, sys\nfor line in sys.stdin: os.write(3, (json.dumps(dict(os.environ)) + '\\n').encode())\n",
}
DESCRIPTORS = {
    "python": "import subprocess\ndef main(p): return {'fds': subprocess.run(['ls', '-l', '/proc/self/fd'], capture_output=True, text=True).stdout}",
    "nodejs": "function main() { return {fds: require('child_process').execFileSync('ls', ['-l', '/proc/self/fd'], {encoding: 'utf8'})}; }",
    "native": "#!/usr/bin/python3\nimport json, os, subprocess, sys\nfor line in sys.stdin: os.write(3, (json.dumps({'fds': subprocess.run(['ls', '-l', '/proc/self/fd'], capture_output=True, text=True).stdout}) + '\\n').encode())\n",
}


class Shared:
    """Mixed into one TestCase a kind."""

    def echoed(self, reply):
        """The value that the echo action got."""
        echo = reply.json["echo"]
        return echo["value"] if self.kind == "native" else echo

    def start_echo(self, **options):
        runtime = self.start(**options)
        client = self.connect(runtime)
        self.assertEqual(client.init(ECHO[self.kind]).status, 200, runtime.stderr())
        return runtime, client

    def init_bytes(self):
        return json.dumps(
            {"value": {"main": "main", "code": ECHO[self.kind], "binary": False}}
        ).encode()

    def post(self, path, body, headers=b""):
        return b"POST %b HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (
            path,
            headers,
            len(body),
            body,
        )

    def test_inherited_tcp_socket(self):
        runtime, client = self.start_echo(tcp=True)
        self.assertEqual(self.echoed(client.run({"a": 1})), {"a": 1})

    def test_own_port(self):
        runtime, client = self.start_echo(tcp=True, inherit=False)
        self.assertEqual(self.echoed(client.run({"a": 1})), {"a": 1})

    def test_port_taken_or_no_socket(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for env in ({"BERTH_PORT": port}, {"BERTH_LISTEN_FD": "99"}):
                result = subprocess.run(
                    COMMANDS[self.kind], env=env, capture_output=True, timeout=PATIENCE
                )
                self.assertEqual(result.returncode, 1)
                self.assertTrue(result.stderr)

    def test_every_split(self):
        runtime, client = self.start_echo()
        request = self.post(b"/run", b'{"value":{"x":"\xc3\xa9"}}')
        for split in range(1, len(request)):
            client.send(request[:split])
            client.send(request[split:])
            self.assertEqual(self.echoed(client.receive()), {"x": "é"})

    def test_byte_by_byte(self):
        runtime, client = self.start_echo()
        for byte in self.post(b"/run", b'{"value":{"x":2}}'):
            client.send(bytes([byte]))
        self.assertEqual(self.echoed(client.receive()), {"x": 2})

    def test_pipelined(self):
        runtime, client = self.start_echo()
        client.send(b"".join(self.post(b"/run", b'{"value":{"n":%d}}' % n) for n in range(5)))
        for n in range(5):
            self.assertEqual(self.echoed(client.receive()), {"n": n})

    def test_chunked_body(self):
        runtime, client = self.start_echo()
        client.send(b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b'{"val', b'ue":{"x"', b":3}}"):
            client.send(b"%x;ext=1\r\n" % len(piece))
            client.send(piece + b"\r\n")
        client.send(b"0\r\nTrailer: x\r\n\r\n")
        self.assertEqual(self.echoed(client.receive()), {"x": 3})
        body = b'{"value":{"x":4}}'
        message = b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"1\r\n%c\r\n" % byte for byte in body
        )
        for split in range(1, 60):
            whole = message + b"0\r\n\r\n"
            client.send(whole[:split])
            client.send(whole[split:])
            self.assertEqual(self.echoed(client.receive()), {"x": 4})

    def test_expect_continue(self):
        runtime, client = self.start_echo()
        body = b'{"value":{"x":5}}'
        client.send(
            b"POST /run HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        self.assertEqual(client.receive_raw(25), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(body)
        self.assertEqual(self.echoed(client.receive()), {"x": 5})

    def test_connection_close(self):
        runtime, client = self.start_echo()
        client.send(self.post(b"/run", b'{"value":{}}', b"Connection: close\r\n"))
        self.assertEqual(client.receive().status, 200)
        self.assertTrue(client.closed())
        old = self.connect(runtime)
        old.send(b'POST /run HTTP/1.0\r\nContent-Length: 12\r\n\r\n{"value":{}}')
        self.assertEqual(old.receive().status, 200)
        self.assertTrue(old.closed())

    def test_malformed_requests_are_refused_and_closed(self):
        runtime, client = self.start_echo()
        client.close()
        for status, request in (
            (400, b"nonsense\r\n\r\n"),
            (400, b"POST /run HTTP/2.0\r\n\r\n"),
            (400, b"POST /run HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
            (400, b"POST /run HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
            (400, b"POST /run HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
            (400, b"POST /run HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (400, b"POST /run HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc"),
            (400, b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            (400, b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc"),
            (501, b"POST /run HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            (413, b"POST /run HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"),
            (413, b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n"),
            (431, b"POST /run HTTP/1.1\r\nX: " + b"a" * 70000),
        ):
            other = self.connect(runtime)
            other.send(request)
            reply = other.receive()
            self.assertEqual(reply.status, status, request[:80])
            self.assertIn("error", reply.json)
            self.assertTrue(other.closed(), request[:80])
        self.assertEqual(self.connect(runtime).run().status, 200)

    def test_peer_that_goes_away(self):
        runtime, client = self.start_echo()
        half = self.connect(runtime)
        half.send(b"POST /run HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
        half.close()
        gone = self.connect(runtime)
        gone.send(self.post(b"/run", b'{"value":{}}'))
        gone.close()
        self.assertEqual(client.run().status, 200)

    def test_unicode_both_ways(self):
        runtime, client = self.start_echo()
        value = {"ключ": 'né\u2028\u2029😀\u0000"\\/\b\f\n\r\t', "e": "é"}
        escaped = json.dumps({"value": value}).encode()
        plain = json.dumps({"value": value}, ensure_ascii=False).encode()
        for body in (escaped, plain):
            self.assertEqual(self.echoed(client.request("POST", "/run", body)), value)

    def test_white_space_in_the_request(self):
        runtime, client = self.start_echo()
        body = json.dumps({"value": {"a": [1, {"b": None}]}}, indent=2).encode() + b"\n"
        self.assertEqual(self.echoed(client.request("POST", "/run", body)), {"a": [1, {"b": None}]})

    def test_large_values(self):
        runtime = self.start()
        client = self.connect(runtime)
        # A shell reads its lines byte by byte: too slow for one of 6 MB.
        code = FAST_ECHO if self.kind == "native" else ECHO[self.kind]
        self.assertEqual(client.init(code).status, 200, runtime.stderr())
        value = {"a": "x" * (6 * 1024 * 1024)}
        self.assertEqual(self.echoed(client.run(value)), value)
        self.assertEqual(self.echoed(client.run({"a": 1})), {"a": 1})

    def test_large_code(self):
        runtime = self.start()
        client = self.connect(runtime)
        comment = {"python": "#", "nodejs": "//", "native": "#"}[self.kind]
        code = ECHO[self.kind] + "\n" + (comment + "y" * 99 + "\n") * (400 * 1024)
        self.assertEqual(client.init(code).status, 200)
        self.assertEqual(self.echoed(client.run({"a": 1})), {"a": 1})

    def test_several_connections(self):
        runtime, client = self.start_echo()
        others = [self.connect(runtime) for _ in range(5)]
        for round_number in range(3):
            for n, other in enumerate(others):
                self.assertEqual(
                    self.echoed(other.run({"n": n + round_number})), {"n": n + round_number}
                )

    def test_environment(self):
        runtime = self.start(env={"__OW_API_HOST": "https://host", "BERTH_PORT": "1", "EMPTY": ""})
        client = self.connect(runtime)
        init_env = {
            "MINE": "é=1",
            "__OW_ACTIVATION_ID": "i",
            "OBJ": {"a": 1},
            "EMPTY": "no longer",
            "bad=name": "x",
        }
        self.assertEqual(client.init(ENVIRONMENT[self.kind], env=init_env).status, 200)
        seen = client.run(activation_id="r1", deadline="99", api_key="u:k", namespace="guest").json
        expected = {
            "MINE": "é=1",
            "OBJ": '{"a":1}',
            "EMPTY": "no longer",
            "__OW_API_HOST": "https://host",
            "PATH": "/usr/bin:/bin",
        }
        if self.kind == "native":
            expected["__OW_ACTIVATION_ID"] = (
                "i"  # the fields of /run are in the line the program reads
            )
        else:
            expected.update(
                {
                    "__OW_ACTIVATION_ID": "r1",
                    "__OW_DEADLINE": "99",
                    "__OW_API_KEY": "u:k",
                    "__OW_NAMESPACE": "guest",
                }
            )
        self.assertEqual({name: seen.get(name) for name in expected}, expected)
        self.assertNotIn("BERTH_LISTEN_FD", seen)
        self.assertNotIn("BERTH_PORT", seen)
        self.assertNotIn("bad", seen)

    def test_children_inherit_no_socket(self):
        runtime = self.start()
        client = self.connect(runtime)
        self.assertEqual(client.init(DESCRIPTORS[self.kind]).status, 200)
        fds = client.run().json["fds"]
        self.assertIn("/proc", fds)
        # The pipes of the action's own child are there; our sockets are not.
        inodes = set()
        for fd in os.listdir(f"/proc/{runtime.process.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{runtime.process.pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:"):
                inodes.add(target)
        self.assertTrue(inodes)
        for inode in inodes:
            self.assertNotIn(inode, fds)

    def test_sentinel_follows_the_log_before_the_reply(self):
        log = {
            "python": "import sys\ndef main(p):\n  print('out', p['n']); print('err', p['n'], file=sys.stderr); sys.stdout.write('half')\n  return {}",
            "nodejs": "function main(p) { console.log('out', p.n); console.error('err', p.n); process.stdout.write('half'); return {}; }",
            "native": "#!/bin/sh\nn=0\nwhile read -r line; do echo out $n; echo err $n >&2; printf half; n=$((n+1)); echo '{}' >&3; done\n",
        }[self.kind]
        runtime, client = self.started(log)
        for n in range(3):
            self.assertEqual(client.run({"n": n}).status, 200)
            expected = range(n + 1)
            self.assertEqual(
                runtime.stdout(), "".join(f"out {i}\nhalf{SENTINEL}" for i in expected)
            )
            self.assertEqual(runtime.stderr(), "".join(f"err {i}\n{SENTINEL}" for i in expected))

    def test_listens_before_init_on_unusual_requests(self):
        runtime = self.start()
        client = self.connect(runtime)
        reply = client.request("GET", "/")
        if self.kind == "nodejs":
            self.assertEqual((reply.status, reply.json), (500, {"error": "Bad request."}))
        else:
            self.assertEqual((reply.status, reply.body), (200, b""))
        self.assertEqual(client.run().status, 403 if self.kind == "nodejs" else 500)

    def test_code_must_be_a_string(self):
        runtime = self.start()
        client = self.connect(runtime)
        for value in ({"code": 5, "main": "main"}, {"code": {}, "main": "main"}):
            reply = client.request("POST", "/init", {"value": value})
            self.assertEqual(reply.status, 403 if self.kind == "nodejs" else 400, reply)
        self.assertEqual(client.init(ECHO[self.kind]).status, 200)

    def test_code_that_is_no_base64(self):
        runtime = self.start()
        client = self.connect(runtime)
        reply = client.init("UEsD!!!!", binary=True)
        if self.kind == "nodejs":
            self.assertEqual(reply.status, 502)
        else:
            self.assertEqual(reply.status, 400)
            self.assertEqual(
                reply.json,
                {"error": "cannot decode the request: illegal base64 data at input byte 4"},
            )


class ActionLoop:
    """What the two that follow ActionLoop have in common."""

    def test_base64_with_line_ends_and_padding(self):
        for padding in range(4):
            code = (ECHO[self.kind] + "\n#" + "p" * padding).encode()
            runtime = self.start()
            client = self.connect(runtime)
            text = base64.encodebytes(code).decode().replace("\n", "\r\n")
            self.assertEqual(client.init(text, binary=True).status, 200, runtime.stderr())
            self.assertEqual(self.echoed(client.run({"a": 1})), {"a": 1})

    def test_second_run_waits_for_the_first(self):
        runtime = self.start()
        first = self.connect(runtime)
        self.assertEqual(first.init(SLOW[self.kind]).status, 200)
        second = self.connect(runtime)
        for client in (first, second):
            client.send(self.post(b"/run", b'{"value":{"s":0.2}}'))
        for client in (first, second):
            self.assertEqual(client.receive().json, {"s": 0.2})
        self.assertEqual(runtime.stdout(), SENTINEL * 2)


class Python(Shared, ActionLoop, RuntimeTest):
    kind = "python"


class NodeJs(Shared, RuntimeTest):
    kind = "nodejs"


class Native(Shared, ActionLoop, RuntimeTest):
    kind = "native"


if __name__ == "__main__":
    unittest.main()
