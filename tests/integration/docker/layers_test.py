#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What packaging/images/layers.py takes for a layer: what changed, and what is gone."""

import os
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../packaging/images"))

sys.dont_write_bytecode = True  # the source tree stays as it is

import layers  # noqa: E402


class Layers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bth-layers-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for path in ("usr/lib/kept", "usr/lib/edited", "usr/share/gone/a", "usr/share/gone/b/c", "var/log/x",
                     "var/lib/apt/lists/y", "etc/resolv.conf"):
            self.write(path, "1")
        os.symlink("kept", os.path.join(self.root, "usr/lib/link"))

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def layer(self, before, now):
        target = os.path.join(self.root, "var/log/layer.tar")
        layers.write_layer(self.root, target, before, now)
        with tarfile.open(target) as layer:
            return layer.getnames()

    def test_the_first_is_everything_that_belongs_in_an_image(self):
        names = self.layer({}, layers.snapshot(self.root))
        for name in ("usr/lib/kept", "usr/lib/link", "usr/share/gone/b/c", "var/log", "var/lib/apt/lists"):
            self.assertIn(name, names)
        for name in ("var/log/x", "var/lib/apt/lists/y", "etc/resolv.conf"):
            self.assertNotIn(name, names)

    def test_the_next_is_what_changed(self):
        before = layers.snapshot(self.root)
        self.assertEqual(self.layer(before, before), [])
        self.write("usr/lib/edited", "2")
        self.write("usr/lib/new/file", "1")
        os.remove(os.path.join(self.root, "usr/lib/link"))
        os.symlink("edited", os.path.join(self.root, "usr/lib/link"))
        self.assertEqual(self.layer(before, layers.snapshot(self.root)),
                         ["usr/lib/edited", "usr/lib/link", "usr/lib/new", "usr/lib/new/file"])

    def test_what_is_gone_is_whited_out_once(self):
        before = layers.snapshot(self.root)
        for path in ("a", "b/c"):
            os.remove(os.path.join(self.root, "usr/share/gone", path))
        os.removedirs(os.path.join(self.root, "usr/share/gone/b"))
        os.makedirs(os.path.join(self.root, "usr/share"), exist_ok=True)
        self.assertEqual(self.layer(before, layers.snapshot(self.root)), ["usr/share/.wh.gone"])

    def test_a_folder_is_taken_for_its_mode_only(self):
        before = layers.snapshot(self.root)
        os.chmod(os.path.join(self.root, "usr/share"), 0o700)
        self.write("usr/lib/kept2", "1")
        self.assertEqual(self.layer(before, layers.snapshot(self.root)), ["usr/lib/kept2", "usr/share"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
