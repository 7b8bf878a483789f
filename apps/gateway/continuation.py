"""An answer whose engine failed in the middle goes on elsewhere: the caller sees one stream, and pays for it once.

Three ways, by what the next deployment can do:

- vLLM is told to go on with the assistant's last message (`continue_final_message`), a completion simply gets a longer
  prompt;
- a provider that accepts a beginning of the answer (Claude's prefill) gets it as the last message;
- any other is asked anew. What it says is kept back as long as it says what the caller has already, and forwarded from
  there on; where it says something else, the answer cannot be saved.

Whatever the caller's dialect is, the next deployment is asked in chat's, which has these ways, and what it says is
written as the caller's dialect has it (`wires/rest.py`).

A tool call that was cut, reasoning, and several choices at once are not continued: what would be glued together need
not fit. Neither is constrained output where the constraint would begin anew: it is asked for anew, as the last way.
Where the engine had closed its text already, nobody is asked: only the end is missing.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from apps.gateway.attempts import Attempts
from apps.gateway.contracts import Call, Tokens
from apps.gateway.metering import END, Meter, RestWriter
from apps.gateway.wires.openai import DATA, DONE
from inference.chat import chat_of
from inference.client import Upstream
from inference.errors import AnswerDiffers, EngineError, EngineGarbled, EngineRefused
from inference.router import Deployment

MOST_CONTINUATIONS = 2
LIMITS = ("max_completion_tokens", "max_tokens")
LOGPROBS = frozenset({"include", "top_logprobs"})
_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Sent:
    """What the caller has: the text, the tokens so far, who spoke; and what writes the rest.

    `is_counted`: an engine has told the prompt's tokens. `least`: tokens that there are at least, where `tokens` may be
    an estimate, and too high: nobody's limit is cut by those.
    """

    text: str
    tokens: Tokens
    least: int
    is_counted: bool
    deployments: tuple[str, ...]
    writer: RestWriter


def sent_so_far(call: Call, meter: Meter, spoke: list[str]) -> Sent | None:
    """None for what cannot be continued. Tokens that no engine has counted are estimated, as for the bill."""
    writer = meter.rest(call.model.public_name)
    if writer is None or meter.is_fragile or not _is_one_text(call):
        return None
    tokens = meter.so_far()
    return Sent(
        text="".join(meter.said),
        tokens=tokens,
        least=tokens.output if meter.counted else len(meter.said),
        is_counted=meter.input_tokens > 0,
        deployments=tuple(spoke),
        writer=writer,
    )


def _is_one_text(call: Call) -> bool:
    """Whether the caller asked for no more than one text, of which nothing is told but what it says."""
    if call.endpoint == "completions" and not isinstance(call.payload.get("prompt"), str):
        return False
    return call.choices == 1 and not (call.endpoint == "responses" and call.payload.keys() & LOGPROBS)


def in_chat(call: Call, payload: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
    """The call and its payload as they ask for the rest: in chat's dialect, or that of completions.

    Raises EngineError.
    """
    if call.endpoint in ("chat.completions", "completions"):
        return call, payload
    return replace(call, endpoint="chat.completions"), chat_of(call.endpoint, payload)


def ending_of(call: Call, payload: dict[str, Any], sent: Sent, deployment: Deployment) -> bytes:
    """The end of an answer whose text was closed, and whose count and reason never came; nothing where it may be more.

    A call may have been to come, and LiteLLM closes a text also where its stream just stops.
    """
    if payload.get("tools") or not deployment.speaks(call.endpoint):
        return b""
    tokens, limit = sent.tokens, payload.get(call.output_limit_field)
    reason = "length" if limit is not None and sent.least >= limit else "stop"
    usage = _usage(tokens.input, tokens.cached_input, tokens.output)
    ended = {"choices": [{"delta": {}, "finish_reason": reason}], "usage": usage}
    return sent.writer.event(ended) + sent.writer.done()


def way_of(endpoint: str, payload: dict[str, Any], deployment: Deployment, sent: Sent) -> str:
    """ "vllm", "assistant", "prompt" or "anew"."""
    if not sent.text or payload.get("response_format") or payload.get("structured_outputs"):
        return "anew"
    if endpoint == "completions":
        return "prompt"
    return deployment.prefill or "anew"


@dataclass(slots=True, kw_only=True)
class Continuing(Attempts):
    """Attempts at the rest of an answer."""

    sent: Sent
    _unwilling: set[str] = field(default_factory=set)

    @classmethod
    def after(cls, attempts: Attempts, sent: Sent) -> "Continuing":
        """Raises EngineError where the call has no form in which it could go on."""
        call, payload = in_chat(attempts.call, attempts.payload)
        return cls(
            *(attempts.router, attempts.client, attempts.catalog, call, payload),
            until=attempts.until,
            slots=attempts.slots,
            sent=sent,
        )

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
        if deployment.id in self._unwilling:
            return "anew"
        return way_of(self.call.endpoint, self.payload, deployment, self.sent)

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
                payload[name] = max(1, payload[name] - sent.least)
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
    """An Upstream: the rest of the answer, in events that look like those which the caller has.

    `_repeated`: what the caller has and this upstream says again.
    """

    upstream: Upstream
    sent: Sent
    way: str
    deployment: str
    _pending: bytes = b""
    _repeated: str = field(init=False)
    _writer: RestWriter = field(init=False)
    _finished: bool = False
    _ended: bool = False

    def __post_init__(self) -> None:
        text = self.sent.text
        self._repeated = {"anew": text, "assistant": text[len(text.rstrip()) :]}.get(self.way, "")
        self._writer = deepcopy(self.sent.writer)  # it counts, and another attempt may follow this one

    async def body(self) -> bytes:
        raise NotImplementedError("only streams are continued")

    async def read(self) -> bytes:
        while not self._ended:
            shown: list[bytes] = []
            try:
                shown.extend(self._shown(await self._frames()))
            except EngineError:
                if not self._finished:
                    raise
                self._ended = True  # all that was left to come is a count
            if self._ended:
                shown.append(self._writer.done())
            if part := b"".join(shown):
                return part
        return b""

    async def close(self, *, finished: bool = False) -> None:
        await self.upstream.close(finished=finished)

    async def _frames(self) -> list[bytes]:
        data = await self.upstream.read()
        if not data:
            raise EngineGarbled("the engine's stream ended before its answer did")
        *frames, self._pending = (self._pending + data).replace(b"\r\n", b"\n").split(END)
        return frames

    def _shown(self, frames: list[bytes]) -> Iterable[bytes]:
        for frame in frames:
            payload = frame[len(DATA) :].strip() if frame.startswith(DATA) else b""
            if payload == DONE:
                if not self._finished:
                    raise EngineGarbled("the engine said that it is done before its answer was")
                self._ended = True
                return
            if not payload:
                continue
            try:
                event = _decoder.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise EngineGarbled(f"the engine sent no valid JSON: {error}") from error
            if event.get("error") is not None:
                raise EngineGarbled("the engine reported an error in its stream")
            if self._adapt(event):
                yield self._writer.event(event)

    def _adapt(self, event: dict[str, Any]) -> bool:
        """Makes the event one of the caller's stream; whether there is something in it."""
        event.pop("timings", None)  # llama.cpp's own
        if usage := event.get("usage"):
            event["usage"] = self._counted(usage)
        choices = event.get("choices")
        if not choices:
            return bool(usage)
        choice = choices[0]
        holder, name = (choice.get("delta") or {}, "content") if "delta" in choice else (choice, "text")
        holder.pop("role", None)
        self._check_kind(holder)
        if holder.get(name):
            holder[name] = self._new_part(holder[name])
        if choice.get("finish_reason"):
            if self._repeated and self.way == "anew":
                raise AnswerDiffers("the engine's new answer ended before the first one broke off")
            event["artemis"] = {"deployments": [*self.sent.deployments, self.deployment]}
            self._finished = True
        return bool(holder.get(name) or holder.get("tool_calls") or choice.get("finish_reason"))

    def _check_kind(self, said: dict[str, Any]) -> None:
        """What is thought before an answer that is given anew is left out; in the midst of one nothing may be.

        Raises AnswerDiffers.
        """
        if said.get("refusal") or (self.way != "anew" and (said.get("reasoning_content") or said.get("reasoning"))):
            raise AnswerDiffers("the engine did not go on with the text")

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
        thoughts = {name: usage[name] for name in ("completion_tokens_details",) if name in usage}
        return _usage(prompt, self.sent.tokens.cached_input, output) | thoughts


def _usage(prompt: int, cached: int, output: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
