# SPDX-License-Identifier: Apache-2.0
"""The simulator's HTTP: requests as the real master's parser takes them, answers byte for byte as it writes them."""

import asyncio
from email.utils import formatdate

REASONS = {200: "OK", 202: "Accepted", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
           415: "Unsupported Media Type", 503: "Service Unavailable"}


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body


def response(code, body=b"", headers=()):
    """One whole answer. An error's text is plain; nothing is `Content-Length: 0`."""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {code} {REASONS[code]}", f"Date: {formatdate(usegmt=True)}", *headers]
    if body and not any(line.startswith("Content-Type") for line in headers):
        lines.append("Content-Type: text/plain; charset=utf-8")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def read_request(reader):
    """The next request of a connection, or None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
    body = b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while True:
            size = int((await reader.readuntil(b"\r\n")).strip(), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            if size == 0:
                break
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    return Request(method, target, headers, body)
