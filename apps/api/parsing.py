"""From a request's bytes to a checked request: only what is allowed gets through, anything else is named."""

import re
from math import isinf
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec.json import Decoder

from apps.api.schema_check import check_depth, check_schemas
from apps.api.schemas.fields import AnyRequest
from apps.common.errors import Invalid

Schema = TypeVar("Schema", bound=AnyRequest)
Shape = TypeVar("Shape")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?")
_MISSING = re.compile(r"missing required field `([^`]*)`(?: - at `\$\.?([^`]*)`)?")
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*+\\u00(00|3[aA])")  # NUL, or a colon; after an even number of backslashes
_ESCAPES = (b"\\u0000", b"\\u003a", b"\\u003A")
_decode = Decoder().decode
_encode = msgspec.json.Encoder().encode
TOO_MANY = "The JSON has too many values for one request; send several."
_SCALARS = (str, int, float, bool, type(None))
# No parser lets the event loop go while it parses: a body of nothing but brackets held up everybody for a second. These
# are twice what the largest request needs, and count what stands in texts, too: a million tokens of JSON have 150,000
# brackets.
SMALL_BODY = 256 * 1024
MOST_BRACKETS = 300_000
MOST_QUOTES = 600_000
MOST_COMMAS = 1_000_000
MOST_ESCAPED = 100_000
# One of many digits takes msgspec 9 µs, twenty times as long as Python: 10 MB of them held up everybody for 4 seconds.
SHORT_BODY = 16 * 1024
MOST_FRACTIONS = 2000
MOST_PARAMETERS, MOST_LISTED = 20, 500  # of a query string, without and with lists


class _Fractions:
    """Reads numbers with a point or an exponent, so many of one body."""

    def __init__(self) -> None:
        self._left = MOST_FRACTIONS

    def __call__(self, text: str) -> float:
        self._left -= 1
        if self._left < 0:
            raise Invalid(None, TOO_MANY, code="invalid_json")
        number = float(text)
        if isinf(number):
            raise ValueError("Number out of range")
        return number


