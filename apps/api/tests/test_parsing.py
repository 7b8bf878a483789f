"""A request's bytes become a checked request, or an error that names what is wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.parsing import check, parse_object
from apps.api.schemas import ChatRequest, CompletionRequest, EmbeddingRequest
from apps.common.errors import Invalid

CHAT: dict[str, Any] = {"model": "moon", "messages": [{"role": "user", "content": "Hello"}]}
letters = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | letters,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(letters, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(letters | st.sampled_from([":", '":', "\\", '\\":']), values, max_size=5)


def escaped(text: str) -> bytes:
    """Every character of every text as an escape."""
    out, inside, position = [], False, 0
    while position < len(text):
        letter = text[position]
        if letter == '"':
            inside = not inside
            out.append(letter)
        elif inside and letter == "\\":
            out.append(text[position : position + 2])
            position += 1
        elif inside and ord(letter) < 0x10000 and text[position - 1] != "\\":
            out.append(f"\\u{ord(letter):04x}")
        else:
            out.append(letter)
        position += 1
    return "".join(out).encode()


@given(objects, st.booleans(), st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t: ")]))
def test_every_object_is_read(value: dict[str, Any], ascii_only: bool, separators: tuple[str, str]) -> None:
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()) == value


@given(objects.filter(bool), st.data())
def test_a_key_that_stands_twice_is_refused(value: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    again = json.dumps({name: data.draw(values)}, ensure_ascii=data.draw(st.booleans()))
    body = f"{again[:-1]},{json.dumps(value)[1:]}"
    for nested in (body, f'{{"a":[1,{body}]}}'):
        with pytest.raises(Invalid) as refused:
            parse_object(nested.encode())
        assert refused.value.code == "invalid_json"


def test_escapes_hide_no_second_key() -> None:
    assert parse_object(escaped('{"ab":"x:y","c":{":":1}}')) == {"ab": "x:y", "c": {":": 1}}
    for body in (rb'{"a":"\u003a","\u0061":1}', rb'{"a":"\\u003a","a":1}', rb'{"a":"\u003A\u003a","a":"x","b":1}'):
        with pytest.raises(Invalid):
            parse_object(body)
    assert parse_object(rb'{"a":"\\u003a"}') == {"a": r"\u003a"}
    assert parse_object(rb'{"a":"\\\u003a"}') == {"a": r"\:"}


def test_nul_is_refused_and_its_name_is_not() -> None:
    with pytest.raises(Invalid):
        parse_object(rb'{"a":"\u0000"}')
    with pytest.raises(Invalid):
        parse_object(rb'{"a":"\\\u0000"}')
    assert parse_object(rb'{"a":"\\u0000"}') == {"a": r"\u0000"}


def test_only_what_is_allowed_goes_to_the_engine() -> None:
    body = CHAT | {"stream": True, "user": "u", "store": None, "metadata": {"a": "b"}, "top_k": 5, "temperature": 1}
    request, payload = check(body, ChatRequest, extensions=frozenset({"top_k"}))
    assert payload == {"messages": CHAT["messages"], "temperature": 1, "top_k": 5}
    assert request.stream


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"top_k": 1}, "top_k"),
        ({"chat_template_kwargs": {"foo": 1}}, "chat_template_kwargs.foo"),
        ({"chat_template_kwargs": True}, "chat_template_kwargs"),
        ({"x" * 500: 1}, "x" * 100),
    ],
)
def test_an_unknown_field_is_named(extra: dict[str, Any], param: str) -> None:
    extensions = frozenset({"chat_template_kwargs.enable_thinking"})
    with pytest.raises(Invalid) as refused:
        check(CHAT | extra, ChatRequest, extensions=extensions)
    assert (refused.value.code, refused.value.param) == ("unknown_parameter", param)
    check(CHAT | {"chat_template_kwargs": {"enable_thinking": False}}, ChatRequest, extensions=extensions)


def test_an_extension_takes_no_structure() -> None:
    for value in ([1], {"a": 1}):
        with pytest.raises(Invalid):
            check(CHAT | {"top_k": value}, ChatRequest, extensions=frozenset({"top_k"}))


@pytest.mark.parametrize(
    ("prompt", "fields", "choices"),
    [
        ("x", {}, 1),
        (["x", "y"], {"n": 3}, 6),
        ([1, 2, 3], {"best_of": 4}, 4),
        ([[1], [2]], {"n": 2, "best_of": 4}, 8),
    ],
)
def test_all_answers_that_are_generated_are_counted(prompt: Any, fields: dict[str, int], choices: int) -> None:
    request, _ = check({"model": "m", "prompt": prompt, **fields}, CompletionRequest, extensions=frozenset())
    assert request.choices == choices  # type: ignore[attr-defined]


@pytest.mark.parametrize("texts", ["x", ["x", "y"], [1, 2], [[1], [2, 3]]])
def test_what_can_be_embedded(texts: Any) -> None:
    request, payload = check({"model": "m", "input": texts}, EmbeddingRequest, extensions=frozenset())
    assert request.output_limit is None  # type: ignore[attr-defined]
    assert payload == {"input": texts}
