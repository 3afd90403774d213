# SPDX-License-Identifier: Apache-2.0
"""What was recorded with Apache's own action proxies, as scenarios: requests, replies, output.

Used by replay.py in the container and by the test outside, so that both read the same bytes.
"""

import json
import os
import re

FILES = ("recorded.txt", "recorded-skeleton.txt")
RULER = "=" * 100 + "\n"
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"


class Reply:
    """The bytes of an answer, or None where the connection ended without one."""

    def __init__(self, text):
        self.data = None
        if text.startswith("HTTP/"):
            head, _, body = text.partition("\n\n")
            self.status = int(head.split(" ", 2)[1])
            self.body = body.encode()
            self.closes = "\nConnection: close" in head
            self.idle_limit = re.search(r"\nKeep-Alive: timeout=(\d+)", head)
            self.idle_limit = int(self.idle_limit.group(1)) if self.idle_limit else None
            length = int(re.search(r"\nContent-Length: (\d+)", head).group(1))
            if length != len(self.body):
                raise ValueError(f"{length} bytes announced, {len(self.body)} recorded: {head}")
            self.data = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + self.body


class Scenario:
    def __init__(self, image, text):
        self.image = image
        title, _, body = text.partition("\n")
        self.name = re.match(r"SCENARIO (.*?)   \(port", title).group(1)
        body = body.partition(RULER)[2]
        body, _, streams = body.partition("--- container stdout\n")
        stdout, _, rest = streams.partition("\n--- container stderr\n")
        stderr, _, rest = rest.partition("\n--- container state: ")
        self.exit_code = int(rest.split()[1]) if rest.startswith("exited") else None
        self.inits, self.runs = [], []
        for path, request, reply in self._exchanges(body):
            {"/init": self.inits, "/run": self.runs}.get(path, []).append((request, reply))
        # Each activation's share of the output ends with its sentinel, on either stream.
        self.stdout, self.stderr = self._shares(stdout), self._shares(stderr)

    @staticmethod
    def _exchanges(text):
        for block in re.split(r"\n\(\d+ ms\)\n", text):
            sent = [line[2:] for line in block.split("\n") if line.startswith("> ")]
            answered = [line[2:] for line in block.split("\n") if line.startswith("< ")]
            if not sent or not sent[0].startswith("POST /"):
                continue
            try:
                request = json.loads(sent[-1])["value"], json.loads(sent[-1])
            except ValueError:
                continue
            yield sent[0].split(" ")[1], request, Reply("\n".join(answered))

    @staticmethod
    def _shares(text):
        parts = re.split(f"(?<={SENTINEL}\n)", text)
        return [part for part in parts if part]

    @property
    def usable(self):
        """Whether a host can meet it: one /init first, and each request with one reply."""
        return len(self.inits) >= 1 and self.name not in (
            "run before init", "wrong route, GET, bad json",
            "concurrency: second /run while the first runs")


def scenarios(folder):
    found = []
    for name in FILES:
        with open(os.path.join(folder, name), encoding="utf-8", newline="\n") as file:
            blocks = file.read().split("\n" + RULER + "openwhisk/")
        for block in blocks[1:]:
            image, _, rest = block.partition("\n")
            found.append(Scenario(image.partition(":")[0], rest))
    return [scenario for scenario in found if scenario.usable]
