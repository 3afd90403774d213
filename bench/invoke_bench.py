# SPDX-License-Identifier: Apache-2.0
"""The invocation path: one warm native function behind berthd, behind the C hop, and asked directly.

The function is the same program in all arms: the native action proxy with the same echo function. In the
berthd arm it runs in a sandbox of the process plugin; in the others it runs bare, which flatters them.
"""
import base64
import json
import os
import re
import socket
import subprocess
import time

HELLO = {"name": "World"}


def http(method, path, host, headers, body):
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + (body or b"")


def authorization(data):
    key = (data / "guest.auth").read_text(encoding="utf-8").strip()
    return "Basic " + base64.b64encode(key.encode()).decode()


class Function:
    """The native action proxy on a unix socket, initialised with the echo function."""

    def __init__(self, build, work, code):
        self.address = str(work / "direct.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(128)
        os.set_inheritable(listener.fileno(), True)
        environment = {"BERTH_LISTEN_FD": str(listener.fileno()), "PATH": "/usr/bin:/bin", "TMPDIR": str(work)}
        self.process = subprocess.Popen([build / "runtimes/native/berth-native-runtime"], cwd=work,
                                        pass_fds=[listener.fileno()], env=environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        listener.close()
        body = json.dumps({"value": {"name": "echo", "main": "main", "binary": True, "code": code}}).encode()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.address)
            client.sendall(http("POST", "/init", "function", {}, body))
            reply = client.recv(65536).decode()
        if " 200 " not in reply.splitlines()[0]:
            raise RuntimeError(f"the bare function did not start: {reply}")

    def stop(self):
        self.process.kill()
        self.process.wait()


class Berthd:
    """A berthd of its own with the echo function as action."""

    def __init__(self, build, work, code_file, settings=()):
        self.data = work / "data"
        more = [part for setting in settings for part in ("--set", setting)]
        environment = dict(os.environ, BERTH_DATA_DIR=str(self.data))
        self.log = open(work / "berthd.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [build / "bin/berthd", "--data-dir", self.data, "--listen", "127.0.0.1:0",
             "--set", "containers.on_stop=kill", "--set", "containers.prewarm=false", *more],
            stderr=self.log, env=environment)
        for _ in range(300):
            if (self.data / "apihost").exists():
                break
            if self.process.poll() is not None:
                raise RuntimeError((work / "berthd.log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        # The log limit 0 keeps this to the invocation path, without the logs. An update creates, too.
        subprocess.run([build / "bin/berth", "action", "update", "echo", code_file, "--kind", "native:1",
                        "--logsize", "0"], check=True, env=environment, stdout=subprocess.DEVNULL)
        host = (self.data / "apihost").read_text(encoding="utf-8").strip()
        self.address = host.replace("http://", "tcp://")
        self.authorization = authorization(self.data)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def measure(build, work, rounds):
    program = (build / "bench/echo_function").read_bytes()
    code = base64.b64encode(program).decode()
    code_file = work / "exec"
    code_file.write_bytes(program)
    os.chmod(code_file, 0o755)
    payload = json.dumps(HELLO).encode()
    run_body = json.dumps({
        "value": HELLO, "namespace": "guest", "action_name": "/guest/echo", "action_version": "0.0.1",
        "activation_id": "0" * 32, "transaction_id": "0" * 32, "deadline": "1900000000000"}).encode()
    function = Function(build, work, code)
    hop = subprocess.Popen([build / "bench/hop", function.address], stdout=subprocess.PIPE, text=True)
    berthd = Berthd(build, work, code_file)
    try:
        direct = work / "direct.http"
        direct.write_bytes(http("POST", "/run", "function", {}, run_body))
        invocation = work / "berthd.http"
        invocation.write_bytes(http(
            "POST", "/api/v1/namespaces/_/actions/echo?blocking=true&result=true", "berthd",
            {"Authorization": berthd.authorization}, payload))
        port = re.match(r"\d+", hop.stdout.readline()).group()
        arms = ["berthd", berthd.address, invocation, "hop", f"tcp://127.0.0.1:{port}", direct,
                "direct", "unix:" + function.address, direct]
        run = subprocess.run([build / "bench/bench_invoke", str(rounds), "300", *map(str, arms)],
                             check=True, stdout=subprocess.PIPE, text=True)
    finally:
        berthd.stop()
        hop.kill()
        hop.wait()
        function.stop()
    arms = json.loads(run.stdout)
    failures = sum(arm["failures"] for arm in arms.values())
    if failures:
        raise RuntimeError(f"{failures} requests were not answered with 200")
    return rows(arms)


def rows(arms):
    result = []
    for metric, key, unit in (("warm_p50", "p50_us", "us"), ("warm_p99", "p99_us", "us"),
                              ("warm_rps", "rps", "1/s")):
        result.append({"bench": "invoke", "metric": metric, "value": arms["berthd"][key], "unit": unit,
                       "reference": "a minimal C epoll proxy before the same function",
                       "ratio": arms["berthd"][key] / arms["hop"][key]})
        for name in ("hop", "direct"):
            result.append({"bench": "invoke", "metric": f"{name}_{metric[5:]}", "value": arms[name][key],
                           "unit": unit, "reference": None, "ratio": None})
    return result
