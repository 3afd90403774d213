# SPDX-License-Identifier: Apache-2.0
"""A conductor: invokes the action that its caller names until it succeeds, three times at most."""
MOST = 3


def main(args):
    state = args.pop("asked", None)
    if state is None:
        # The beginning: what it was invoked with.
        state = {"action": args.pop("action"), "params": args, "tries": 0}
    elif "error" not in args:
        return {"params": {**args, "tries": state["tries"]}}
    if state["tries"] == MOST:
        return {"error": f"{state['action']} failed {MOST} times"}
    state["tries"] += 1
    return {"action": state["action"], "params": {**state["params"], "tries": state["tries"]},
            "state": {"asked": state}}
