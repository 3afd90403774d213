# SPDX-License-Identifier: Apache-2.0
"""Greets somebody; the word comes from the package."""


def main(args):
    return {"text": f"{args['greeting']}, {args.get('name', 'stranger')}"}
