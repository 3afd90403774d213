# SPDX-License-Identifier: Apache-2.0
import os
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE_DIR"], "bench"))
import report  # noqa: E402


def rows(**arms):
    found = []
    for name, value in arms.items():
        for suffix, factor in (("", 1), ("_p99", 3)):
            found.append({"bench": "start", "metric": name + suffix, "value": value * factor, "unit": "us"})
    return found


class Report(unittest.TestCase):
    def bars(self, text):
        root = ElementTree.fromstring(text)
        space = "{http://www.w3.org/2000/svg}"
        return [float(bar.get("width")) for bar in root.iter(space + "rect")][1:], [
            label.text for label in root.iter(space + "text")
        ]

    def test_bars_are_sorted_and_logarithmic(self):
        widths, labels = self.bars(report.picture(rows(runc=40_000, fork_exec_native=400, bare_python=4_000)))
        self.assertEqual(widths, sorted(widths))
        self.assertAlmostEqual(widths[1] - widths[0], widths[2] - widths[1], delta=0.2)
        for label in ("native, runc", "400 µs", "4.0 ms", "40.0 ms"):
            self.assertIn(label, labels)

    def test_what_starts_nothing_is_left_out(self):
        more = rows(process_pause_resume=100, raw_freezer=50)
        more.append({"bench": "start", "metric": "process_native_starts_1", "value": 9, "unit": "1/s"})
        widths, labels = self.bars(report.picture(rows(runc=40_000) + more))
        self.assertEqual(len(widths), 1)
        with self.assertRaises(ValueError):
            report.picture(more)


if __name__ == "__main__":
    unittest.main()
