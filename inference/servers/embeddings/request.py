"""Reads and checks a body of /v1/embeddings; every refusal is worded as OpenAI words it."""

import json
from dataclasses import dataclass
from typing import Any

from inference.servers.embeddings.backend import Backend

MAX_INPUTS = 2048  # OpenAI's limit
FIELDS = {"input", "model", "encoding_format", "dimensions", "user"}


class BadRequestError(Exception):
    """A 4xx with OpenAI's envelope."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status


@dataclass(frozen=True)
class EmbeddingRequest:
    inputs: list[list[int]]
    """Token ids with special tokens, one list per input."""
    dimensions: int
    base64: bool

    @property
    def tokens(self) -> int:
        return sum(map(len, self.inputs))


def parse(body: bytes, *, model: str, backend: Backend) -> EmbeddingRequest:
    """Also tokenizes, so it takes long enough to belong in a thread."""
    fields = _load(body)
    if unknown := sorted(fields.keys() - FIELDS):
        raise BadRequestError(
            f"Unrecognized request argument supplied: {unknown[0]}",
            param=unknown[0],
            code="unknown_parameter",
        )
    if fields.get("model") != model:
        asked = str(fields.get("model"))[:100]
        raise BadRequestError(f"The model `{asked}` does not exist", param="model", code="model_not_found", status=404)
    if fields.get("encoding_format") not in (None, "float", "base64"):
        raise BadRequestError("encoding_format must be 'float' or 'base64'", param="encoding_format")
    inputs = _inputs(fields.get("input"), backend)
    for position, ids in enumerate(inputs):
        if len(ids) > backend.max_tokens:
            raise BadRequestError(
                f"This model's maximum context length is {backend.max_tokens} tokens; input {position} "
                f"has {len(ids)} tokens. Please reduce your prompt.",
                param="input",
                code="context_length_exceeded",
            )
    return EmbeddingRequest(
        inputs=inputs,
        dimensions=_dimensions(fields.get("dimensions"), backend),
        base64=fields.get("encoding_format") == "base64",
    )


def _load(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("We could not parse the JSON body of your request.") from error
    if not isinstance(fields, dict):
        raise BadRequestError("The body must be a JSON object.")
    return fields


def _inputs(given: Any, backend: Backend) -> list[list[int]]:
    """A text, a list of texts, a list of token ids, or a list of those."""
    if isinstance(given, str) or _is_ids(given):
        given = [given]
    if not isinstance(given, list) or not given:
        raise BadRequestError(
            "'input' must be a string, an array of strings or arrays of tokens, not empty.", param="input"
        )
    if len(given) > MAX_INPUTS:
        raise BadRequestError(f"'input' must have at most {MAX_INPUTS} elements, it has {len(given)}.", param="input")
    if all(isinstance(one, str) and one for one in given):
        try:
            return backend.tokenize(given)
        except (UnicodeError, TypeError) as error:  # a lone surrogate is no text
            raise BadRequestError("'input' holds text that is not valid Unicode.", param="input") from error
    if all(_is_ids(one) and backend.is_known(one) for one in given):
        return [backend.frame(ids) for ids in given]
    raise BadRequestError(
        "'input' holds an empty or mixed element, or a token that the model does not know.", param="input"
    )


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)


def _dimensions(asked: Any, backend: Backend) -> int:
    if asked is None:
        return backend.dimensions
    if type(asked) is not int or not 1 <= asked <= backend.dimensions:
        raise BadRequestError(f"'dimensions' must be an integer from 1 to {backend.dimensions}.", param="dimensions")
    if asked != backend.dimensions and not backend.truncatable:
        raise BadRequestError(
            f"This model does not support specifying dimensions other than {backend.dimensions}.",
            param="dimensions",
        )
    return asked
