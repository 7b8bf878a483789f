"""One request of the fake engine: read it, take the script, refuse or admit it, answer it, write it down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import takewhile
from typing import Any

import msgspec

from inference import asgi
from inference.fake.answer import Answer, Dialect
from inference.fake.bed import Bed
from inference.fake.delivery import Delivery
from inference.fake.journal import Entry, Journal
from inference.fake.plan import make_plan
from inference.fake.script import Script, ScriptBook
from inference.fake.settings import Settings
from inference.fake.text import count_messages, last_user_message

Fields = dict[str, Any]
Work = Callable[[Fields, Script, Entry, Delivery], Awaitable[None]]

MAX_BODY_BYTES = 64 << 20
BUSY = "The engine is currently busy and cannot accept new requests. Please try again later or on a different instance."
STOPPING = "cannot schedule new futures after shutdown"  # vLLM's own words, as are status and health meanwhile
POLICY = "Your request was rejected as a result of our safety system (fake engine)."
MALFORMED_REQUEST = (KeyError, IndexError, TypeError, AttributeError, ValueError)


class RefusedError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code


class Engine:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.journal = Journal()
        self.scripts = ScriptBook(settings.script)
        self.queue_rejections = 0
        self.is_stopping = False
        self._read_before: set[bytes] = set()
        self.bed = Bed(settings.sleep_mode, settings.slot, wake_seconds=settings.wake_seconds)
        self._slots = asyncio.Semaphore(settings.max_running)
        self._bearer = f"Bearer {settings.api_key}"

    def generation(self, dialect: Dialect) -> Work:
        """Tokens, streamed or not, when a slot is free."""

        async def work(fields: Fields, script: Script, entry: Entry, delivery: Delivery) -> None:
            self._refuse_by_preset(script)
            answer = self._answer(dialect, fields, script, entry)
            self.journal.waiting += 1
            try:
                await self.bed.is_awake.wait()
                if self.bed.talks_nonsense:
                    raise RefusedError(500, "the weights were dropped and not read again")
                await self._slots.acquire()
            finally:
                self.journal.waiting -= 1
            self.journal.running += 1
            try:
                await self._deliver(dialect, fields, answer, delivery, script)
            finally:
                self.journal.running -= 1
                self._slots.release()

        return work

    def computation(self, make: Callable[[Fields], tuple[bytes, int]]) -> Work:
        """Embeddings and reranking: `make` gives the body and the number of tokens read."""

        async def work(fields: Fields, script: Script, entry: Entry, delivery: Delivery) -> None:
            self._refuse_by_preset(script)
            try:
                body, tokens = make(fields)
            except MALFORMED_REQUEST as error:
                raise RefusedError(400, f"validation error: {error!r}") from error
            self.journal.totals["prompt_tokens"] += tokens
            if script.omit_usage:
                counted = msgspec.json.decode(body)
                body = msgspec.json.encode({name: value for name, value in counted.items() if name != "usage"})
            await delivery.whole(body, 0)

        return work

    async def handle(
        self, work: Work, dialect: Dialect, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send
    ) -> None:
        entry = self.journal.open(scope["path"], scope["headers"])
        script = self.scripts.default
        delivery: Delivery | None = None
        try:
            if self.is_stopping:
                raise RefusedError(500, STOPPING)
            fields = await self._read(entry, scope, receive)
            if not self.scripts.is_empty:
                script = self.scripts.take(last_user_message(fields))
            delivery = Delivery(script, entry, receive, send)
            if not await delivery.instead_of_answer(dialect):
                await work(fields, script, entry, delivery)
        except RefusedError as refusal:
            entry.status = refusal.status
            body = dialect.refusal(refusal.status, refusal.message, param=refusal.param, code=refusal.code)
            await asgi.respond(send, refusal.status, body, headers=[asgi.JSON_TYPE, *script.retry_headers])
        except asgi.DisconnectedError:
            entry.disconnected_after = entry.age
        finally:
            if delivery is not None:
                delivery.close()
            self.journal.close(entry)

    async def _read(self, entry: Entry, scope: asgi.Scope, receive: asgi.Receive) -> Fields:
        entry.body = await asgi.read_body(receive, limit=MAX_BODY_BYTES)
        self._authorize(scope)
        try:
            fields = msgspec.json.decode(entry.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusedError(400, f"JSON decode error: {error}") from error
        if not isinstance(fields, dict):
            raise RefusedError(400, "The body must be a JSON object")
        model = fields.get("model")
        if not isinstance(model, str) or (self.settings.models and model not in self.settings.models):
            raise RefusedError(404, f"The model `{model}` does not exist.", param="model")
        return fields

    def _refuse_by_preset(self, script: Script) -> None:
        """A full queue refuses, as vLLM does with --max-num-queued-reqs."""
        if script.error == "queue_full" or self.journal.waiting >= self.settings.max_queued:
            self.queue_rejections += 1
            raise RefusedError(503, BUSY)
        if script.error == "content_policy":
            raise RefusedError(400, POLICY, code="content_policy_violation")
        if script.error == "context_length":
            raise self._too_long(self.settings.max_model_len + 1)

    def _too_long(self, tokens: int) -> RefusedError:
        limit = self.settings.max_model_len
        message = (
            f"This model's maximum context length is {limit} tokens. However, your prompt contains at least "
            f"{tokens} input tokens, which exceeds this limit even without any output tokens. Please reduce "
            f"the length of the input prompt. (parameter=input_tokens, value={tokens})"
        )
        return RefusedError(400, message, param="input_tokens")

    def _answer(self, dialect: Dialect, fields: Fields, script: Script, entry: Entry) -> Answer:
        try:
            prompt_tokens, prefix = dialect.prompt(fields)
            plan = make_plan(fields, script, prefix=prefix)
            options = fields.get("stream_options") or {}
            include, continuous = options.get("include_usage"), options.get("continuous_usage_stats")
        except MALFORMED_REQUEST as error:
            raise RefusedError(400, f"validation error: {error!r}") from error
        if prompt_tokens > self.settings.max_model_len:
            raise self._too_long(prompt_tokens)
        cached = self._known_tokens(fields) if script.prefix_cache else min(script.cached_tokens, prompt_tokens)
        self.journal.totals["prompt_tokens"] += prompt_tokens
        self.journal.totals["cached_tokens"] += cached
        return Answer(
            number=entry.number,
            model=fields["model"],
            created=int(time.time()),
            plan=plan,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached,
            include_usage=bool(include),
            continuous_usage=bool(continuous),
            omit_usage=script.omit_usage,
            timings=script.timings,
        )

    def _known_tokens(self, fields: Fields) -> int:
        """Of the messages that this engine has read before; from now on it knows them all."""
        messages = fields["messages"]
        beginnings = [msgspec.json.encode(messages[:end]) for end in range(1, len(messages) + 1)]
        known = sum(1 for _ in takewhile(self._read_before.__contains__, beginnings))
        self._read_before.update(beginnings)
        return count_messages(messages[:known]) if known else 0

    async def _deliver(
        self, dialect: Dialect, fields: Fields, answer: Answer, delivery: Delivery, script: Script
    ) -> None:
        self.journal.totals["first_tokens"] += 1
        self.journal.ttft_seconds += script.header_delay + script.first_token_delay
        if fields.get("stream"):
            broken = dialect.broken("the fake engine was told to fail here")
            await delivery.stream(dialect.frames(answer), done=dialect.done, broken=broken)
        else:
            await delivery.whole(dialect.whole(answer), answer.plan.completion_tokens)

    def _authorize(self, scope: asgi.Scope) -> None:
        if self.settings.api_key is None:
            return
        bearer, plain = asgi.header(scope, b"authorization"), asgi.header(scope, b"x-api-key")
        if bearer != self._bearer and plain != self.settings.api_key:
            raise RefusedError(401, "Unauthorized")
