# SPDX-License-Identifier: Apache-2.0
def main(event):
    print("tick from", event.get("from", "nobody"))
    return {"from": event.get("from")}
