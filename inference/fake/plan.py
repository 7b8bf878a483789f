"""Decides what one answer will be, before any dialect puts it into words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.fake import text
from inference.fake.schema import minimal
from inference.fake.script import Script

DEFAULT_MAX_TOKENS = 1 << 30


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: str


@dataclass(frozen=True)
class Plan:
    """Hashable: the dialects keep the frames of plans that they have seen."""

    texts: tuple[str, ...]
    finish_reason: str
    """In OpenAI's words, but for `stop_sequence`."""
    tool: ToolCall | None = None
    thoughts: tuple[str, ...] = ()
    choices: int = 1
    logprobs: int | None = None
    """Number of top logprobs; None for none."""
    stop_sequence: str | None = None
    """Of Anthropic's stop_sequences, the one that ended the answer."""

    @property
    def completion_tokens(self) -> int:
        return (max(1, len(self.texts)) + len(self.thoughts)) * self.choices


def make_plan(fields: dict[str, Any], script: Script, *, prefix: str = "") -> Plan:
    """`prefix` is the beginning of the answer where the caller gave one: the numbering goes on after it."""
    choices = fields.get("n") or 1
    if script.tool_call and fields.get("tools"):
        return Plan((), script.finish_reason or "tool_calls", _tool_call(fields["tools"], script), choices=choices)
    wanted = script.texts or _json_texts(fields)
    if wanted is None:
        first = text.next_number(prefix)
        wanted = text.numbered_tokens(max(0, script.output_tokens - first + 1), first)
    wanted, stop = _stopped(wanted, _sequences(fields))
    limits = (fields.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"))
    limit = next(filter(None, limits), DEFAULT_MAX_TOKENS)
    reason = "length" if limit < len(wanted) else "stop_sequence" if stop and "stop" not in fields else "stop"
    return Plan(
        texts=wanted[:limit],
        thoughts=script.thoughts,
        finish_reason=script.finish_reason or reason,
        choices=choices,
        logprobs=_logprobs(fields),
        stop_sequence=stop if reason == "stop_sequence" else None,
    )


def _sequences(fields: dict[str, Any]) -> Sequence[str]:
    """Anthropic says `stop_sequences`; OpenAI `stop`, where one may stand alone."""
    asked = fields.get("stop_sequences") or fields.get("stop") or ()
    return (asked,) if isinstance(asked, str) else asked


def _stopped(texts: tuple[str, ...], sequences: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """The tokens before the first that completes one of the sequences, and that sequence."""
    said = ""
    for number, token in enumerate(texts):
        said += token
        for sequence in sequences:
            if sequence in said:
                return texts[:number], sequence
    return texts, None


def _logprobs(fields: dict[str, Any]) -> int | None:
    """Chat says `logprobs: true, top_logprobs: 3`, completions say `logprobs: 3`."""
    asked = fields.get("logprobs")
    if asked is None or asked is False:
        return None
    return (fields.get("top_logprobs") or 0) if asked is True else int(asked)


def _json_texts(fields: dict[str, Any]) -> tuple[str, ...] | None:
    """Chat says `response_format`, with the schema one level deeper; responses say `text.format`."""
    wanted = fields.get("response_format") or (fields.get("text") or {}).get("format")
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_schema", "json_object"):
        return None
    schema = (wanted.get("json_schema") or wanted).get("schema", {})
    value = minimal(schema) if schema else {"engine": "fake engine"}
    answer = json.dumps(value)
    return tuple(answer[start : start + 8] for start in range(0, len(answer), 8))


def _tool_call(tools: list[dict[str, Any]], script: Script) -> ToolCall:
    """Understands OpenAI's and Anthropic's way to declare a tool."""
    declared = [tool.get("function", tool) for tool in tools]
    chosen = next((one for one in declared if one["name"] == script.tool_call), declared[0])
    schema = chosen.get("parameters") or chosen.get("input_schema") or {}
    return ToolCall(name=chosen["name"], arguments=json.dumps(minimal(schema)))
