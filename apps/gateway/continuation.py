"""An answer whose engine failed in the middle goes on elsewhere: the caller sees one stream, and pays for it once.

Three ways, by what the next deployment can do:

- vLLM is told to go on with the assistant's last message (`continue_final_message`), a completion simply gets a longer
  prompt;
- a provider that accepts a beginning of the answer (Claude's prefill) gets it as the last message;
- any other is asked anew. What it says is kept back as long as it says what the caller has already, and forwarded from
  there on; where it says something else, the answer cannot be saved.

A tool call that was cut, reasoning, and several choices at once are not continued: what would be glued together need
not fit. Neither is constrained output where the constraint would begin anew: it is asked for anew, as the last way.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apps.gateway.attempts import Attempts
from apps.gateway.contracts import Call
from apps.gateway.metering import END, Meter, Tokens
from apps.gateway.wires.openai import DATA, DONE, OpenAIMeter
from inference.client import Upstream
from inference.errors import AnswerDiffers, EngineGarbled, EngineRefused
from inference.router import Deployment

MOST_CONTINUATIONS = 2
LIMITS = ("max_completion_tokens", "max_tokens")
_decoder = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Sent:
    """What the caller has: the text, the head that every chunk bears, the tokens so far, and who spoke."""

    text: str
    head: dict[str, Any]
    tokens: Tokens
    is_counted: bool
    deployments: tuple[str, ...]


def can_continue(call: Call, meter: OpenAIMeter) -> bool:
    if call.choices != 1 or meter.is_fragile or not meter.head:
        return False
    return call.endpoint == "chat.completions" or isinstance(call.payload.get("prompt"), str)


def way_of(call: Call, deployment: Deployment, sent: Sent) -> str:
    """ "vllm", "assistant", "prompt" or "anew"."""
    if not sent.text or call.payload.get("response_format") or call.payload.get("structured_outputs"):
        return "anew"
    if call.endpoint == "completions":
        return "prompt"
    return deployment.prefill or "anew"


@dataclass(slots=True, kw_only=True)
class Continuing(Attempts):
    """Attempts at the rest of an answer."""

    sent: Sent
    _unwilling: set[str] = field(default_factory=set)

    async def _begin(self, deployment: Deployment, meter: Meter) -> tuple[Upstream, bytes]:
        """One that refuses a beginning, whatever its catalogue says of it, is asked anew."""
        try:
            return await Attempts._begin(self, deployment, meter)
        except EngineRefused as error:
            if error.status != 400 or self._way(deployment) == "anew":
                raise
            self._unwilling.add(deployment.id)
            self.made += 1
            return await Attempts._begin(self, deployment, meter)

    def _way(self, deployment: Deployment) -> str:
        return "anew" if deployment.id in self._unwilling else way_of(self.call, deployment, self.sent)

    async def _open_upstream(self, deployment: Deployment) -> Upstream:
        upstream = await Attempts._open_upstream(self, deployment)
        return Rest(upstream, self.sent, self._way(deployment), deployment.id)

    def _payload(self, deployment: Deployment) -> dict[str, Any]:
        payload = Attempts._payload(self, deployment)
        way, sent = self._way(deployment), self.sent
        if way == "anew":
            return payload
        for name in LIMITS:
            if name in payload:
                payload[name] = max(1, payload[name] - sent.tokens.output)
        if way == "prompt":
            payload["prompt"] += sent.text
            return payload
        # Claude takes no beginning that ends with a space; `Rest` leaves out the one that then comes again.
        text = sent.text if way == "vllm" else sent.text.rstrip()
        payload["messages"] = [*payload["messages"], {"role": "assistant", "content": text}]
        if way == "vllm":
            payload |= {"continue_final_message": True, "add_generation_prompt": False}
        return payload


@dataclass(slots=True)
class Rest:
    """An Upstream: the rest of the answer, in chunks that look like those which the caller has."""

    upstream: Upstream
    sent: Sent
    way: str
    deployment: str
    _pending: bytes = b""
    _repeated: str = field(init=False)

    def __post_init__(self) -> None:
        """`_repeated`: what the caller has and this upstream says again."""
        text = self.sent.text
        self._repeated = {"anew": text, "assistant": text[len(text.rstrip()) :]}.get(self.way, "")

    async def body(self) -> bytes:
        raise NotImplementedError("only streams are continued")

    async def read(self) -> bytes:
        while True:
            data = await self.upstream.read()
            if not data:
                if self._repeated and self.way == "anew":
                    raise AnswerDiffers("the engine's new answer ended before the first one broke off")
                return b""
            *frames, self._pending = (self._pending + data).replace(b"\r\n", b"\n").split(END)
            shown = b"".join(frame + END for frame in self._shown(frames))
            if shown:
                return shown

    async def close(self, *, finished: bool = False) -> None:
        await self.upstream.close(finished=finished)

    def _shown(self, frames: list[bytes]) -> Iterable[bytes]:
        for frame in frames:
            if not frame.startswith(DATA):
                continue
            payload = frame[len(DATA) :].strip()
            if payload == DONE:
                yield frame
                continue
            try:
                event = _decoder.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise EngineGarbled(f"the engine sent no valid JSON: {error}") from error
            if "error" in event or self._adapt(event):
                yield b"data: " + _encode(event)

    def _adapt(self, event: dict[str, Any]) -> bool:
        """Makes the event one of the caller's stream; whether there is something in it."""
        event.update(self.sent.head)
        event.pop("timings", None)  # llama.cpp's own
        if usage := event.get("usage"):
            event["usage"] = self._counted(usage)
        choices = event.get("choices")
        if not choices:
            return bool(usage)
        choice = choices[0]
        holder, name = (choice.get("delta") or {}, "content") if "delta" in choice else (choice, "text")
        holder.pop("role", None)
        if holder.get(name):
            holder[name] = self._new_part(holder[name])
        if choice.get("finish_reason"):
            if self._repeated and self.way == "anew":
                raise AnswerDiffers("the engine's new answer ended before the first one broke off")
            event["artemis"] = {"deployments": [*self.sent.deployments, self.deployment]}
        return bool(holder.get(name) or holder.get("tool_calls") or choice.get("finish_reason"))

    def _new_part(self, part: str) -> str:
        """Without what the caller has already. Raises AnswerDiffers."""
        repeated = self._repeated
        if not repeated:
            return part
        if self.way == "assistant":  # only white space, which may come again or not
            self._repeated = ""
            return part.removeprefix(repeated)
        both = min(len(part), len(repeated))
        if part[:both] != repeated[:both]:
            raise AnswerDiffers("the engine's new answer is another one")
        self._repeated = repeated[both:]
        return part[both:]

    def _counted(self, usage: dict[str, Any]) -> dict[str, Any]:
        """The tokens of the whole answer: the prompt once, what came before and what came now."""
        output = usage.get("completion_tokens") or 0
        if self.way != "anew":
            output += self.sent.tokens.output
        prompt = self.sent.tokens.input
        if not self.sent.is_counted:  # the first engine told nothing: this one read what the caller has as well
            prompt = usage.get("prompt_tokens") or prompt
            prompt = max(1, prompt if self.way == "anew" else prompt - self.sent.tokens.output)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": self.sent.tokens.cached_input},
        }
