# SPDX-License-Identifier: Apache-2.0
"""The three zip readers: what a good archive becomes, and what is refused without harm."""

import os
import stat
import struct
import unittest

from harness import RuntimeTest, make_zip

LINK = 0o120777
# An action that tells what is below its directory, per kind: (file name, code).
LIST = {
    "python": (
        "__main__.py",
        "import os\n"
        "def main(p):\n"
        "  found = {}\n"
        "  for top, dirs, files in os.walk('.'):\n"
        "    for name in files + [d for d in dirs if os.path.islink(os.path.join(top, d))]:\n"
        "      path = os.path.join(top, name)\n"
        "      if '__pycache__' in path: continue\n"
        "      found[path[2:]] = os.readlink(path) if os.path.islink(path) else [os.path.getsize(path), os.stat(path).st_mode & 0o777]\n"
        "  return found\n",
    ),
    "nodejs": (
        "index.js",
        "const fs = require('fs');\n"
        "function walk(top, found) {\n"
        "  for (const e of fs.readdirSync(top || '.', {withFileTypes: true})) {\n"
        "    const path = top + e.name;\n"
        "    if (e.isDirectory()) walk(path + '/', found);\n"
        "    else if (e.isSymbolicLink()) found[path] = fs.readlinkSync(path);\n"
        "    else { const s = fs.statSync(path); found[path] = [s.size, s.mode & 0o777]; }\n"
        "  }\n"
        "  return found;\n"
        "}\n"
        "exports.main = () => walk('', {});\n",
    ),
    "native": (
        "exec",
        "#!/usr/bin/python3\n"
        "import json, os, sys\n"
        "for line in sys.stdin:\n"
        "  found = {}\n"
        "  for top, dirs, files in os.walk('.'):\n"
        "    for name in files + [d for d in dirs if os.path.islink(os.path.join(top, d))]:\n"
        "      path = os.path.join(top, name)\n"
        "      found[path[2:]] = os.readlink(path) if os.path.islink(path) else [os.path.getsize(path), os.stat(path).st_mode & 0o777]\n"
        "  os.write(3, (json.dumps(found) + '\\n').encode())\n",
    ),
}
NATIVE_OR_PYTHON_ERROR = {
    "error": "The action failed to generate or locate a binary. See logs for details."
}
END = b"PK\x05\x06"
ENTRY = b"PK\x01\x02"


def patch(data, signature, offset, fmt, value):
    """Overwrites a field of the first record with this signature."""
    at = data.index(signature) + offset
    packed = struct.pack(fmt, value)
    return data[:at] + packed + data[at + len(packed) :]


