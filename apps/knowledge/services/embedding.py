"""Vectors for vector stores, through the same gateway as everybody's embeddings: admitted, metered, billed."""

from collections.abc import Sequence

import msgspec
from django.conf import settings

from apps.common.database import in_thread
from apps.common.errors import Invalid, Unavailable
from apps.gateway import services
from apps.gateway.contracts import Call
from apps.keys.contracts import KeyFacts
from apps.keys.selectors import current_secret_hash
from apps.knowledge.contracts import ToEmbed

ENDPOINT, KIND = "embeddings", "embedding"


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Vector]


_decode = msgspec.json.Decoder(_Answer).decode


async def embedded(wanted: ToEmbed) -> list[list[float]]:
    """By a key that is known, without its secret. Raises ArtemisError."""
    key = await key_by_id(wanted.key_id, address=wanted.address)
    return await vectors_of(
        wanted.texts,
        model=wanted.model,
        key=key,
        address=wanted.address,
        request_id=wanted.request_id,
        prepaid=wanted.prepaid,
    )


async def key_by_id(key_id: int, *, address: str) -> KeyFacts:
    """A key that may be used now, from there. Raises Unauthenticated or Forbidden."""
    secret_hash = await in_thread(lambda: current_secret_hash(key_id=key_id))
    return await services.authorize(secret_hash, address=address)


async def vectors_of(
    texts: Sequence[str],
    *,
    model: str,
    key: KeyFacts,
    address: str,
    request_id: str,
    prepaid: bool = False,
    counted: bool = False,
) -> list[list[float]]:
    """In the order of the texts; `prepaid` and `counted` as in a Call. Raises ArtemisError."""
    key, facts = await services.model_for(key, name=model, endpoint=ENDPOINT, address=address)
    if facts.kind != KIND:
        raise Invalid("embedding_model", f"{model} is a model for {facts.kind}, not for embeddings.")
    answered = await services.complete(
        Call(
            request_id=request_id,
            endpoint=ENDPOINT,
            key=key,
            address=address,
            model=facts,
            payload={"input": list(texts), "encoding_format": "float"},
            prompt_bytes=sum(len(text.encode()) for text in texts),
            prepaid=prepaid,
            counted=counted,
        )
    )
    try:
        found = sorted(_decode(answered.body).data, key=lambda row: row.index)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Unavailable("The embedding model's answer could not be read.", code="model_unavailable") from error
    if len(found) != len(texts) or not all(row.embedding for row in found):
        raise Unavailable("The embedding model left texts out.", code="model_unavailable")
    return [row.embedding for row in found]


async def embedding_model(key: KeyFacts, *, name: str, address: str) -> str:
    """The one that a store is to have: as asked for, else as the platform says, else the key's first.

    Raises NotFound, Forbidden or Invalid.
    """
    wanted = name or settings.KNOWLEDGE_EMBEDDING_MODEL
    if wanted:
        model = await services.model_now(key, name=wanted, endpoint=ENDPOINT, address=address)
        if model.kind != KIND:
            raise Invalid("embedding_model", f"{model.public_name} is a model for {model.kind}, not for embeddings.")
        return model.public_name
    for model in await services.models_for(key, address=address, endpoint=ENDPOINT):
        if model.kind == KIND:
            return model.public_name
    raise Invalid(
        "embedding_model",
        "A vector store needs an embedding model, and this key may call none; allow it one.",
        code="model_not_found",
    )
