# SPDX-License-Identifier: Apache-2.0
"""Replays what was recorded with Apache's own runtimes against ours: replies, log and sentinels.

Left out on purpose: the npm client of Apache's image (a matter of what is installed, not of the
proxy),
and the word "undefined" that Apache's Node.js proxy prints for malformed JSON.
"""

import os
import re
import unittest

from harness import DATA, RuntimeTest

KINDS = {"openwhisk/action-nodejs-v20": "nodejs", "openwhisk/action-python-v3.11": "python"}
NOT_REPLAYED = (
    "concurrency: second /run while the first runs",
    "OpenWhisk npm client is in the image",
)
NO_ANSWER = "<<connection closed with no answer>>"


class Exchange:
    def __init__(self, request, reply):
        head, _, body = request.partition("\n\n")
        self.request = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode()
        self.reply = reply


class Scenario:
    def __init__(self, text):
        lines = text.split("\n")
        self.kind = KINDS[lines[0].partition(":")[0]]
        self.name = re.match(r"SCENARIO (.*?)   \(port", lines[1]).group(1)
        body, _, streams = text.partition("--- container stdout\n")
        self.stdout, _, rest = streams.partition("\n--- container stderr\n")
        self.stderr, _, rest = rest.partition("\n--- container state: ")
        self.ended = rest.startswith("exited")
        self.exchanges = list(self._exchanges(body))

    @staticmethod
    def _exchanges(text):
        for block in re.split(r"\n\(\d+ ms\)\n", text):
            sent = [line[2:] for line in block.split("\n") if line.startswith("> ")]
            answered = [line[2:] for line in block.split("\n") if line.startswith("< ")]
            if sent and "of activation" not in sent[0]:
                yield Exchange("\n".join(sent), "\n".join(answered))


def scenarios():
    with open(os.path.join(DATA, "recorded.txt"), encoding="utf-8", newline="\n") as file:
        blocks = file.read().split("=" * 100 + "\n")
    # Blocks come in pairs: title, content.
    for title, content in zip(blocks[1::2], blocks[2::2]):
        yield Scenario(title + content)


def without_stack(text):
    """Stack frames name files of the proxy; everything around them is compared."""
    return re.sub(r"(\\n|\n)    at [^\n\"\\]*", "", text)


def without_frames(text):
    """Python's frames: the launcher's own is dropped, the directories of the action's go."""
    text = re.sub(r'  File "[^"]*/exec__.py"[^\n]*\n(    [^\n]*\n)*', "", text)
    return re.sub(r'  File "[^"]*/(main__.py)"', r'  File "\1"', text)


def normalised(text):
    text = re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "<time> ", text)
    return without_stack(without_frames(text))


class Recorded(RuntimeTest):
    maxDiff = None

    def replay(self, scenario):
        runtime = self.start(kind=scenario.kind)
        client = self.connect(runtime)
        for exchange in scenario.exchanges:
            client.send(exchange.request)
            reply = client.receive()
            if exchange.reply == NO_ANSWER:
                self.assertIsNone(reply)
                runtime.wait()
                continue
            self.assertIsNotNone(reply, runtime.stderr())
            head, _, body = exchange.reply.partition("\n\n")
            self.assertEqual(f"HTTP/1.1 {reply.status} ", head[:13])
            content_type = re.search(r"^Content-Type: (.*)$", head, re.MULTILINE)
            self.assertEqual(
                reply.headers.get("content-type"), content_type and content_type.group(1)
            )
            # The zipped action tells whether it lies where Apache's image unpacks; ours does not.
            body = body.replace('"dir":true', '"dir":false')
            self.assertEqual(without_stack(reply.body.decode()), without_stack(body))
        self.assertEqual(runtime.ended(), scenario.ended)
        self.assertEqual(
            normalised(runtime.stdout()), normalised(scenario.stdout.replace("undefined\n", ""))
        )
        self.assertEqual(normalised(runtime.stderr()), normalised(scenario.stderr))


def add_tests():
    count = 0
    for scenario in scenarios():
        if scenario.name in NOT_REPLAYED:
            continue
        count += 1
        name = "test_%s_%s" % (scenario.kind, re.sub(r"\W+", "_", scenario.name))
        setattr(Recorded, name, lambda self, scenario=scenario: self.replay(scenario))
    assert count == 26, count


add_tests()

if __name__ == "__main__":
    unittest.main()
