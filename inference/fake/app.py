"""The fake engine's routes: vLLM's, Anthropic's, and /fake/… for the test that directs it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from inference import asgi
from inference.fake import metrics, text, vectors
from inference.fake.answer import Dialect
from inference.fake.chat import Chat
from inference.fake.completions import Completions
from inference.fake.engine import Engine, Work
from inference.fake.messages import Messages, count
from inference.fake.responses import Responses
from inference.fake.script import Script, ScriptError
from inference.fake.settings import Settings

Handler = Callable[[asgi.Scope, asgi.Receive, asgi.Send], Awaitable[None]]
VectorMaker = Callable[[dict[str, Any]], tuple[bytes, int]]
DEFAULT_MODEL = "fake-model"


class FakeApp:
    def __init__(self, settings: Settings) -> None:
        self._engine = Engine(settings)
        self._metric_overrides: dict[str, float] = {}
        self._model = settings.models[0] if settings.models else DEFAULT_MODEL
        self._routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self._generation(Chat()),
            ("POST", "/v1/completions"): self._generation(Completions()),
            ("POST", "/v1/responses"): self._generation(Responses()),
            ("POST", "/v1/messages"): self._generation(Messages()),
            ("POST", "/v1/messages/count_tokens"): self._work(self._engine.computation(count), Messages()),
            ("POST", "/v1/embeddings"): self._vectors(self._embeddings),
            ("POST", "/v1/rerank"): self._vectors(self._rerank),
            ("POST", "/rerank"): self._vectors(self._rerank),
            ("POST", "/tokenize"): self._tokenize,
            ("GET", "/v1/models"): self._models,
            ("GET", "/health"): self._healthy,
            ("GET", "/ping"): self._healthy,
            ("GET", "/load"): self._load,
            ("GET", "/version"): self._version,
            ("GET", "/metrics"): self._metrics,
            **(self._bedroom() if settings.sleep_mode else {}),
            ("POST", "/fake/script"): self._add_script,
            ("POST", "/fake/metrics"): self._override_metrics,
            ("POST", "/fake/reset"): self._reset,
            ("GET", "/fake/log"): self._log,
            ("GET", "/fake/counters"): self._counters,
        }

    def _bedroom(self) -> dict[tuple[str, str], Handler]:
        bed = self._engine.bed
        return {
            ("POST", "/sleep"): partial(bed.sleep, running=lambda: self._engine.journal.running),
            ("POST", "/wake_up"): bed.wake_up,
            ("GET", "/is_sleeping"): bed.is_sleeping,
            ("POST", "/collective_rpc"): bed.reload_weights,
        }

    def begin_to_stop(self) -> None:
        self._engine.is_stopping = True

    @property
    def is_idle(self) -> bool:
        return not self._engine.journal.running + self._engine.journal.waiting

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            await asgi.accept_lifespan(receive, send)
            return
        handler = self._routes.get((scope["method"], scope["path"]))
        if handler is None:
            await asgi.respond_json(send, 404, {"detail": "Not Found"})
        else:
            await handler(scope, receive, send)

    def _work(self, work: Work, dialect: Dialect) -> Handler:
        async def handle(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
            await self._engine.handle(work, dialect, scope, receive, send)

        return handle

    def _generation(self, dialect: Dialect) -> Handler:
        return self._work(self._engine.generation(dialect), dialect)

    def _vectors(self, make: VectorMaker) -> Handler:
        return self._work(self._engine.computation(make), Chat())

    def _embeddings(self, fields: dict[str, Any]) -> tuple[bytes, int]:
        return vectors.embeddings(fields, model=fields["model"], dimensions=self._engine.settings.dimensions)

    def _rerank(self, fields: dict[str, Any]) -> tuple[bytes, int]:
        return vectors.rerank(fields, model=fields["model"])

    async def _tokenize(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        fields = msgspec.json.decode(await asgi.read_body(receive, limit=1 << 24))
        prompt = fields.get("prompt") or "\n".join(
            text.content_text(message.get("content")) for message in fields.get("messages", [])
        )
        tokens = text.tokenize(prompt)
        limit = self._engine.settings.max_model_len
        await asgi.respond_json(send, 200, {"count": len(tokens), "max_model_len": limit, "tokens": tokens})

    async def _models(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        names = self._engine.settings.models or (DEFAULT_MODEL,)
        common = {"object": "model", "created": 0, "owned_by": "artemis-fake", "parent": None}
        limit = self._engine.settings.max_model_len
        cards = [{"id": name, **common, "root": name, "max_model_len": limit} for name in names]
        await asgi.respond_json(send, 200, {"object": "list", "data": cards})

    async def _healthy(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.respond(send, 200, b"")

    async def _load(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        journal = self._engine.journal
        await asgi.respond_json(send, 200, {"server_load": journal.running + journal.waiting})

    async def _version(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.respond_json(send, 200, {"version": "artemis-fake"})

    async def _metrics(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        engine = self._engine
        page = metrics.render(
            engine.journal,
            model=self._model,
            queue_rejections=engine.queue_rejections,
            awake=engine.bed.is_awake.is_set(),
            overrides=self._metric_overrides,
        )
        await asgi.respond(send, 200, page.encode(), headers=[asgi.TEXT_TYPE])

    async def _add_script(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """One script, or a list of them in the order in which they are to be taken."""
        try:
            given = msgspec.json.decode(await asgi.read_body(receive, limit=1 << 24))
            scripts = [Script.parse(one) for one in (given if isinstance(given, list) else [given])]
        except (ScriptError, msgspec.DecodeError, TypeError) as error:
            await asgi.respond_json(send, 400, asgi.error_envelope(str(error), kind="ScriptError"))
            return
        for script in scripts:
            self._engine.scripts.add(script)
        await asgi.respond_json(send, 200, {"scripts": len(scripts)})

    async def _override_metrics(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        self._metric_overrides = msgspec.json.decode(await asgi.read_body(receive, limit=1 << 20))
        await asgi.respond_json(send, 200, self._metric_overrides)

    async def _reset(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        self._engine.scripts.reset()
        self._engine.journal.reset()
        self._engine.queue_rejections = 0
        self._metric_overrides = {}
        await asgi.respond_json(send, 200, {})

    async def _log(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        entries = self._engine.journal.entries
        await asgi.respond_json(send, 200, [entry.describe() for entry in entries if entry.is_known])

    async def _counters(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.respond_json(send, 200, self._engine.journal.counters())


def app_from_environment() -> FakeApp:
    """For uvicorn's workers, which import their application by name."""
    return FakeApp(Settings.from_environment())
