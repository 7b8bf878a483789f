"""What an engine that refuses a request says of it, and whose fault it is."""

import re

import msgspec

from apps.common.errors import Invalid
from apps.gateway.wires import WIRES
from inference.errors import EngineRefused

CONTEXT_TOO_LONG = "context_length_exceeded"
# What another deployment would refuse in the same way.
CALLER_FAULTS = frozenset({400, 413, 422})
# llama.cpp says so, with a 500, of an image for a model that sees none.
_NOT_SUPPORTED = re.compile(rb"\b(?:image|audio|video) input is not supported")
# Claude says so, with a 400, of our own account there: others need not be as poor.
_OUR_ACCOUNT = re.compile(rb"credit balance is too low|specified (?:workspace )?API usage limits|\bbilling_error\b")
_PRIVATE = re.compile(
    r"https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|0x[0-9a-fA-F]+|(?<!\w)/[\w.\-]+(?:/[\w.\-]+)+"
)


def is_callers_fault(error: EngineRefused) -> bool:
    """Whether another deployment would refuse it as well."""
    if _OUR_ACCOUNT.search(error.body):
        return False
    return error.status in CALLER_FAULTS or _NOT_SUPPORTED.search(error.body) is not None


class _EngineErrorBody(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    param: str | None = None


class _EngineErrorEnvelope(msgspec.Struct):
    error: _EngineErrorBody | None = None
    message: str = ""


def _is_too_long(message: str) -> bool:
    """Engines speak of the context, Claude of the prompt: "prompt is too long: 200001 tokens > 200000 maximum"."""
    named = "context" in message and any(word in message for word in ("length", "size", "maximum", "limit"))
    return named or "prompt is too long" in message


def refusal(error: EngineRefused, endpoint: str) -> Invalid:
    """What the engine says is wrong with the request, without addresses and paths of the house."""
    try:
        envelope = msgspec.json.decode(error.body, type=_EngineErrorEnvelope)
        inner = envelope.error or _EngineErrorBody(message=envelope.message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        inner = _EngineErrorBody(message=error.body.decode(errors="replace"))
    message = _PRIVATE.sub("…", inner.message)[:600] or "The engine refused this request."
    if _is_too_long(message.lower()):
        return Invalid(WIRES[endpoint].prompt_field, message, code=CONTEXT_TOO_LONG)
    code = inner.code[:60] if inner.code and isinstance(inner.code, str) else "invalid_request"
    status = error.status if error.status in (400, 413) else 400
    return Invalid(inner.param and inner.param[:100], message, code=code, status=status)
