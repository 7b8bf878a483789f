"""What the fake engine is told to do: scripts, posted by a test, taken by the requests that match."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

Preset = Literal["context_length", "content_policy", "queue_full"]
Malformation = Literal["json", "html", "long_line"]


class ScriptError(ValueError):
    """A script that says something unknown: a misspelt fault must not pass as a healthy answer."""


@dataclass(frozen=True)
class Script:
    """How to answer. Times in seconds; chunks are events of a stream, the first of them number 1."""

    # Which requests: the next `times` ones (None: until reset) whose last user message contains `match`.
    times: int | None = None
    match: str | None = None

    # The answer.
    output_tokens: int = 16
    texts: tuple[str, ...] | None = None
    """The tokens themselves, in place of the numbered words."""
    thoughts: tuple[str, ...] = ()
    """Tokens that are thought before the answer."""
    tokens_per_second: float | None = None
    header_delay: float = 0.0
    first_token_delay: float = 0.0
    finish_reason: str | None = None
    tool_call: bool | str = False
    """Call this tool (True: the first one), where the request has tools."""
    cached_tokens: int = 0
    prefix_cache: bool = False
    """Of a chat, count as cached what this engine has read before: whole messages from the first one on."""
    timings: bool = False
    """With llama.cpp's account of the time that it took, beside the usage."""
    omit_usage: bool = False
    omit_done: bool = False

    # Faults before the answer.
    error: Preset | None = None
    status: int | None = None
    body: Any = None
    """With `status`: JSON, or a string that is sent as HTML."""
    retry_after: str | None = None
    reset: bool = False
    """Reset the connection before the headers."""
    silent: bool = False
    """Take the request and never answer."""
    exit_on_request: bool = False

    # Faults within a stream, after this many chunks.
    cut_after: int | None = None
    """Close the socket; a whole (non-streamed) answer is cut in the middle for any value."""
    end_after: int | None = None
    """End the answer in good order, as HTTP sees it, without the rest of its events."""
    stall_after: int | None = None
    exit_after: int | None = None
    error_after: int | None = None
    malformed_after: int | None = None
    malformed: Malformation = "json"
    split_bytes: int | None = None
    """Write the stream in pieces of this size: characters and lines fall apart between them."""
    coalesce: bool = False
    """Leave it to the event loop to join chunks into one write: lighter, but no longer like an engine."""

    @property
    def is_paced(self) -> bool:
        """Whether time passes within the answer, so that a hang-up can be noticed."""
        delays = self.header_delay or self.first_token_delay or self.tokens_per_second
        return bool(delays or self.silent or self.stall_after is not None)

    @property
    def retry_headers(self) -> list[tuple[bytes, bytes]]:
        return [] if self.retry_after is None else [(b"retry-after", str(self.retry_after).encode())]

    @classmethod
    def parse(cls, fields: Any) -> "Script":
        if not isinstance(fields, dict):
            raise ScriptError("a script is a JSON object")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(fields.keys() - known):
            raise ScriptError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        for name, allowed in (("error", get_args(Preset)), ("malformed", get_args(Malformation))):
            if fields.get(name) is not None and fields[name] not in allowed:
                raise ScriptError(f"{name} is one of {', '.join(allowed)}")
        listed = {name: tuple(fields[name]) for name in ("texts", "thoughts") if fields.get(name) is not None}
        return cls(**{**fields, **listed})


class ScriptBook:
    """The scripts in force. The oldest that matches is taken; without one, the default."""

    def __init__(self, default: Script) -> None:
        self.default = default
        self._scripts: list[tuple[Script, list[int]]] = []

    def add(self, script: Script) -> None:
        self._scripts.append((script, [0]))

    def reset(self) -> None:
        self._scripts.clear()

    @property
    def is_empty(self) -> bool:
        return not self._scripts

    def take(self, last_user_message: str) -> Script:
        for position, (script, taken) in enumerate(self._scripts):
            if script.match is not None and script.match not in last_user_message:
                continue
            taken[0] += 1
            if script.times is not None and taken[0] >= script.times:
                del self._scripts[position]
            return script
        return self.default
