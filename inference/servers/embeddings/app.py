"""The embeddings engine's HTTP face: raw ASGI, with the same routes and metric names as vLLM's."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from inference import asgi
from inference.servers.embeddings.backend import Backend
from inference.servers.embeddings.batching import Batcher, QueueFullError
from inference.servers.embeddings.request import BadRequestError, EmbeddingRequest, parse

MAX_BODY_BYTES = 16 << 20


class EmbeddingsApp:
    def __init__(self, backend: Backend, *, model: str, api_key: str | None = None) -> None:
        self._backend, self._model, self._api_key = backend, model, api_key
        self._batcher = Batcher(backend.embed)
        self._started = int(time.time())
        self._running = 0
        self._succeeded = 0
        self._prompt_tokens = 0

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            await asgi.accept_lifespan(receive, send)
            return
        match (scope["method"], scope["path"]):
            case ("GET", "/health" | "/ping"):
                await asgi.respond(send, 200, b"")
            case ("GET", "/metrics"):
                await asgi.respond(send, 200, self._metrics().encode(), headers=[asgi.TEXT_TYPE])
            case (_, path) if path.startswith("/v1/") and not self._is_allowed(scope):
                await asgi.respond_json(send, 401, asgi.error_envelope("Unauthorized", kind="invalid_request_error"))
            case ("GET", "/v1/models"):
                await asgi.respond_json(send, 200, {"object": "list", "data": [self._card()]})
            case ("POST", "/v1/embeddings"):
                await self._embeddings(receive, send)
            case _:
                await asgi.respond_json(send, 404, asgi.error_envelope("Not Found", kind="invalid_request_error"))

    def _is_allowed(self, scope: asgi.Scope) -> bool:
        given = asgi.header(scope, b"authorization") or ""
        return self._api_key is None or hmac.compare_digest(given.encode(), f"Bearer {self._api_key}".encode())

    def _card(self) -> dict[str, Any]:
        return {
            "id": self._model,
            "object": "model",
            "created": self._started,
            "owned_by": "artemis",
            "max_model_len": self._backend.max_tokens,
        }

    async def _embeddings(self, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer, or stop working as soon as the caller has hung up."""
        try:
            body = await asgi.read_body(receive, limit=MAX_BODY_BYTES)
        except asgi.DisconnectedError:
            return
        except asgi.BodyTooLargeError:
            too_large = asgi.error_envelope("The body is too large.", kind="invalid_request_error")
            await asgi.respond_json(send, 413, too_large, headers=[(b"connection", b"close")])
            return
        self._running += 1
        answer = asyncio.ensure_future(self._answer(body))
        hang_up = asyncio.ensure_future(asgi.wait_for_disconnect(receive))
        try:
            await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                status, payload = answer.result()
                headers = [asgi.JSON_TYPE, *([(b"retry-after", b"1")] if status == 503 else [])]
                await asgi.respond(send, status, payload, headers=headers)
        finally:
            self._running -= 1
            answer.cancel()
            hang_up.cancel()

    async def _answer(self, body: bytes) -> tuple[int, bytes]:
        try:
            request = await asyncio.to_thread(parse, body, model=self._model, backend=self._backend)
            vectors = await self._batcher.embed(request.inputs)
        except BadRequestError as error:
            kind = "invalid_request_error"
            envelope = asgi.error_envelope(error.message, kind=kind, param=error.param, code=error.code)
            return error.status, json.dumps(envelope).encode()
        except QueueFullError:
            return 503, json.dumps(asgi.error_envelope("The engine is full.", kind="server_error", code=503)).encode()
        self._succeeded += 1
        self._prompt_tokens += request.tokens
        return 200, await asyncio.to_thread(_encode, request, vectors, self._model)

    def _metrics(self) -> str:
        label = f'{{model_name="{self._model}"}}'
        waiting = self._batcher.waiting
        samples = [
            ("num_requests_running", "gauge", self._running),
            ("num_requests_waiting", "gauge", waiting),
            ("prompt_tokens_total", "counter", self._prompt_tokens),
            ("request_success_total", "counter", self._succeeded),
        ]
        return "".join(f"# TYPE vllm:{name} {kind}\nvllm:{name}{label} {value}\n" for name, kind, value in samples)


def _encode(request: EmbeddingRequest, vectors: Sequence[Any], model: str) -> bytes:
    rows = np.asarray(vectors, dtype="<f4")[:, : request.dimensions]
    if request.dimensions < len(vectors[0]):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    data = [
        {"object": "embedding", "index": index, "embedding": _represent(row, request.base64)}
        for index, row in enumerate(rows)
    ]
    usage = {"prompt_tokens": request.tokens, "total_tokens": request.tokens}
    return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


def _represent(row: Any, as_base64: bool) -> str | list[float]:
    """OpenAI's base64 form is the little-endian float32 bytes."""
    if as_base64:
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    values: list[float] = row.tolist()
    return values
