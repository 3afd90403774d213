# SPDX-License-Identifier: Apache-2.0
"""The part of Splunk's search language that log searches use, evaluated over a list of events.

An event is a dict with _raw, _time (float) and the metadata host, source, sourcetype, index. search(text,
events) gives the rows of its result, newest first as Splunk does. What is not understood raises SearchError:
a test must not pass because a condition was passed over.
"""
import json
import re

TOKEN = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|([()|,])|(==|!=|>=|<=|=|<|>)|([^\s"()|,=!<>]+)|(\+))""")


class SearchError(Exception):
    pass


def pipeline(text):
    """The commands of a search: [[token, ...], ...]; a token is (kind, value)."""
    commands, at = [[]], 0
    text = text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found or found.end() == at:
            raise SearchError(f"Unbalanced quotes or unknown text at: {text[at:at + 40]!r}")
        at = found.end()
        if found.group(1) is not None:
            commands[-1].append(("string", re.sub(r"\\(.)", r"\1", found.group(1))))
        elif found.group(2) == "|":
            commands.append([])
        elif found.group(2):
            commands[-1].append(("mark", found.group(2)))
        elif found.group(3):
            commands[-1].append(("operator", found.group(3)))
        else:
            commands[-1].append(("word", found.group(4) or found.group(5)))
    return commands


def wildcard(pattern, text):
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch(".*".join(parts), text, re.IGNORECASE | re.DOTALL) is not None


def as_number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def first(value):
    return value[0] if isinstance(value, list) else value


def fields_of(event):
    """What automatic extraction finds in a JSON event; like Splunk it gives up on text that is no JSON."""
    try:
        value = json.loads(event["_raw"])
    except ValueError:
        return {}
    return {name: text for name, text in flatten(value, "")} if isinstance(value, dict) else {}


def flatten(value, prefix):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flatten(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for inner in value:
            yield from flatten(inner, prefix + "{}")
    else:
        yield prefix, scalar(value)


def scalar(value):
    if value is True or value is False:
        return "true" if value else "false"
    return "null" if value is None else str(value)


def look_up(row, name):
    if name in row:
        return first(row[name])
    return first(row.get("\0fields", {}).get(name))


class Condition:
    """search's and where's boolean expressions. `strict`: where, in which = is exact and a word is a field."""

    def __init__(self, tokens, strict):
        self.tokens, self.at, self.strict = tokens, 0, strict
        self.tree = self.either()
        if self.at != len(tokens):
            raise SearchError(f"Unexpected {tokens[self.at][1]!r}")

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, None)

    def take(self):
        token = self.peek()
        self.at += 1
        return token

    def either(self):
        tests = [self.both()]
        while self.peek() == ("word", "OR"):
            self.take()
            tests.append(self.both())
        return lambda row: any(test(row) for test in tests)

    def both(self):
        tests = [self.one()]
        while self.at < len(self.tokens) and self.peek() not in (("word", "OR"), ("mark", ")")):
            if self.peek() == ("word", "AND"):
                self.take()
            elif self.strict:
                raise SearchError(f"Unexpected {self.peek()[1]!r} in where")
            tests.append(self.one())
        return lambda row: all(test(row) for test in tests)

    def one(self):
        kind, value = self.take()
        if (kind, value) == ("word", "NOT"):
            test = self.one()
            return lambda row: not test(row)
        if (kind, value) == ("mark", "("):
            test = self.either()
            if self.take() != ("mark", ")"):
                raise SearchError("Missing )")
            return test
        if kind not in ("word", "string"):
            raise SearchError(f"Unexpected {value!r}")
        left = self.function(kind, value) if self.strict else (lambda row: look_up(row, value))
        if self.peek()[0] == "operator":
            operator = self.take()[1]
            kind, right = self.take()
            if kind not in ("word", "string"):
                raise SearchError(f"Nothing to compare with after {operator}")
            other = self.function(kind, right) if self.strict else (lambda row: right)
            return self.comparison(left, operator, other, kind == "string")
        if self.strict:
            raise SearchError(f"where needs a comparison, not {value!r}")
        return lambda row: re.search(r"(?<!\w)" + re.escape(value).replace(r"\*", ".*") + r"(?!\w)", row["_raw"],
                                     re.IGNORECASE) is not None

    def function(self, kind, value):
        if kind == "string":
            return lambda row: value
        if self.peek() == ("mark", "(") and value == "tonumber":
            self.take()
            inner = self.function(*self.take())
            if self.take() != ("mark", ")"):
                raise SearchError("Missing )")
            return lambda row: as_number(inner(row))
        if as_number(value) is not None:
            return lambda row: float(value)
        return lambda row: look_up(row, value)

    def comparison(self, left, operator, right, text):
        strict = self.strict

        def test(row):
            a, b = left(row), right(row)
            if a is None or b is None:
                return False
            if operator in ("=", "==", "!="):
                numbers = as_number(a), as_number(b)
                if strict:
                    same = str(a) == str(b) if text or None in numbers else numbers[0] == numbers[1]
                else:
                    same = wildcard(str(b), str(a))
                return same != (operator == "!=")
            x, y = as_number(a), as_number(b)
            if x is None or y is None:
                x, y = str(a), str(b)
            return {">=": x >= y, "<=": x <= y, ">": x > y, "<": x < y}[operator]

        return test


def options(tokens, *known):
    """name=value pairs, and the rest."""
    given, rest, at = {}, [], 0
    while at < len(tokens):
        if at + 2 < len(tokens) and tokens[at][0] == "word" and tokens[at + 1] == ("operator", "="):
            if tokens[at][1] not in known:
                raise SearchError(f"Unknown option {tokens[at][1]}")
            given[tokens[at][1]] = tokens[at + 2][1]
            at += 3
        else:
            rest.append(tokens[at])
            at += 1
    return given, rest


def names(tokens):
    return [value for kind, value in tokens if (kind, value) != ("mark", ",")]


def do_search(rows, tokens):
    test = Condition(tokens, False).tree if tokens else (lambda row: True)
    return [row for row in rows if test(row)]


def do_where(rows, tokens):
    test = Condition(tokens, True).tree
    return [row for row in rows if test(row)]


def do_spath(rows, tokens):
    given, rest = options(tokens, "input", "output", "path")
    path = given.get("path") or (names(rest)[0] if rest else None)
    for row in rows:
        source = row.get(given.get("input", "_raw"))
        try:
            found = dict(flatten(json.loads(source), "")) if source is not None else {}
        except ValueError:
            found = {}
        if path is None:
            for name, value in found.items():
                row.setdefault(name, value)
        elif path in found:
            row[given.get("output", path)] = found[path]
    return rows


def do_table(rows, tokens):
    wanted = names(tokens)
    return [{name: look_up(row, name) for name in wanted if look_up(row, name) is not None} for row in rows]


def do_sort(rows, tokens):
    keys = list(tokens)
    limit = 10000
    if keys and keys[0][0] == "word" and keys[0][1].isdigit():
        limit = int(keys.pop(0)[1])
    order = []
    while keys:
        kind, value = keys.pop(0)
        if (kind, value) == ("mark", ","):
            continue
        descending = value.startswith("-")
        name = value.lstrip("+-")
        numeric = False
        if keys[:1] == [("mark", "(")]:
            if name != "num":
                raise SearchError(f"sort: unknown {name}")
            numeric, name = True, keys[1][1]
            del keys[:3]
        order.append((name, numeric, descending))
    for name, numeric, descending in reversed(order):
        def key(row, name=name, numeric=numeric):
            value = look_up(row, name)
            number = as_number(value)
            if numeric:
                return (number is None, number or 0, "")
            return (value is None, 0, str(value))
        rows = sorted(rows, key=key, reverse=descending)
    return rows[:limit] if limit else rows


def do_dedup(rows, tokens):
    wanted, seen, kept = names(tokens), set(), []
    for row in rows:
        key = tuple(look_up(row, name) for name in wanted)
        if None in key or key in seen:
            continue
        seen.add(key)
        kept.append(row)
    return kept


def do_fillnull(rows, tokens):
    given, rest = options(tokens, "value")
    for row in rows:
        for name in names(rest):
            if look_up(row, name) is None:
                row[name] = given.get("value", "0")
    return rows


def do_streamstats(rows, tokens):
    if [value for _, value in tokens[:2]] != ["count", "AS"]:
        raise SearchError("streamstats: only count AS name")
    for number, row in enumerate(rows, 1):
        row[tokens[2][1]] = str(number)
    return rows


def do_eval(rows, tokens):
    text = "".join(value for _, value in tokens)
    found = re.fullmatch(r"(\w+)=(\w+)-(\d+)", text)
    if not found:
        raise SearchError(f"eval: not understood: {text}")
    for row in rows:
        row[found.group(1)] = str(int(look_up(row, found.group(2))) - int(found.group(3)))
    return rows


COMMANDS = {"search": do_search, "where": do_where, "spath": do_spath, "table": do_table, "sort": do_sort,
            "dedup": do_dedup, "fillnull": do_fillnull, "streamstats": do_streamstats, "eval": do_eval,
            "reverse": lambda rows, tokens: rows[::-1],
            "head": lambda rows, tokens: rows[:int(tokens[0][1]) if tokens else 10]}


def search(text, events):
    rows = [dict(event, **{"\0fields": fields_of(event)})
            for event in sorted(events, key=lambda event: -event["_time"])]
    for number, tokens in enumerate(pipeline(text)):
        if not tokens or tokens[0][0] != "word":
            raise SearchError("A command is missing")
        command = COMMANDS.get(tokens[0][1])
        if command is None:
            raise SearchError(f"Unknown search command '{tokens[0][1]}'.")
        if number == 0 and tokens[0][1] != "search":
            raise SearchError("A search begins with search")
        rows = command(rows, tokens[1:])
    return [{name: value for name, value in row.items() if name != "\0fields"} for row in rows]
