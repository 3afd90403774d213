# SPDX-License-Identifier: Apache-2.0
"""JSON through the interpreter's C accelerator alone.

The json package imports re and enum and doubles the time to the first request; its fast paths are
two
C functions that need neither. An interpreter without them gets the package.
Functions are pure; thread-safe.
"""

try:
    from _json import encode_basestring, make_encoder, make_scanner
except ImportError:
    make_scanner = None

_SPACE = " \t\n\r"


def _refuse_constant(name):
    raise ValueError("invalid constant " + name)


def _not_serializable(value):
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


if make_scanner is not None:

    class _Context:
        strict = True
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = staticmethod(_refuse_constant)

    _scan = make_scanner(_Context())

    def _decode(text):
        try:
            value, end = _scan(text, 0)
        except SystemError:
            # The scanner finds its exception type only in a loaded json.decoder.
            import json.decoder

            value, end = _scan(text, 0)
        if end != len(text):
            raise _Trailing(len(text) - len(text[end:].lstrip(_SPACE)))
        return value

    def encode(value, compact=False):
        """The value as UTF-8 text, with ", " and ": " or compact.

        Raises TypeError, ValueError or RecursionError.
        """
        colon, comma = (":", ",") if compact else (": ", ", ")
        encoder = make_encoder(
            {}, _not_serializable, encode_basestring, None, colon, comma, False, False, False
        )
        # A lone surrogate has no UTF-8; its backslash escape is just what JSON calls it.
        return "".join(encoder(value, 0)).encode("utf-8", "backslashreplace")

else:
    import json

    _decoder = json.JSONDecoder(parse_constant=_refuse_constant)

    def _decode(text):
        return _decoder.decode(text)

    def encode(value, compact=False):
        """The value as UTF-8 text, with ", " and ": " or compact.

        Raises TypeError, ValueError or RecursionError.
        """
        separators = (",", ":") if compact else (", ", ": ")
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=separators)
        return text.encode("utf-8", "backslashreplace")


class _Trailing(ValueError):
    def __init__(self, pos):
        super().__init__("trailing data")
        self.msg = "Extra data"
        self.pos = pos


def decode(body):
    """The value of UTF-8 bytes.

    Raises ValueError whose text says what is wrong, as Go's decoder says it.
    """
    text = body.decode("utf-8", "replace").strip(_SPACE)
    try:
        return _decode(text)
    except StopIteration as error:
        raise ValueError(_explain(text, "Expecting value", error.value)) from None
    except RecursionError:
        raise ValueError("exceeded max depth") from None
    except ValueError as error:
        message = getattr(error, "msg", None)
        if message is None:
            raise
        raise ValueError(_explain(text, message, error.pos)) from None


_PLACES = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
    ("Extra data", "after top-level value"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\", "in string escape code"),
)


def _explain(text, message, position):
    if position >= len(text) or message.startswith("Unterminated"):
        return "unexpected end of JSON input"
    for start, place in _PLACES:
        if message.startswith(start):
            break
    else:
        place = "looking for beginning of value"
    return f"invalid character {text[position]!r} {place}"