class Shared:
    def archive(self, files=None, modes=None):
        name, code = LIST[self.kind]
        return make_zip({name: code, **(files or {})}, modes)

    def assert_refused(self, data, why, **options):
        runtime = self.start(**options)
        client = self.connect(runtime)
        reply = client.init(data)
        self.assertEqual(reply.status, 502, (why, reply))
        if self.kind == "nodejs":
            self.assertIn("There was an error uncompressing the action", reply.json["error"])
            self.assertIn(why, reply.json["error"])
        else:
            self.assertEqual(reply.json, NATIVE_OR_PYTHON_ERROR)
            self.assertIn(why, runtime.stderr())
        self.assertEqual(client.run().status, 403 if self.kind == "nodejs" else 500)
        self.assertIsNone(runtime.process.poll())
        return runtime

    def test_files_directories_modes_and_links(self):
        data = self.archive(
            {
                "data/": "",
                "data/deep/er/a.txt": "abc",
                "./data/b.sh": "#!/bin/sh\n",
                "data//stored": os.urandom(100000),
                "empty": "",
                "data/up": "../empty",
                "data/deep/down": "er/a.txt",
                "lib": "data/deep",
                "é": "x",
            },
            {
                "data/b.sh": 0o100755,
                "./data/b.sh": 0o100755,
                "data/up": LINK,
                "data/deep/down": LINK,
                "lib": LINK,
                "data/": 0o040755,
            },
        )
        runtime, client = self.started(data)
        found = client.run().json
        name, code = LIST[self.kind]
        name = {"__main__.py": "main__.py"}.get(name, name)
        mode = 0o755 if self.kind == "native" else 0o644
        self.assertEqual(
            found,
            {
                name: [len(code), mode],
                "data/deep/er/a.txt": [3, 0o644],
                "data/b.sh": [10, 0o755],
                "data/stored": [100000, 0o644],
                "empty": [0, 0o644],
                "data/up": "../empty",
                "data/deep/down": "er/a.txt",
                "lib": "data/deep",
                "é": [1, 0o644],
            },
        )

    def test_the_directory_is_private(self):
        runtime, client = self.started(self.archive())
        (directory,) = os.listdir(runtime.tmp)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(runtime.tmp, directory)).st_mode), 0o700)

    def test_temporary_directory_not_writable(self):
        runtime = self.start(env={"TMPDIR": "/nonexistent"})
        client = self.connect(runtime)
        self.assertEqual(client.init(self.archive()).status, 200, runtime.stderr())
        self.assertTrue(
            [name for name in os.listdir(runtime.directory) if name.startswith("berth-action-")]
        )

    def test_unsafe_names(self):
        for name in ("../evil", "a/../../evil", "/evil", "a/..", "x/../evil"):
            runtime = self.assert_refused(self.archive({name: "evil"}), "unsafe name")
            for top, _, files in os.walk(runtime.directory):
                self.assertNotIn("evil", files)

    def test_unsafe_links(self):
        for name, target in (
            ("l", "/etc/passwd"),
            ("l", "../x"),
            ("a/l", "../../x"),
            ("l", "a/../../x"),
            ("a/b/l", "../c/../../../x"),
            ("l", ""),
            ("l", "."),
        ):
            self.assert_refused(self.archive({name: target}, {name: LINK}), "unsafe link")
        self.assert_refused(self.archive({"l": "x" * 5000}, {"l": LINK}), "unsafe link")

    def test_no_file_is_written_through_a_link(self):
        # The link is made last, so its name is taken by the directory that the file needs.
        data = self.archive({"l": "a", "a/": "", "l/f": "through"}, {"l": LINK, "a/": 0o040755})
        runtime = self.start()
        self.assertEqual(self.connect(runtime).init(data).status, 502)

    def test_special_files(self):
        self.assert_refused(self.archive({"pipe": ""}, {"pipe": 0o010644}), "special file")

    def test_bombs(self):
        data = self.archive({"zeros": bytes(20 * 1024 * 1024)})
        at = data.rindex(ENTRY)
        for size, why in ((600 * 1024 * 1024, "more than is allowed"), (1000, "damaged")):
            self.assert_refused(data[:at] + patch(data[at:], ENTRY, 24, "<I", size), why)

    def test_too_many_directories(self):
        deep = "d/" * 500
        # In memory: a disk takes half a minute to make and remove so many.
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        data = self.archive({f"{n}/{deep}f": "" for n in range(34)})
        self.assert_refused(data, "more than is allowed", base=base)

    def test_long_names(self):
        self.assert_refused(self.archive({"n/" * 600 + "f": ""}), "too long")
        self.assert_refused(self.archive({"n" * 300: ""}), "")

    def test_damaged(self):
        good = self.archive({"a": "abc" * 100})
        self.assert_refused(good[:40], "no central directory")
        self.assert_refused(patch(good, ENTRY, 16, "<I", 0), "damaged")  # checksum
        self.assert_refused(patch(good, ENTRY, 20, "<I", 0x7FFFFFFF), "damaged")  # packed size
        self.assert_refused(patch(good, ENTRY, 24, "<I", 5), "damaged")  # size
        self.assert_refused(patch(good, ENTRY, 28, "<H", 0xFFFF), "damaged")  # name length
        self.assert_refused(patch(good, ENTRY, 42, "<I", 0x7FFFFFFF), "damaged")  # place
        self.assert_refused(patch(good, END, 10, "<H", 9), "zip64")  # count
        self.assert_refused(patch(patch(good, END, 8, "<H", 9), END, 10, "<H", 9), "damaged")
        self.assert_refused(patch(good, END, 12, "<I", 0xFFFFFF), "damaged")
        self.assert_refused(patch(good, END, 16, "<I", 0xFFFFFFFF), "zip64")

    def test_unsupported(self):
        good = self.archive()
        self.assert_refused(patch(good, ENTRY, 8, "<H", 1), "encrypted")
        self.assert_refused(patch(good, ENTRY, 10, "<H", 12), "compression method 12")

    def test_every_truncation_and_flip_is_survived(self):
        good = make_zip({LIST[self.kind][0]: LIST[self.kind][1]})
        step = max(1, len(good) // (8 if self.kind == "nodejs" else 40))
        damaged = [good[:length] for length in range(4, len(good), step)]
        damaged += [
            good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]
            for at in range(4, len(good), step)
        ]
        runtime = None
        for data in damaged:
            # A failed /init may be followed by another one in ActionLoop, not in Node.js.
            if runtime is None or self.kind == "nodejs":
                runtime = self.start()
                client = self.connect(runtime)
            reply = client.init(data)
            self.assertIsNotNone(reply, runtime.stderr())
            self.assertIn(reply.status, (200, 502))
            if reply.status == 200:
                runtime = None


class Python(Shared, RuntimeTest):
    kind = "python"


class NodeJs(Shared, RuntimeTest):
    kind = "nodejs"


class Native(Shared, RuntimeTest):
    kind = "native"


if __name__ == "__main__":
    unittest.main()
