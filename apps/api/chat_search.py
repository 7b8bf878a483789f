"""`file_search` in chat completions, which OpenAI has in responses alone: annotations stand in the message, and in a
stream in the chunk that ends it."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import msgspec

from apps.api.file_search import annotations, chosen_tool, findings
from apps.api.schemas.chat import ChatRequest
from apps.gateway import services
from apps.gateway.contracts import Answer, Call, EventStream, Write
from apps.knowledge.contracts import Findings
from apps.knowledge.services import admitted, with_passages

END, DATA = b"\n\n", b"data: "
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


async def complete(call: Call, parsed: ChatRequest) -> Answer:
    """Raises ArtemisError."""
    if not parsed.searches:
        return await services.complete(call)
    call = replace(call, payload=parsed.for_engines(call.payload))
    tool = chosen_tool(parsed.tools, parsed.tool_choice)
    if tool is None:
        return await services.complete(call)
    call = await admitted(call)
    found = await findings(call, tool, parsed.questions)
    answer = await services.complete(with_passages(call, found))
    if answer.stream is not None:
        return replace(answer, stream=CitedChunks(answer.stream, found))
    return replace(answer, body=_annotated(answer.body, found))


def _annotated(body: bytes, found: Findings) -> bytes:
    answer = _decode(body)
    for choice in answer["choices"]:
        message = choice["message"]
        message["annotations"] = _notes(message.get("content") or "", found)
    return _encode(answer)


def _notes(text: str, found: Findings) -> list[dict[str, Any]]:
    """In the form of chat's other annotation, url_citation."""
    return [
        {"type": one["type"], "file_citation": {name: value for name, value in one.items() if name != "type"}}
        for one in annotations(found, text)
    ]


class CitedChunks:
    """A stream whose last chunk of each choice has the annotations; all others pass as they are."""

    def __init__(self, stream: EventStream, found: Findings) -> None:
        self._stream = stream
        self._found = found
        self._texts: dict[int, str] = defaultdict(str)

    async def pump(self, write: Write) -> None:
        async def cited(part: bytes, *, last: bool = False) -> None:
            await write(b"".join(self._own(frame) for frame in part.splitlines(keepends=True)), last=last)

        await self._stream.pump(cited)

    async def abandon(self) -> None:
        await self._stream.abandon()

    def _own(self, line: bytes) -> bytes:
        if not line.startswith(DATA + b"{"):
            return line
        chunk = _decode(line[len(DATA) :])
        ended = False
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            self._texts[choice["index"]] += delta.get("content") or ""
            if choice.get("finish_reason"):
                choice["delta"] = {**delta, "annotations": _notes(self._texts[choice["index"]], self._found)}
                ended = True
        return DATA + _encode(chunk) + b"\n" if ended else line
