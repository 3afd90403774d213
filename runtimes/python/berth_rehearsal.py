# SPDX-License-Identifier: Apache-2.0
"""One activation of an action of our own, served before a fork of a zygote waits for its command.

A fork shares its memory with the zygote until it writes to it, and even reading the interpreter's
code maps it anew: the first request costs some hundred page faults, much more than what it does. So
a fork serves one ahead, over a socket as every other, while nobody waits for it. Nothing of it
stays: files, descriptors, environment, path and modules are as they were, and what it prints goes
nowhere. It runs in the sandbox, with all limits in force, and sees nothing of any tenant.
"""

import os
import sys

import _socket
import berth_http
import berth_proxy

_CODE = "def main(args):\n    return {'seen': len(args)}\n"
_INIT = b'{"value":{"name":"a","main":"main","code":%b,"binary":false,"env":{"__OW_A":"b"}}}'
_RUN = b'{"value":{"name":"a"},"namespace":"a","action_name":"/a/a","deadline":"1"}'


class _Nowhere:
    def write(self, text):
        return len(text)

    def flush(self):
        pass


def _request(path, body, close=b""):
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        path,
        close,
        len(body),
        body,
    )  # fmt: skip


def _serve_one_activation(path, null):
    """Listens at the path and serves /init and /run to a client of its own: the replies."""
    first = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    first.bind(path)
    first.listen(1)
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    listener = berth_http.open_listener({"BERTH_LISTEN_FD": str(first.detach())})
    try:
        client.connect(path)
        client.sendall(
            _request(b"/init", _INIT % berth_proxy.encode(_CODE))
            + _request(b"/run", _RUN, b"Connection: close\r\n")
        )
        proxy = berth_proxy.Proxy((null, null))

        def handle(request):
            reply = proxy.handle(request)
            if request.path == "/run":
                listener.close()  # which ends the serving
            return reply

        berth_http.serve_forever(listener, handle)
        client.settimeout(0)  # all of it has been sent
        return client.recv(65536)
    finally:
        client.close()
        listener.close()


def rehearse():
    """Serves it; whether both requests succeeded. os.environ is empty afterwards."""
    kept = sys.stdout, sys.stderr, sys.argv, list(sys.path), os.getcwd()
    directory = replies = None
    null = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
    sys.stdout = sys.stderr = _Nowhere()
    try:
        directory = berth_proxy.make_action_directory()
        os.environ["TMPDIR"] = directory
        replies = _serve_one_activation(f"{directory}/socket", null)
    except OSError:
        pass  # no room, no memory: the function will hear of it when it matters
    finally:
        sys.stdout, sys.stderr, sys.argv, sys.path[:], cwd = kept
        os.chdir(cwd)
        os.close(null)
        sys.modules.pop(berth_proxy.MODULE, None)
        os.environ.clear()
        if directory is not None:
            _remove(directory)
    return replies is not None and replies.count(b"HTTP/1.1 200 OK\r\n") == 2


def _remove(directory):
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(directory)
