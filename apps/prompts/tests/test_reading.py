"""Every dialect, whole and streamed, becomes the same parts; what is broken or cut loses only its end."""

import zlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apps.prompts.contracts import Heard, Part
from apps.prompts.reading import conversation_of


def heard(endpoint: str, asked: dict[str, Any], answered: Any = b"", *, events: list[Any] | None = None) -> Heard:
    if events is not None:
        answered = b"".join(b"event: x\ndata: %b\n\n" % msgspec.json.encode(event) for event in events)
    elif not isinstance(answered, bytes):
        answered = msgspec.json.encode(answered)
    return Heard(
        request_id="req_1",
        account=1,
        endpoint=endpoint,
        started_at=datetime(2026, 11, 28, tzinfo=UTC),
        asked=asked,
        answered=zlib.compress(answered),
        is_whole=events is None,
    )


CALL = {"name": "find", "arguments": '{"a":1}'}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
        {"role": "tool", "tool_call_id": "1", "content": "found"},
    ]
}
CHAT_ASKED = [
    Part("system", "text", "Be brief."),
    Part("user", "text", "Look:"),
    Part("user", "other", "image_url"),
    Part("assistant", "call", '{"a":1}', "find"),
    Part("tool", "result", "found"),
]
SAID = [
    Part("assistant", "thought", "Hm."),
    Part("assistant", "text", "A cat."),
    Part("assistant", "call", '{"a":1}', "find"),
]


def test_a_chat_whole() -> None:
    message = {"role": "assistant", "content": "A cat.", "reasoning_content": "Hm.", "tool_calls": [{"function": CALL}]}
    found = conversation_of(heard("chat.completions", CHAT, {"choices": [{"index": 0, "message": message}]}))
    assert (found.asked, found.answered) == (CHAT_ASKED, SAID)


def test_a_chat_streamed() -> None:
    calls = [
        [{"index": 0, "id": "1", "function": {"name": "find", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"a"'}}],
        [{"index": 0, "function": {"arguments": ":1}"}}],
    ]
    deltas: list[dict[str, Any]] = [{"role": "assistant"}, {"reasoning": "Hm."}, {"content": "A "}, {"content": "cat."}]
    deltas += [{"tool_calls": call} for call in calls]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": {}}]
    assert conversation_of(heard("chat.completions", CHAT, events=events)).answered == SAID


def test_several_choices_and_completions() -> None:
    events = [{"choices": [{"index": index, "text": text}]} for index, text in ((1, "b"), (0, "a"), (1, "c"))]
    found = conversation_of(heard("completions", {"prompt": ["x", "y"]}, events=events))
    assert [part.text for part in found.asked] == ["x", "y"]
    assert [part.text for part in found.answered] == ["a", "bc"]
    assert conversation_of(heard("completions", {"prompt": [1, 2]})).asked == [Part("user", "other", "2 tokens")]
    assert conversation_of(heard("completions", {"prompt": [[1], [2, 3]]})).asked == [
        Part("user", "other", "1 tokens"),
        Part("user", "other", "2 tokens"),
    ]


MESSAGES = {
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": "Look:"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "find", "input": {"a": 1}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "found"}]}],
        },
    ],
}


def test_messages_whole_and_streamed() -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "A cat."},
        {"type": "tool_use", "id": "2", "name": "find", "input": {"a": 1}},
    ]
    found = conversation_of(heard("messages", MESSAGES, {"type": "message", "content": content}))
    assert found.asked == [
        Part("system", "text", "Be brief."),
        Part("user", "text", "Look:"),
        Part("assistant", "call", '{"a":1}', "find"),
        Part("tool", "result", "found"),
    ]
    assert found.answered == SAID
    begun: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": ""},
        {"type": "text", "text": ""},
        {"type": "tool_use", "name": "find", "input": {}},
    ]
    deltas = [
        (0, {"type": "thinking_delta", "thinking": "Hm."}),
        (1, {"type": "text_delta", "text": "A "}),
        (1, {"type": "text_delta", "text": "cat."}),
        (2, {"type": "input_json_delta", "partial_json": '{"a"'}),
        (2, {"type": "input_json_delta", "partial_json": ":1}"}),
    ]
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {}}]
    events += [{"type": "content_block_start", "index": place, "content_block": one} for place, one in enumerate(begun)]
    events += [{"type": "content_block_delta", "index": place, "delta": delta} for place, delta in deltas]
    assert conversation_of(heard("messages", MESSAGES, events=events)).answered == SAID


