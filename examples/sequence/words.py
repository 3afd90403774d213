# SPDX-License-Identifier: Apache-2.0
def main(args):
    words = args.get("text", "").split()
    if not words:
        return {"error": "there are no words"}
    return {"words": words}
