"""The rest of a message in Anthropic's dialect: its block goes on, others follow, and it ends once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.gateway.wires.rest import RestOfParts

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class RestOfMessage(RestOfParts):
    """`index`: of the last block that the caller has, -1 for none; `kind`: of the one that is open; `made`: tokens so
    far, for an engine that tells no count; `prompt_is_told`: message_start has told the prompt's."""

    index: int
    kind: str
    made: int
    prompt_is_told: bool

    def _text(self, text: str) -> Iterable[bytes]:
        self.made += 1
        if self.kind != "text":
            yield from self._begin({"type": "text", "text": ""})
        yield self._delta({"type": "text_delta", "text": text})

    def _begin_call(self, identifier: str, name: str) -> Iterable[bytes]:
        return self._begin({"type": "tool_use", "id": identifier, "name": name, "input": {}})

    def _arguments(self, part: str) -> bytes:
        return self._delta({"type": "input_json_delta", "partial_json": part})

    def _begin(self, block: dict[str, Any]) -> Iterable[bytes]:
        yield from self._close()
        self.index += 1
        self.kind = block["type"]
        yield _event("content_block_start", index=self.index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self.index, delta=delta)

    def _close(self) -> Iterable[bytes]:
        if self.kind:
            self.kind = ""
            yield _event("content_block_stop", index=self.index)

    def _end(self) -> Iterable[bytes]:
        yield from self._close()
        reason, sequence = self._finish["finish_reason"], None
        if reason == "stop" and isinstance(self._finish.get("stop_reason"), str):  # as vLLM tells which it was
            reason, sequence = "stop_sequence", self._finish["stop_reason"]
        delta = {"stop_reason": STOP_REASONS.get(reason, reason), "stop_sequence": sequence}
        yield _event("message_delta", delta=delta, usage=self._counted(), artemis=self._artemis)
        yield _event("message_stop")

    def _counted(self) -> dict[str, int]:
        """Anthropic counts cached tokens apart."""
        usage = self._usage
        if usage is None:
            return {"output_tokens": self.made}
        output = {"output_tokens": usage["completion_tokens"]}
        if self.prompt_is_told:
            return output
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        return {"input_tokens": usage["prompt_tokens"] - cached, "cache_read_input_tokens": cached, **output}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields}))
