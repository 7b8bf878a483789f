"""Items are kept whole, and a conversation is told without the thoughts of earlier turns."""

from typing import Any

from apps.responses.items import as_items, completed, conversation


def thought(name: str) -> dict[str, Any]:
    return {"type": "reasoning", "id": name, "summary": []}


def said(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
RETURNED = {"type": "function_call_output", "call_id": "call_1", "output": "42"}


def test_a_text_is_a_message_of_the_users() -> None:
    (item,) = as_items("Hello")
    assert item.pop("id").startswith("msg_")
    assert item == {
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "Hello"}],
    }


def test_what_is_given_stays_and_what_is_missing_is_added() -> None:
    answer, call, returned, hm = as_items(
        [said("assistant", "Hi"), CALL, RETURNED | {"id": "fco_mine"}, thought("rs_1")]
    )
    assert answer["content"] == [{"type": "output_text", "text": "Hi", "annotations": []}]
    assert call["id"].startswith("fc_")
    assert (call["status"], returned["id"]) == ("completed", "fco_mine")
    assert hm == thought("rs_1")


def test_an_engines_item_of_an_unknown_kind_is_left_alone() -> None:
    item = completed({"type": "mcp_call", "id": "mcp_1", "status": "failed", "content": 5})
    assert item == {"type": "mcp_call", "id": "mcp_1", "status": "failed", "content": 5}


def test_thoughts_of_earlier_turns_are_not_told_again() -> None:
    past = [said("user", "one"), thought("old"), said("assistant", "1"), said("user", "two"), thought("new"), CALL]
    assert conversation(past, [RETURNED]) == [past[0], *past[2:], RETURNED]
    asked = said("user", "three")
    assert conversation(past, [RETURNED, asked]) == [past[0], past[2], past[3], CALL, RETURNED, asked]
