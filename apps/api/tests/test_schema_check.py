"""JSON schemas that engines should not have to compile are refused, whatever dialect they come in."""

import time
from typing import Any

import pytest

from apps.api.parsing import check
from apps.api.schema_check import DEEPEST, LONGEST_PATTERN, MOST_VALUES, check_schemas, digest
from apps.api.schemas import ChatRequest, MessagesRequest, ResponsesRequest
from apps.common.errors import Invalid


def nested(levels: int) -> dict[str, Any]:
    """An array of arrays, so many levels deep."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels - 1):
        schema = {"type": "array", "items": schema}
    return schema


def chain(length: int) -> dict[str, Any]:
    """Each definition refers to the next one; the last to none."""
    links: dict[str, Any] = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": links | {f"d{length}": {"type": "string"}}}


TREE = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
MUTUAL = {
    "$ref": "#/$defs/a",
    "$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/b"}}}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}},
}
INSIDE = {"properties": {"a": {"properties": {"b": {"$ref": "#/properties/a"}}}}}
ESCAPED = {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"items": [{"$ref": "#/$defs/a~1b c"}]}}}
IN_A_LIST = {"anyOf": [{"items": {"$ref": "#/anyOf/0"}}]}
THROUGH_A_PART = {"$ref": "#/$defs/a/properties/b", "$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/a"}}}}}

REFUSED: dict[str, Any] = {
    "too deep": nested(DEEPEST + 1),
    "900 levels": nested(900),
    "many values": {"enum": list(range(MOST_VALUES))},
    "many properties": {"properties": {f"p{number}": True for number in range(MOST_VALUES)}},
    "long pattern": {"type": "string", "pattern": "a" * (LONGEST_PATTERN + 1)},
    "long name pattern": {"patternProperties": {"a" * (LONGEST_PATTERN + 1): True}},
    "remote reference": {"$ref": "http://169.254.169.254/schema.json"},
    "a file": {"items": {"$ref": "file:///etc/passwd"}},
    "relative reference": {"properties": {"a": {"$ref": "other.json#/a"}}},
    "anchor": {"$dynamicRef": "#node"},
    "itself": {"$ref": "#"},
    "a tree": TREE,
    "two of each other": MUTUAL,
    "from within": INSIDE,
    "escaped names": ESCAPED,
    "in a list": IN_A_LIST,
    "through a part": THROUGH_A_PART,
    "recursive by its older name": {"properties": {"a": {"$recursiveRef": "#"}}},
}
ALLOWED: dict[str, Any] = {
    "deep": nested(DEEPEST),
    "many": {"enum": list(range(MOST_VALUES - 2))},
    "pattern": {"type": "string", "pattern": "a" * LONGEST_PATTERN},
    "used twice": {
        "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}},
        "$defs": {"x": {"properties": {"y": {"$ref": "#/$defs/y"}}}, "y": {"type": "string"}},
    },
    "a property of that name": {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
    "leads nowhere": {"$ref": "#/$defs/nothing"},
    "out of a list": {"anyOf": [{"$ref": "#/anyOf/7"}, {"$ref": "#/anyOf/x"}, {"type": "string"}]},
    "a long chain": chain(2000),
    "no object at all": {"items": True},
}


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_by_name_and_at_once(schema: dict[str, Any]) -> None:
    began = time.monotonic()
    with pytest.raises(Invalid) as refused:
        check_schemas([("tools[0].function.parameters", schema)])
    assert refused.value.param == "tools[0].function.parameters"
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("schema", ALLOWED.values(), ids=ALLOWED)
def test_what_engines_can_bear_passes(schema: dict[str, Any]) -> None:
    began = time.monotonic()
    check_schemas([("text.format.schema", schema)])
    assert time.monotonic() - began < 0.5


def test_the_values_of_all_schemas_count_together() -> None:
    half = {"enum": list(range(MOST_VALUES // 2))}
    check_schemas([("a", half)])
    with pytest.raises(Invalid) as refused:
        check_schemas([("a", half), ("b", half)])
    assert refused.value.param == "b"


CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
FUNCTION = {"name": "f", "parameters": TREE}
MESSAGE: dict[str, Any] = {**CHAT, "max_tokens": 5}
RESPONSE: dict[str, Any] = {"model": "m", "input": "x"}
FORMAT = {"type": "json_schema", "name": "n", "schema": TREE}
TOO_DEEP = nested(900)
CALL = {"type": "tool_use", "id": "1", "name": "f", "input": TOO_DEEP}
NOTED = {"type": "output_text", "text": "x", "annotations": [TOO_DEEP]}


@pytest.mark.parametrize(
    ("schema", "body", "param"),
    [
        (ChatRequest, CHAT | {"tools": [{"type": "function", "function": FUNCTION}]}, "tools[0].function.parameters"),
        (ChatRequest, CHAT | {"functions": [FUNCTION]}, "functions[0].parameters"),
        (
            ChatRequest,
            CHAT | {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": TREE}}},
            "response_format.json_schema.schema",
        ),
        (ChatRequest, CHAT | {"tool_choice": TOO_DEEP}, "tool_choice"),
        (ChatRequest, CHAT | {"function_call": TOO_DEEP}, "function_call"),
        (
            ChatRequest,
            CHAT | {"messages": [{"role": "assistant", "annotations": [TOO_DEEP]}]},
            "messages[0].annotations",
        ),
        (MessagesRequest, MESSAGE | {"tools": [{"name": "f", "input_schema": TREE}]}, "tools[0].input_schema"),
        (
            MessagesRequest,
            MESSAGE | {"tools": [{"name": "f", "input_schema": {}, "input_examples": [TOO_DEEP]}]},
            "tools[0].input_examples",
        ),
        (
            MessagesRequest,
            MESSAGE | {"messages": [{"role": "assistant", "content": [CALL]}]},
            "messages[0].content[0]",
        ),
        (ResponsesRequest, RESPONSE | {"tools": [{"type": "function", **FUNCTION}]}, "tools[0].parameters"),
        (ResponsesRequest, RESPONSE | {"text": {"format": FORMAT}}, "text.format.schema"),
        (
            ResponsesRequest,
            RESPONSE | {"input": [{"type": "message", "role": "assistant", "content": [NOTED]}]},
            "input[0]",
        ),
    ],
)
def test_wherever_it_stands(schema: Any, body: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(body, schema, extensions=frozenset())
    assert refused.value.param == param


def test_a_digest_names_all_schemas_together() -> None:
    assert digest([]) == ""
    assert digest([("a", {"x": 1})]) == digest([("b", {"x": 1})]) != digest([("a", {"x": 2})])
    assert digest([("a", {"x": 1}), ("b", {})]) != digest([("a", {"x": 1})])
