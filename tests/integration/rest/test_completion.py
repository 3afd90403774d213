# SPDX-License-Identifier: Apache-2.0
"""Completion by the shells themselves, with the names that a real berthd has."""

import os
import shutil
import subprocess
import tempfile

from support import PATIENCE, PYTHON, BerthTest, skip

# Calls the function as bash does for TAB at the end of the words.
BASH = r"""
source <("$BERTH" completion bash) || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_berth_completion "$BERTH" "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\n' "${COMPREPLY[@]}"
"""

# What zsh's own functions would show.
ZSH = r"""
compdef() { }
_describe() { print -rl -- "${(@)${(@P)4}%%:*}" }
_files() { print -r -- :files }
eval "$("$BERTH" completion zsh)"
words=("$@"); CURRENT=$#; PREFIX=$words[-1]
_berth
"""

FISH = """
$BERTH completion fish | source
complete -C (string join ' ' -- $argv)
"""


class Completion(BerthTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="bth-complete-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(os.path.join(self.folder, "code.py"), "w") as file:
            file.write(PYTHON)

    def shell(self, command, *words, data_dir=None):
        """What the shell offers for the last of the words."""
        if not shutil.which(command[0]):
            skip(command[0] + " is not installed")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        environment["BERTH_COMPLETION_SECONDS"] = "60"
        environment.update(BERTH=os.path.join(self.berthd.bin_dir, "berth"), HOME=self.folder, TERM="dumb",
                           BERTH_DATA_DIR=data_dir or self.berthd.data_dir,
                           PATH=self.berthd.bin_dir + ":" + environment["PATH"])
        done = subprocess.run([*command, *words], env=environment, cwd=self.folder, capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stderr, "")
        return [line.split("\t")[0] for line in done.stdout.splitlines() if line]

    def bash(self, *words, **more):
        return self.shell(["bash", "--norc", "-c", BASH, "bash"], "berth", *words, **more)

    def zsh(self, *words, **more):
        berth = os.path.join(self.berthd.bin_dir, "berth")
        return self.shell(["zsh", "-f", "-c", ZSH, "zsh"], berth, *words, **more)

    def fish(self, *words, **more):
        return self.shell(["fish", "--no-config", "-c", FISH], "berth", *words, **more)

    def check_shell(self, ask):
        self.create(PYTHON, name="complete-one")
        self.create(PYTHON, name="complete-two")
        self.assertEqual(ask("act"), ["action", "activation"])
        self.assertEqual(ask("action", "inv"), ["invoke"])
        self.assertEqual(sorted(ask("action", "invoke", "complete-")), ["complete-one", "complete-two"])
        self.assertEqual(ask("action", "invoke", "-p", "key", "value", "complete-o"), ["complete-one"])
        self.assertEqual(ask("action", "invoke", "complete-one", "--res"), ["--result"])
        # Nobody answers: nothing is offered, and nothing said.
        self.assertEqual(ask("action", "invoke", "", data_dir=self.folder), [])
        self.assertEqual(ask("action", "inv", data_dir=self.folder), ["invoke"])

    def test_bash(self):
        self.check_shell(self.bash)
        self.assertEqual(self.bash("action", "create", "new", "co"), ["code.py"])
        # bash takes = and : for the ends of words.
        self.assertEqual(self.bash("action", "create", "new", "--web", "=", "r"), ["raw"])
        self.assertEqual(self.bash("action", "create", "new", "--kind", "python", ":", "d"), ["default"])

    def test_bash_with_a_blank_in_a_name(self):
        self.create(PYTHON, name="blank%20space")
        self.assertEqual(self.bash("action", "get", "blank"), ["blank\\ space"])
        self.assertEqual(self.bash("action", "get", "blank\\ sp"), ["blank\\ space"])
        self.assertEqual(self.bash("action", "get", '"blank sp'), ["blank space"])

    def test_zsh(self):
        self.check_shell(self.zsh)
        self.assertEqual(self.zsh("action", "create", "new", ""), [":files"])

    def test_fish(self):
        self.check_shell(self.fish)

    def test_names_of_each_kind(self):
        self.create(PYTHON, name="complete-one")
        api = self.berthd.api
        for path, body in (("/packages/complete-p", {}), ("/triggers/complete-t", {}),
                           ("/rules/complete-r", {"trigger": "/_/complete-t", "action": "/_/complete-one"})):
            self.assertEqual(api("PUT", path, body).status, 200)
            self.addCleanup(api, "DELETE", path)
        self.create(PYTHON, name="complete-p/inner")

        def ask(*words):
            done = self.berthd.cli("__complete", "--", *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return [line.split("\t")[0] for line in done.stdout.splitlines()]

        self.assertEqual(ask("action", "get", "complete-p/"), ["complete-p/inner"])
        self.assertEqual(ask("package", "get", "complete-"), ["complete-p"])
        self.assertEqual(ask("trigger", "fire", "complete-"), ["complete-t"])
        self.assertEqual(ask("rule", "status", "complete-"), ["complete-r"])
        self.assertEqual(ask("namespace", "limits", "gue"), ["guest"])
        self.assertIn("file", ask("plugin", "inspect", "fi"))
        self.assertIn("python:default", ask("action", "create", "a", "--kind", "python:"))
        self.assertIn("/whisk.system/alarms/alarm", ask("trigger", "create", "t", "--feed", ""))
        self.assertIn("/whisk.system/utils/echo", ask("action", "invoke", "/whisk.system/u"))
        activation = self.invoke(name="complete-one", query="blocking=true").activation_id
        self.record(activation)
        self.assertIn(activation, ask("activation", "logs", activation[:6]))
