"""One generation: read it, take the script, refuse or admit it, answer it, write it down."""

import asyncio
import time
from typing import Any

import msgspec

from inference import asgi
from inference.fake.answer import Answer, Dialect
from inference.fake.delivery import Delivery
from inference.fake.journal import Entry, Journal
from inference.fake.plan import make_plan
from inference.fake.script import Script, ScriptBook
from inference.fake.settings import Settings
from inference.fake.text import last_user_message

MAX_BODY_BYTES = 64 << 20
BUSY = (
    "The engine is currently busy and cannot accept new requests. "
    "Please try again later or on a different instance."
)
POLICY = "Your request was rejected as a result of our safety system (fake engine)."


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
        self._slots = asyncio.Semaphore(settings.max_running)
        self._bearer = f"Bearer {settings.api_key}"

    async def generate(
        self, dialect: Dialect, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send
    ) -> None:
        entry = self.journal.open(scope["path"], scope["headers"])
        delivery: Delivery | None = None
        script: Script | None = None
        try:
            fields, script = await self.read(entry, scope, receive)
            delivery = Delivery(script, entry, receive, send)
            if await delivery.before_headers():
                return
            if script.status is not None:
                await self._scripted_status(entry, script, dialect, send)
                return
            await self._admit(dialect, fields, script, entry, delivery)
        except RefusedError as refusal:
            await self.refuse(entry, refusal, dialect, send, script=script)
        except asgi.DisconnectedError:
            entry.disconnected_after = entry.age
        finally:
            if delivery is not None:
                delivery.close()
            self.journal.close(entry)

    async def compute(
        self,
        make: Callable[[dict[str, Any]], tuple[bytes, int]],
        dialect: Dialect,
        scope: asgi.Scope,
        receive: asgi.Receive,
        send: asgi.Send,
    ) -> None:
        """Embeddings and reranking: `make` gives the body and the tokens read; nothing is generated."""
        entry = self.journal.open(scope["path"], scope["headers"])
        delivery: Delivery | None = None
        script: Script | None = None
        try:
            fields, script = await self.read(entry, scope, receive)
            delivery = Delivery(script, entry, receive, send)
            if await delivery.before_headers():
                return
            if script.status is not None:
                await self._scripted_status(entry, script, dialect, send)
                return
            body, tokens = _checked(make, fields)
            self.journal.totals["prompt_tokens"] += tokens
            await delivery.whole(body, 0)
        except RefusedError as refusal:
            await self.refuse(entry, refusal, dialect, send, script=script)
        except asgi.DisconnectedError:
            entry.disconnected_after = entry.age
        finally:
            if delivery is not None:
                delivery.close()
            self.journal.close(entry)

    async def read(
        self, entry: Entry, scope: asgi.Scope, receive: asgi.Receive
    ) -> tuple[dict[str, Any], Script]:
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
        if self.scripts.is_empty:
            return fields, self.scripts.default
        return fields, self.scripts.take(last_user_message(fields))

    async def _admit(
        self, dialect: Dialect, fields: dict[str, Any], script: Script, entry: Entry, delivery: Delivery
    ) -> None:
        """A full queue refuses, as vLLM does with --max-num-queued-reqs; otherwise wait for a slot."""
        journal = self.journal
        if script.error == "queue_full" or journal.waiting >= self.settings.max_queued:
            self.queue_rejections += 1
            raise RefusedError(503, BUSY)
        if script.error == "content_policy":
            raise RefusedError(400, POLICY, code="content_policy_violation")
        answer = self._answer(dialect, fields, script, entry)
        journal.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            journal.waiting -= 1
        journal.running += 1
        try:
            await self._deliver(dialect, fields, answer, delivery, script)
        finally:
            journal.running -= 1
            self._slots.release()

    def _answer(self, dialect: Dialect, fields: dict[str, Any], script: Script, entry: Entry) -> Answer:
        try:
            prompt_tokens, prefix = dialect.prompt(fields)
            plan = make_plan(fields, script, prefix=prefix)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise RefusedError(400, f"validation error: {error!r}") from error
        limit = self.settings.max_model_len
        if script.error == "context_length" or prompt_tokens > limit:
            asked = max(prompt_tokens, limit + 1)
            raise RefusedError(
                400,
                f"This model's maximum context length is {limit} tokens. However, your prompt contains at least "
                f"{asked} input tokens, which exceeds this limit even without any output tokens. Please reduce "
                f"the length of the input prompt. (parameter=input_tokens, value={asked})",
                param="input_tokens",
            )
        options = fields.get("stream_options") or {}
        cached = min(script.cached_tokens, prompt_tokens)
        self.journal.totals["prompt_tokens"] += prompt_tokens
        self.journal.totals["cached_tokens"] += cached
        return Answer(
            number=entry.number,
            model=fields["model"],
            created=int(time.time()),
            plan=plan,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached,
            include_usage=bool(options.get("include_usage")),
            continuous_usage=bool(options.get("continuous_usage_stats")),
            omit_usage=script.omit_usage,
        )

    async def _deliver(
        self, dialect: Dialect, fields: dict[str, Any], answer: Answer, delivery: Delivery, script: Script
    ) -> None:
        self.journal.totals["first_tokens"] += 1
        self.journal.ttft_seconds += script.header_delay + script.first_token_delay
        if fields.get("stream"):
            broken = dialect.broken("the fake engine was told to fail here")
            await delivery.stream(dialect.frames(answer), done=dialect.done, broken=broken)
        else:
            await delivery.whole(dialect.whole(answer), answer.plan.completion_tokens)

    async def refuse(
        self, entry: Entry, refusal: RefusedError, dialect: Dialect, send: asgi.Send, *, script: Script | None
    ) -> None:
        entry.status = refusal.status
        body = dialect.refusal(refusal.status, refusal.message, param=refusal.param, code=refusal.code)
        await asgi.respond(send, refusal.status, body, headers=[asgi.JSON_TYPE, *_retry_after(script)])

    async def _scripted_status(self, entry: Entry, script: Script, dialect: Dialect, send: asgi.Send) -> None:
        entry.status = status = script.status or 500
        entry.fault = f"status {status}"
        kind = asgi.JSON_TYPE
        if isinstance(script.body, str):
            kind, body = (b"content-type", b"text/html"), script.body.encode()
        elif script.body is not None:
            body = msgspec.json.encode(script.body)
        else:
            body = dialect.refusal(status, f"the fake engine was told to answer {status}")
        await asgi.respond(send, status, body, headers=[kind, *_retry_after(script)])

    def _authorize(self, scope: asgi.Scope) -> None:
        if self.settings.api_key is None:
            return
        given = asgi.header(scope, b"authorization"), asgi.header(scope, b"x-api-key")
        if given[0] != self._bearer and given[1] != self.settings.api_key:
            raise RefusedError(401, "Unauthorized")


def _retry_after(script: Script | None) -> list[asgi.Header]:
    if script is None or script.retry_after is None:
        return []
    return [(b"retry-after", str(script.retry_after).encode())]
