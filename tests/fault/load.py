# SPDX-License-Identifier: Apache-2.0
"""Clients that invoke without waiting for results, until berthd is gone or they are told to end."""
import http.client
import random
import threading


class Load:
    """`choose(chance)`: the action and the arguments of the next invocation."""

    def __init__(self, daemon, seed, clients, choose):
        self.daemon = daemon
        self.choose = choose
        self.accepted = []  # activation ids that a 202 named
        self.refused = 0
        self.odd = []
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(seed + i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        chance = random.Random(seed)
        connection = self.daemon.connect()
        try:
            while not self.ending.is_set():
                action, arguments = self.choose(chance)
                status, _, answer = self.daemon.ask(connection, "POST", f"/actions/{action}", arguments)
                with self.lock:
                    if status == 202:
                        self.accepted.append(answer["activationId"])
                    elif status in (429, 503):
                        self.refused += 1
                    else:
                        self.odd.append((status, answer))
                if status in (429, 503):
                    self.ending.wait(0.01)
        except (OSError, http.client.HTTPException, ValueError):
            pass  # berthd is gone
        finally:
            connection.close()

    def join(self):
        for thread in self.threads:
            thread.join()

    def end(self):
        self.ending.set()
        self.join()
