# SPDX-License-Identifier: Apache-2.0
"""Fails unless the wanted face comes up. The same seed and number of tries roll the same."""
import random


def main(args):
    chance = random.Random(args["seed"])
    rolled = [chance.randint(1, 6) for _ in range(args["tries"])][-1]
    if rolled != args["face"]:
        return {"error": f"rolled {rolled}"}
    return {"rolled": rolled}
