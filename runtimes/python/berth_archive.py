# SPDX-License-Identifier: Apache-2.0
"""Bounded extraction of an action's zip archive.

The archive comes from whoever created the action, so nothing in it is believed: every name must
stay
below the directory, every size is checked while inflating, symbolic links may only point downwards
and
are made last, so that no file is ever written through one. zipfile costs more imports than the
whole
proxy and checks none of this.
"""

import os
import zlib
from _struct import unpack_from

MAX_DIRECTORIES = 16384
MAX_TOTAL_BYTES = 512 * 1024 * 1024
_MAX_NAME_BYTES = 1024
_MAX_LINK_BYTES = 4096
_TOO_LARGE = "the action archive unpacks to more than is allowed"
_PIECE = 64 * 1024


class ArchiveError(Exception):
    """The archive is damaged, unsafe or too large; the text says which."""


def is_zip(data):
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _find_directory(data):
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65557))
    if end < 0 or end + 22 > len(data):
        raise ArchiveError("the action archive has no central directory")
    disk, start_disk, here, count, size, offset = unpack_from("<HHHHII", data, end + 4)
    if disk or start_disk or here != count or offset == 0xFFFFFFFF:
        raise ArchiveError("the action archive is split or uses zip64, which is not supported")
    if offset + size > end:
        raise ArchiveError("the action archive is damaged")
    return offset, end, count


def _safe_parts(name):
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not name or name.startswith("/") or "\0" in name or ".." in parts:
        raise ArchiveError(f"the action archive holds an unsafe name: {name!r}")
    return parts


def _entries(data):
    position, end, count = _find_directory(data)
    for _ in range(count):
        if position + 46 > end or data[position : position + 4] != b"PK\x01\x02":
            raise ArchiveError("the action archive is damaged")
        flags, method = unpack_from("<HH", data, position + 8)
        crc, packed, size, name_length, extra_length, comment_length = unpack_from(
            "<IIIHHH", data, position + 16
        )
        attributes, local = unpack_from("<II", data, position + 38)
        made_by_unix = data[position + 5] == 3
        if position + 46 + name_length + extra_length + comment_length > end:
            raise ArchiveError("the action archive is damaged")
        if name_length > _MAX_NAME_BYTES:
            raise ArchiveError("the action archive holds a name that is too long")
        name = data[position + 46 : position + 46 + name_length].decode("utf-8", "surrogateescape")
        position += 46 + name_length + extra_length + comment_length
        mode = attributes >> 16 if made_by_unix else 0
        if flags & 1:
            raise ArchiveError("the action archive is encrypted")
        if local + 30 > end or data[local : local + 4] != b"PK\x03\x04":
            raise ArchiveError("the action archive is damaged")
        start = local + 30 + sum(unpack_from("<HH", data, local + 26))
        if start + packed > end:
            raise ArchiveError("the action archive is damaged")
        yield name, mode, method, crc, size, data[start : start + packed]


def _pieces(method, packed, size):
    """Yields the content in pieces and stops as soon as it is longer than its entry says."""
    if method == 0:
        yield packed
        return
    if method != 8:
        raise ArchiveError(
            f"the action archive uses compression method {method}, which is not supported"
        )
    inflater = zlib.decompressobj(-15)
    try:
        for start in range(0, len(packed), _PIECE):
            rest = packed[start : start + _PIECE]
            while rest:
                piece = inflater.decompress(rest, min(size + 1, _PIECE))
                rest = inflater.unconsumed_tail
                size -= len(piece)
                yield piece
                if size < 0 or inflater.eof:
                    return
    except zlib.error:
        raise ArchiveError("the action archive is damaged") from None


def _copy(pieces, size, crc, write):
    seen = 0
    check = 0
    for piece in pieces:
        seen += len(piece)
        if seen > size:
            break
        check = zlib.crc32(piece, check)
        write(piece)
    if seen != size or check != crc:
        raise ArchiveError("the action archive is damaged")


def _check_link(parts, target):
    """Allows '..' at the start only, within the link's own depth: then no chain of links climbs out."""
    steps = [step for step in target.split("/") if step not in ("", ".")]
    climbs = 0
    while climbs < len(steps) and steps[climbs] == "..":
        climbs += 1
    if (
        not steps
        or target.startswith("/")
        or climbs >= len(parts)
        or ".." in steps[climbs:]
        or "\0" in target
    ):
        raise ArchiveError(f"the action archive holds an unsafe link: {'/'.join(parts)!r}")


def _write_file(path, mode, pieces, size, crc):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as file:
        _copy(pieces, size, crc, file.write)
        if mode & 0o111:
            os.fchmod(fd, 0o755)


def extract(data, directory):
    """Writes the archive's files below the directory.

    Raises ArchiveError or OSError; leaves what was written.
    """
    total = 0
    links = []
    made = {directory}

    def make_directory(parts):
        path = directory
        for part in parts:
            path += "/" + part
            if path not in made:
                if not os.path.isdir(path):
                    os.mkdir(path, 0o755)
                made.add(path)
        if len(made) > MAX_DIRECTORIES:
            raise ArchiveError(_TOO_LARGE)
        return path

    for name, mode, method, crc, size, packed in _entries(data):
        total += size
        if total > MAX_TOTAL_BYTES:
            raise ArchiveError(_TOO_LARGE)
        parts = _safe_parts(name)
        if name.endswith("/") or not parts:
            make_directory(parts)
            continue
        parent = make_directory(parts[:-1])
        pieces = _pieces(method, packed, size)
        if mode & 0o170000 == 0o120000:
            if size > _MAX_LINK_BYTES:
                raise ArchiveError(f"the action archive holds an unsafe link: {name!r}")
            target = []
            _copy(pieces, size, crc, target.append)
            target = b"".join(target).decode("utf-8", "surrogateescape")
            _check_link(parts, target)
            links.append((target, f"{parent}/{parts[-1]}"))
        elif mode & 0o170000 not in (0, 0o100000):
            raise ArchiveError(f"the action archive holds a special file: {name!r}")
        else:
            _write_file(f"{parent}/{parts[-1]}", mode, pieces, size, crc)
    for target, path in links:
        os.symlink(target, path)
