"""One request of the API, from its key to its answer. Everything between is done without a pause, so nothing races."""

import asyncio
import logging
import re
from typing import Any
from urllib.parse import unquote

import msgspec

from apps.billing.emulator import form, identifiers
from apps.billing.emulator.credentials import secret_key
from apps.billing.emulator.emulator import Emulator
from apps.billing.emulator.endpoints import Endpoint, Table
from apps.billing.emulator.errors import InvalidParameter, StripeError
from apps.billing.emulator.expansion import Included, expand
from apps.billing.emulator.faults import Fault
from apps.billing.emulator.idempotency import Answer
from apps.billing.emulator.parameters import Fields, read_all
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import API_VERSION, Origin
from inference import asgi

logger = logging.getLogger(__name__)
LARGEST_BODY = 1 << 20
VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")
SPOKEN = API_VERSION.partition(".")[2]


class Api:
    def __init__(self, emulator: Emulator, table: Table, included: Included) -> None:
        self._emulator, self._table, self._included = emulator, table, included

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request = identifiers.new("request")
        method, path = scope["method"], unquote(scope["path"])
        entry = self._emulator.journal.open(request=request, method=method, path=path, headers=headers)
        try:
            body = (await asgi.read_body(receive, limit=LARGEST_BODY)).decode(errors="replace")
        except asgi.BodyTooLargeError:
            await asgi.respond_json(send, 413, StripeError("The request's body is too large.").envelope(""))
            return
        except asgi.DisconnectedError:
            return
        query = scope["query_string"].decode("latin-1")
        fault = self._emulator.faults.take(method, path)
        entry["fault"] = None if fault is None else "ordered"
        if fault is None or fault.after_effect or (fault.status is None and not fault.close and not fault.malformed):
            answer, more = self._answer(entry, headers, body if method == "POST" else query)
        else:
            answer, more = Answer(200, b"{}"), []
        if fault is not None:
            await asyncio.sleep(fault.delay)
            answer = self._faulty(fault, answer, request)
            more += [] if fault.retry_after is None else [(b"retry-after", fault.retry_after.encode())]
            if fault.close:
                _close(send)
                return
        entry["status"] = answer.status
        standard = [
            asgi.JSON_TYPE,
            (b"request-id", request.encode()),
            (b"stripe-version", headers.get("stripe-version", API_VERSION).encode()),
            (b"x-stripe-stand-in", b"artemis"),
        ]
        await asgi.respond(send, answer.status, answer.body, headers=[*standard, *more])

    def _answer(self, entry: Object, headers: dict[str, str], parameters: str) -> tuple[Answer, list[asgi.Header]]:
        """With the headers that say more of it."""
        more: list[asgi.Header] = []
        try:
            secret = secret_key(headers.get("authorization"), self._emulator.settings.api_keys)
            entry["key"] = secret[-4:]
            _check_version(headers.get("stripe-version"))
            key = headers.get("idempotency-key") if entry["method"] == "POST" else None
            if key is None:
                return self._perform(entry, parameters), more
            more.append((b"idempotency-key", key.encode("latin-1", errors="replace")))
            name = {
                "secret": secret,
                "key": key,
                "method": entry["method"],
                "path": entry["path"],
                "parameters": parameters,
            }
            kept = self._emulator.answers.find(**name)
            if kept is not None:
                entry["replayed"] = True
                more.append((b"idempotent-replayed", b"true"))
                return kept, more
            answer = self._perform(entry, parameters, key)
            if not entry.pop("unkept", False):
                self._emulator.answers.keep(**name, answer=answer)
        except StripeError as error:
            return self._refusal(entry, error), more
        else:
            return answer, more

    def _perform(self, entry: Object, parameters: str, key: str | None = None) -> Answer:
        world = self._emulator.world
        try:
            endpoint, identifiers_ = self._endpoint(entry)
            given = _given(endpoint, parameters)
            entry["parameters"] = form.readable(given)
            fields = read_all(endpoint.accepted, given)
            paths: list[str] = fields.pop("expand", [])
            world.origin = Origin(entry["request"], key)
            try:
                result = endpoint.handler(world, fields, *identifiers_)
            finally:
                world.origin = Origin()
            return Answer(200, _encode(expand(world, result, paths, self._included)))
        except StripeError as error:
            entry["unkept"] = isinstance(error, InvalidParameter)
            return self._refusal(entry, error)
        except Exception:
            logger.exception("%s %s failed", entry["method"], entry["path"])
            return self._refusal(entry, StripeError("The stand-in has a bug here.", kind="api_error", status=500))

    def _endpoint(self, entry: Object) -> tuple[Endpoint, tuple[str, ...]]:
        found = self._table.find(entry["method"], entry["path"])
        if found is None:
            raise StripeError(
                f"Unrecognized request URL ({entry['method']}: {entry['path']}). If Stripe knows it, this stand-in "
                "does not yet; see apps/billing/emulator for what it does.",
                status=404,
            )
        return found

    def _refusal(self, entry: Object, error: StripeError) -> Answer:
        entry["error"] = error.fields
        return Answer(error.status, _encode(error.envelope(self._log_url(entry["request"]))))

    def _faulty(self, fault: Fault, answer: Answer, request: str) -> Answer:
        if fault.malformed:
            return Answer(200, b"<html><body>not JSON</body></html>")
        if fault.status is None:
            return answer
        kind = "rate_limit_error" if fault.status == 429 else "api_error"
        code = "rate_limit" if fault.status == 429 else None
        error = StripeError("The stand-in was told to fail.", kind=kind, code=code, status=fault.status)
        return Answer(fault.status, _encode(error.envelope(self._log_url(request))))

    def _log_url(self, request: str) -> str:
        return f"{self._emulator.settings.base_url}/_emulator/journal?request={request}"


def _check_version(version: str | None) -> None:
    if version is None:
        return
    if not VERSION.match(version):
        raise StripeError(f"Invalid Stripe API version: {version[:40]}")
    if version.partition(".")[2] != SPOKEN:
        raise StripeError(
            f"Invalid Stripe API version: {version[:40]}. This stand-in speaks {API_VERSION} and its likes."
        )


def _given(endpoint: Endpoint, parameters: str) -> Fields:
    if not endpoint.json:
        return form.parse(parameters)
    try:
        given: Any = msgspec.json.decode(parameters or "{}")
    except msgspec.DecodeError:
        given = None
    if not isinstance(given, dict):
        raise InvalidParameter("The request's body is not a JSON object.")
    return given


def _encode(payload: Object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(payload), indent=2)


def _close(send: asgi.Send) -> None:
    """No answer at all. ASGI knows no such thing, so this reaches for uvicorn's transport."""
    transport: Any = send.__self__.transport  # type: ignore[attr-defined]
    transport.abort()