RESPONSE = {
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look:"}]},
        {"type": "function_call", "call_id": "1", **CALL},
        {"type": "function_call_output", "call_id": "1", "output": "found"},
    ],
}
OUTPUT: list[dict[str, Any]] = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
    {"type": "function_call", "call_id": "2", **CALL},
]


def test_a_response_whole_and_streamed() -> None:
    found = conversation_of(heard("responses", RESPONSE, {"object": "response", "output": OUTPUT}))
    assert [part.text for part in found.asked] == ["Be brief.", "Look:", '{"a":1}', "found"]
    assert found.answered == SAID
    assert conversation_of(heard("responses", {"input": "Look:"})).asked == [Part("user", "text", "Look:")]
    events = [
        {"type": "response.output_item.done", "output_index": place, "item": item} for place, item in enumerate(OUTPUT)
    ]
    assert conversation_of(heard("responses", RESPONSE, events=events)).answered == SAID


def test_a_response_that_broke_off_is_what_its_deltas_said() -> None:
    begun = [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": []},
        {"type": "function_call", "name": "find", "arguments": ""},
    ]
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": place, "item": item} for place, item in enumerate(begun)
    ]
    events += [
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Hm."},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "A "},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "cat."},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a":1}'},
    ]
    assert conversation_of(heard("responses", RESPONSE, events=events)).answered == SAID


@pytest.mark.parametrize("broken", [b"", b"{", b"[1]", b'{"error": "no"}', b"\xff"])
def test_an_answer_that_is_none_leaves_what_was_asked(broken: bytes) -> None:
    found = conversation_of(heard("chat.completions", CHAT, broken))
    assert (found.asked, found.answered) == (CHAT_ASKED, [])


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [None]},
        {"choices": [{"message": None}]},
        {"choices": [{}]},
        {"content": [None]},
        {"output": [None]},
        {"output": [{"content": 5}]},
    ],
)
def test_an_answer_of_another_form_leaves_what_was_asked(answer: Any) -> None:
    assert conversation_of(heard("chat.completions", CHAT, answer)).asked == CHAT_ASKED


def test_older_and_stranger_streams() -> None:
    deltas: list[dict[str, Any]] = [{"function_call": {"name": "find", "arguments": '{"a"'}}]
    deltas.append({"function_call": {"name": "find", "arguments": ":1}"}})
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    assert conversation_of(heard("chat.completions", CHAT, events=events)).answered == SAID[2:]
    block = {"type": "server_tool_use", "name": "search", "input": {}}
    asked: list[dict[str, Any]] = [{"type": "content_block_start", "index": 0, "content_block": block}]
    asked.append({"type": "content_block_delta", "index": 0, "delta": {"partial_json": "{}"}})
    assert conversation_of(heard("messages", MESSAGES, events=asked)).answered == [
        Part("assistant", "other", "server_tool_use")
    ]
    message = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}
    refused: list[dict[str, Any]] = [message]
    for kind in ("output_text", "refusal"):
        refused.append({"type": f"response.{kind}.delta", "output_index": 0, "delta": kind})
    found = conversation_of(heard("responses", RESPONSE, events=refused)).answered
    assert [part.kind for part in found] == ["text", "refusal"]


def test_a_stream_that_was_cut_keeps_what_came_whole() -> None:
    whole = b'data: {"choices":[{"index":0,"delta":{"content":"A cat"}}]}\n\ndata: {"choices":[{"ind'
    cut = msgspec.structs.replace(heard("chat.completions", CHAT, events=[]), answered=zlib.compress(whole)[:-6])
    assert conversation_of(cut).answered == [Part("assistant", "text", "A cat")]