def parse_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises Invalid with the code `invalid_json`.

    Also for a key that stands twice: the parsers between here and the engine need not agree on which one counts.
    Written anew, a body without such keys has as many colons as before.
    """
    if len(body) > SMALL_BODY:
        _check_values(body)
    try:
        value = _decode(body) if len(body) <= SHORT_BODY else Decoder(float_hook=_Fractions()).decode(body)
        colons = _encode(value).count(b":")
    except RecursionError:
        raise Invalid(None, "The JSON is nested too deeply.", code="invalid_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(None, f"The body is not valid JSON in UTF-8: {error}.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise Invalid(None, "The body must be a JSON object.", code="invalid_json")
    if colons != body.count(b":") + _escaped_colons(body):
        raise Invalid(None, "The JSON has a key twice in one object.", code="invalid_json")
    return value


def _check_values(body: bytes) -> None:
    """Raises Invalid where parsing would take long, as soon as that is sure. Quotes inside texts do not count."""
    brackets = quotes = commas = escaped = 0
    for start in range(0, len(body), SMALL_BODY):
        end = start + SMALL_BODY
        brackets += body.count(b"[", start, end) + body.count(b"{", start, end)
        quotes += body.count(b'"', start, end)
        commas += body.count(b",", start, end)
        if body.find(b"\\", start, end) >= 0:
            quotes -= body.count(b'\\"', start, end)
            escaped += sum(body.count(escape, start, end) for escape in _ESCAPES)
        if brackets > MOST_BRACKETS or quotes > MOST_QUOTES or commas > MOST_COMMAS or escaped > MOST_ESCAPED:
            raise Invalid(None, TOO_MANY, code="invalid_json")


def _escaped_colons(body: bytes) -> int:
    """Raises Invalid for a NUL in a text, which neither databases nor C programs keep."""
    if b"\\" not in body or b"\\u00" not in body or not any(escape in body for escape in _ESCAPES):
        return 0
    escaped = _ESCAPED.findall(body)
    if b"00" in escaped:
        raise Invalid(None, "The JSON has a NUL character in a text.", code="invalid_json")
    return len(escaped)


def model_name(body: dict[str, Any]) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Invalid(
            "model", "Give the name of a model; GET /v1/models lists them.", code="missing_required_parameter"
        )
    return name


def check(body: dict[str, Any], schema: type[Schema], *, extensions: frozenset[str]) -> tuple[Schema, dict[str, Any]]:
    """The checked request, and the payload for an engine: the fields that are not ours alone.

    `extensions` are the fields beyond OpenAI's that the model's engine may be given ("a" or "a.b").
    Raises Invalid, with the code `unknown_parameter` for a field that nobody knows.
    """
    published = schema.__struct_fields__
    extra = {name: value for name, value in body.items() if name not in published}
    if extra:
        _check_extensions(extra, extensions)
        body = {name: value for name, value in body.items() if name in published}
    request = converted(body, schema)
    problem = request.inconsistency()  # type: ignore[attr-defined]
    if problem:
        raise Invalid(*problem)
    check_schemas(request.json_schemas())
    check_depth(request.free_forms())
    local = schema.LOCAL
    payload = {name: value for name, value in body.items() if name not in local and value is not None}
    return request, payload | extra


def converted(value: Any, schema: type[Shape], *, strict: bool = True) -> Shape:
    """The value as what the schema says; not `strict`: numbers may be texts, as in a form. Raises Invalid."""
    try:
        return msgspec.convert(value, schema, strict=strict)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _invalid(str(error)) from None


def query_of(text: str, schema: type[Shape], *, lists: frozenset[str] = frozenset()) -> Shape:
    """A query string, each parameter at most once, but for `lists`: these as `name` or `name[]`. Raises Invalid."""
    try:
        most = MOST_LISTED if lists else MOST_PARAMETERS
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=most, errors="strict")
    except ValueError as error:
        raise Invalid(None, "The query string could not be read.") from error
    if any("\0" in value for _, value in pairs):
        raise Invalid(None, "The query string has a NUL character.")
    values: dict[str, Any] = {}
    for name, value in pairs:
        if (listed := name.removesuffix("[]")) in lists:
            values.setdefault(listed, []).append(value)
        elif name in values:
            raise Invalid(None, "A parameter stands twice in the query string.")
        else:
            values[name] = value
    return converted(values, schema, strict=False)


def _check_extensions(extra: dict[str, Any], extensions: frozenset[str]) -> None:
    for name, value in extra.items():
        nested = {known.partition(".")[2] for known in extensions if known.startswith(f"{name}.")}
        if nested and isinstance(value, dict):
            unknown = [f"{name}.{inner}" for inner in value if inner not in nested]
            if unknown:
                raise _unknown(unknown[0])
            values = list(value.values())
        elif name in extensions:
            values = [value]
        else:
            raise _unknown(name)
        if not all(isinstance(item, _SCALARS) for item in values):
            raise Invalid(name, f"{name} takes a number, a text or a truth value.")


def _unknown(name: str) -> Invalid:
    return Invalid(
        name[:100],
        f"Unknown parameter: {name[:100]!r}. This model does not take it.",
        code="unknown_parameter",
    )


def _invalid(message: str) -> Invalid:
    """msgspec's sentence as an error that names the parameter."""
    if found := _UNKNOWN.search(message):
        return _unknown(".".join(part for part in (found[2], found[1]) if part))
    if found := _MISSING.search(message):
        param = ".".join(part for part in (found[2], found[1]) if part)
        return Invalid(param, f"Missing required parameter: {param!r}.", code="missing_required_parameter")
    at = _AT.search(message)
    where = at[1] if at else None
    sentence = _AT.sub("", message).replace("`", "'")
    return Invalid(where, f"Invalid value for {where!r}: {sentence}." if where else f"{sentence}.")
