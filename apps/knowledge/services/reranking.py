"""Reranks passages by a cross-encoder, through the same gateway as everybody's reranking: metered, limited, billed."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from django.conf import settings

from apps.catalog.contracts import ModelFacts
from apps.common.errors import ArtemisError, Forbidden, Invalid, NotFound, Unavailable
from apps.gateway import services
from apps.gateway.contracts import Call
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import AUTO, NONE, Hit, Question
from inference.client import TimeLimits

ENDPOINT, KIND, PARAM = "rerank", "rerank", "ranking_options.ranker"
MOST_RERANKED = 50  # passages, the best by words and meaning
OPENAIS_OWN = re.compile(r"default[-_]\d{4}[-_]\d{2}[-_]\d{2}")
CONTEXT_SPARE = 16  # tokens
BYTES_PER_TOKEN = 3  # rather fewer than there are: what is too long, an engine may refuse
PAIR_BYTES = 64  # what it may put around a query and a passage
logger = logging.getLogger(__name__)


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Ranking(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Ranking).decode


async def ranker_of(name: str, *, key: KeyFacts, address: str) -> ModelFacts | None:
    """The model that a ranker's name stands for; None: none. The platform's own is passed over where a key may not
    call it, one that a caller names is not: raises NotFound, Forbidden or Invalid."""
    if name == NONE:
        return None
    is_ours = name in ("", AUTO) or OPENAIS_OWN.fullmatch(name) is not None
    wanted = settings.KNOWLEDGE_RERANK_MODEL if is_ours else name
    if not wanted:
        return None
    try:
        _, model = await services.model_for(key, name=wanted, endpoint=ENDPOINT, address=address)
    except (NotFound, Forbidden) as error:
        if is_ours:
            return None
        error.param = PARAM
        raise
    if model.kind == KIND:
        return model
    message = f"{wanted} is a model for {model.kind}, not for reranking."
    if not is_ours:
        raise Invalid(PARAM, message)
    logger.warning("KNOWLEDGE_RERANK_MODEL: %s", message)
    return None


async def reranked(
    hits: Sequence[Hit], *, model: ModelFacts, question: Question, queries: Sequence[str]
) -> tuple[list[Hit], str]:
    """The best first by the model's relevance; or as they were, and why."""
    try:
        scores = await _relevances(_asked(queries), [_told(hit) for hit in hits], model, question)
    except ArtemisError as error:
        return list(hits), error.message
    found = [replace(hit, score=score, rerank=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(found, key=lambda hit: (-hit.score, -hit.fused)), ""


async def _relevances(query: str, texts: Sequence[str], model: ModelFacts, question: Question) -> list[float]:
    """From 0 to 1, in the order of the texts. Raises ArtemisError."""
    room = max(BYTES_PER_TOKEN, (model.context_length - CONTEXT_SPARE) * BYTES_PER_TOKEN)
    query = _cut(query, room // 2)
    documents = [_cut(text, room - len(query.encode())) for text in texts]
    size = sum(len(text.encode()) + len(query.encode()) + PAIR_BYTES for text in documents)
    answered = await services.complete(
        Call(
            request_id=f"{question.request_id}_rr",
            endpoint=ENDPOINT,
            key=question.key,
            address=question.address,
            model=model,
            payload={"query": query, "documents": documents},
            prompt_bytes=size,
            counted=True,
            limits=TimeLimits(total=settings.KNOWLEDGE_RERANK_SECONDS),
        )
    )
    try:
        scores = {one.index: one.relevance_score for one in _decode(answered.body).results}
    except msgspec.DecodeError as error:  # of which a ValidationError is one
        raise Unavailable("The reranking model's answer could not be read.", code="model_unavailable") from error
    if scores.keys() != set(range(len(texts))):
        raise Unavailable("The reranking model left passages out.", code="model_unavailable")
    found = [scores[place] for place in range(len(texts))]
    return found if all(0 <= score <= 1 for score in found) else [_squashed(score) for score in found]


def _squashed(logit: float) -> float:
    """Some engines answer with what the model's last layer says, before it is made a relevance."""
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, logit))))


def _asked(queries: Sequence[str]) -> str:
    """All of them, but those that stand in another one."""
    distinct = list(dict.fromkeys(queries))
    return "\n".join(one for one in distinct if not any(one != other and one in other for other in distinct))


def _told(hit: Hit) -> str:
    return f"{' > '.join(hit.headings)}\n{hit.text}" if hit.headings else hit.text


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore") or " "
