# SPDX-License-Identifier: Apache-2.0
"""A bounded HTTP/1.1 server side for one thread, over plain descriptors.

http.server and socket would cost more than the rest of the interpreter's start together, so this
module uses only what is built into the interpreter. It knows requests and replies, nothing of
actions.
A Connection is fed with what recv returned and yields whole requests, however the bytes were split;
malformed or oversize input raises BadRequest, after which the connection is to be closed.
Not thread-safe: one thread owns the connections.
"""

import os
import select

import _socket

MAX_HEAD = 64 * 1024
# The largest code is 48 MiB of text or base64; JSON escapes and the init environment come on top.
MAX_BODY = 64 * 1024 * 1024
READ_SIZE = 256 * 1024

_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    403: b"Forbidden",
    413: b"Payload Too Large",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
}


class BadRequest(Exception):
    """The peer broke the protocol; `status` is what to answer before closing."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Request:
    """One whole request: method and path as text, body as bytes."""

    __slots__ = ("method", "path", "body", "keep_alive")

    def __init__(self, method, path, body, keep_alive):
        self.method = method
        self.path = path
        self.body = body
        self.keep_alive = keep_alive


class Connection:
    """The receiving state of one connection."""

    __slots__ = ("fd", "_buffer", "_head", "_length", "_chunks", "_chunk_left")

    def __init__(self, fd):
        self.fd = fd
        self._buffer = bytearray()
        self._head = None
        self._length = 0
        self._chunks = None
        self._chunk_left = -1

    def feed(self, data):
        self._buffer += data

    def next_request(self):
        """Returns the next whole Request, or None when more bytes are needed."""
        buffer = self._buffer
        if self._head is None:
            end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
            if end < 0:
                if len(buffer) >= MAX_HEAD:
                    raise BadRequest(431, "the request head is too long")
                return None
            head = bytes(buffer[:end])
            del buffer[: end + 4]
            expects_continue = self._parse_head(head)
            if expects_continue and not buffer:
                send_all(self.fd, b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunks is None:
            length = self._length
            if len(buffer) < length:
                return None
            body = bytes(buffer[:length])
            del buffer[:length]
        else:
            body = self._take_chunks()
            if body is None:
                return None
        method, path, keep_alive = self._head
        self._head = None
        return Request(method, path, body, keep_alive)

    def _parse_head(self, head):
        lines = head.split(b"\r\n")
        parts = lines[0].split(b" ")
        if len(parts) != 3 or not parts[0].isalpha() or not parts[1].startswith(b"/"):
            raise BadRequest(400, "malformed request line")
        version = parts[2]
        if version != b"HTTP/1.1" and version != b"HTTP/1.0":
            raise BadRequest(400, "unsupported HTTP version")
        keep_alive = version == b"HTTP/1.1"
        expects_continue = False
        length = None
        chunked = False
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise BadRequest(400, "malformed header")
            name = name.lower()
            if name == b"content-length":
                value = value.strip(b" \t")
                if not value.isdigit() or len(value) > 18 or length not in (None, int(value)):
                    raise BadRequest(400, "malformed Content-Length")
                length = int(value)
            elif name == b"transfer-encoding":
                if value.strip(b" \t").lower() != b"chunked" or chunked:
                    raise BadRequest(501, "unsupported Transfer-Encoding")
                chunked = True
            elif name == b"connection":
                options = value.lower()
                if b"close" in options:
                    keep_alive = False
                elif b"keep-alive" in options:
                    keep_alive = True
            elif name == b"expect":
                expects_continue = value.strip(b" \t").lower() == b"100-continue"
        if chunked and length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding")
        self._length = length or 0
        if self._length > MAX_BODY:
            raise BadRequest(413, "the request body is too large")
        self._chunks = bytearray() if chunked else None
        self._chunk_left = -1
        self._head = (parts[0].decode(), parts[1].partition(b"?")[0].decode("latin-1"), keep_alive)
        return expects_continue

    def _take_chunks(self):
        """Decodes what is there; returns the body when the last chunk and the trailer have come."""
        buffer = self._buffer
        while True:
            if self._chunk_left < 0:
                end = buffer.find(b"\r\n")
                if end < 0:
                    if len(buffer) > MAX_HEAD:
                        raise BadRequest(400, "malformed chunk")
                    return None
                size = bytes(buffer[:end]).partition(b";")[0].strip(b" \t")
                if not size or len(size) > 8 or size.strip(b"0123456789abcdefABCDEF"):
                    raise BadRequest(400, "malformed chunk size")
                left = int(size, 16)
                if left == 0:
                    return self._take_trailer(end + 2)
                if len(self._chunks) + left > MAX_BODY:
                    raise BadRequest(413, "the request body is too large")
                del buffer[: end + 2]
                self._chunk_left = left
            left = self._chunk_left
            if len(buffer) < left + 2:
                return None
            if buffer[left : left + 2] != b"\r\n":
                raise BadRequest(400, "malformed chunk")
            self._chunks += buffer[:left]
            del buffer[: left + 2]
            self._chunk_left = -1

    def _take_trailer(self, start):
        buffer = self._buffer
        if buffer.startswith(b"\r\n", start):
            end = start - 2
        else:
            end = buffer.find(b"\r\n\r\n", start)
            if end < 0:
                if len(buffer) > start + MAX_HEAD:
                    raise BadRequest(431, "the trailer is too long")
                return None
        del buffer[: end + 4]
        body = bytes(self._chunks)
        self._chunks = None
        return body


def send_all(fd, data):
    """Writes everything, waiting where the descriptor does not block by itself."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select((), (fd,), ())


