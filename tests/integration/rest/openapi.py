# SPDX-License-Identifier: Apache-2.0
"""Checks what a server answers against its own OpenAPI document."""

import json
import re
import urllib.parse

TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
}
METHODS = ("get", "put", "post", "delete")
# Of a schema: what is checked, and what only tells.
KEYWORDS = {"$ref", "type", "properties", "required", "additionalProperties", "items", "enum", "pattern",
            "minimum", "maximum", "minLength", "anyOf", "nullable"}
WORDS = {"description", "default"}


class Document:
    def __init__(self, text):
        self.document = json.loads(text)
        self.paths = [
            (re.compile("/".join("[^/]+" if part.startswith("{") else re.escape(part)
                                 for part in path.split("/"))), path, item)
            for path, item in self.document["paths"].items()]

    def resolve(self, value):
        while "$ref" in value:
            at = self.document
            for key in value["$ref"].removeprefix("#/").split("/"):
                at = at[key]
            value = at
        return value

    def operations(self):
        for _, path, item in self.paths:
            for method in METHODS:
                if method in item:
                    yield path, method, item, item[method]

    def check_answer(self, method, target, status, content_type, body):
        """Raises AssertionError if the document says nothing of it, or something else."""
        path = urllib.parse.urlsplit(target).path
        item = next((item for pattern, _, item in self.paths if pattern.fullmatch(path)), None)
        operation = (item or {}).get(method.lower())
        # What nobody promised: unknown paths and methods, and requests that are no HTTP of ours.
        if operation is None or "default" in operation["responses"]:
            return
        where = f"{method} {target} -> {status}"
        response = operation["responses"].get(str(status))
        assert response is not None, f"{where}: the document does not know this status: {body[:500]}"
        content = self.resolve(response).get("content")
        if content is None:
            assert body == "", f"{where}: no body is promised: {body[:500]}"
            return
        media = content_type.split(";")[0]
        assert media in content, f"{where}: {content_type} is not promised"
        if media == "application/json":
            problem = self.problem(json.loads(body), content[media]["schema"], "")
            assert problem is None, f"{where}: {problem}\n{body[:2000]}"

    def problem(self, value, schema, at):
        """What is wrong with `value`, or None."""
        schema = self.resolve(schema)
        unknown = set(schema) - KEYWORDS - WORDS
        assert not unknown, f"the checker does not know {unknown}"
        if value is None and schema.get("nullable"):
            return None
        if "anyOf" in schema:
            problems = [self.problem(value, one, at) for one in schema["anyOf"]]
            return None if None in problems else " / ".join(problems)
        wanted = schema.get("type")
        if wanted is not None:
            fits = isinstance(value, TYPES[wanted])
            if isinstance(value, bool) and wanted != "boolean":
                fits = False
            if not fits:
                return f"{at or '/'} is no {wanted}"
        if "enum" in schema and value not in schema["enum"]:
            return f"{at} is none of {schema['enum']}"
        if isinstance(value, str):
            if "pattern" in schema and not re.search(schema["pattern"], value):
                return f"{at} does not match {schema['pattern']}"
            if len(value) < schema.get("minLength", 0):
                return f"{at} is too short"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                return f"{at} is out of range"
        if isinstance(value, list) and "items" in schema:
            return self.first(self.problem(each, schema["items"], f"{at}/{i}") for i, each in enumerate(value))
        if isinstance(value, dict):
            return self.object_problem(value, schema, at)
        return None

    def object_problem(self, value, schema, at):
        missing = [key for key in schema.get("required", []) if key not in value]
        if missing:
            return f"{at or '/'} has no {missing[0]}"
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        for key, each in value.items():
            if key in properties:
                problem = self.problem(each, properties[key], f"{at}/{key}")
            elif more is False:
                problem = f"{at}/{key} is not known"
            else:
                problem = None if more is True else self.problem(each, more, f"{at}/{key}")
            if problem is not None:
                return problem
        return None

    @staticmethod
    def first(problems):
        return next((problem for problem in problems if problem is not None), None)