def send_reply(fd, status, body, keep_alive):
    """Sends a JSON reply, or an empty one without a content type."""
    content_type = b"Content-Type: application/json\r\n" if body else b""
    close = b"" if keep_alive else b"Connection: close\r\n"
    head = b"HTTP/1.1 %d %b\r\n%bContent-Length: %d\r\n%b\r\n" % (
        status,
        _REASONS[status],
        content_type,
        len(body),
        close,
    )
    send_all(fd, head + body)


def open_listener(environment):
    """The inherited socket of BERTH_LISTEN_FD, else TCP on BERTH_PORT (8080).

    Takes both from the environment.
    """
    inherited = environment.pop("BERTH_LISTEN_FD", "")
    port = environment.pop("BERTH_PORT", "") or "8080"
    if inherited:
        listener = _socket.socket(fileno=int(inherited))
        os.set_inheritable(listener.fileno(), False)
    else:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", int(port)))
        listener.listen(128)
    return listener


def _accept(listener):
    try:
        fd, _ = listener._accept()
    except OSError:
        return None  # the peer gave up between poll and accept
    if listener.family != _socket.AF_UNIX:
        connection = _socket.socket(fileno=fd)
        connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        connection.detach()
    return fd


def _serve_requests(connection, handle):
    """Answers every whole request that has arrived; False when the connection is to be closed."""
    while True:
        try:
            request = connection.next_request()
        except BadRequest as error:
            send_reply(
                connection.fd, error.status, b'{"error":"%b"}\n' % str(error).encode(), False
            )
            return False
        if request is None:
            return True
        status, body = handle(request)
        send_reply(connection.fd, status, body, request.keep_alive)
        if not request.keep_alive:
            return False


def serve_forever(listener, handle):
    """Runs handle(Request) -> (status, body bytes) for each request, one at a time"""
    poll = select.poll()
    listener_fd = listener.fileno()
    poll.register(listener_fd, select.POLLIN)
    connections = {}
    while True:
        for fd, event in poll.poll():
            if fd == listener_fd:
                if event & select.POLLNVAL:
                    return  # the action closed it: nobody can reach us any more
                accepted = _accept(listener)
                if accepted is not None:
                    connections[accepted] = Connection(accepted)
                    poll.register(accepted, select.POLLIN)
                continue
            connection = connections[fd]
            try:
                data = os.read(fd, READ_SIZE)
                connection.feed(data)
                open_still = bool(data) and _serve_requests(connection, handle)
            except BlockingIOError:
                continue
            except OSError:
                open_still = False  # the peer is gone; what it asked for has run all the same
            if not open_still:
                poll.unregister(fd)
                del connections[fd]
                try:
                    os.close(fd)
                except OSError:
                    pass  # the action closed it
