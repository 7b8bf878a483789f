"""Asks the embedding model for blocks of passages: what a killed worker has paid for is not paid for again, and what is
too long is embedded by halves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apps.common.cancelling import kept
from apps.common.errors import ArtemisError
from apps.knowledge.contracts import Embed, ToEmbed
from apps.knowledge.models import Passage
from apps.usage.selectors import requests_by_prefix
from apps.usage.services import drain_events

BLOCK, BLOCK_TOKENS = 64, 16_384  # passages embedded by one request, and their tokens
TOO_LONG = "context_length_exceeded"
SHORTEST_TEXT = 200  # characters; below, a text that is too long for a model is no text for it


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for a block before this worker's time."""

    tries: int = 0
    is_charged: bool = False


def asked_before(account_id: int, prefix: str) -> Asked:
    """`prefix`: of the ids of the requests for a block."""
    drain_events()
    found = requests_by_prefix(account_id=account_id, prefix=prefix)
    return Asked(tries=len(found), is_charged=any(outcome == "completed" for _, outcome in found))


def within_tokens(passages: Sequence[Passage]) -> list[Passage]:
    """As many of them as one request takes; one at least."""
    found = list(passages)
    while len(found) > 1 and sum(passage.tokens for passage in found) > BLOCK_TOKENS:
        found = found[: len(found) // 2]
    return found


async def embedded_by_halves(embed: Embed, wanted: ToEmbed) -> list[list[float]]:
    """A text that the model finds too long is embedded by its first half; found it is by all of its words."""
    texts, name = wanted.texts, wanted.request_id
    try:
        return await kept(embed(wanted))
    except ArtemisError as error:
        if error.code != TOO_LONG or (len(texts) == 1 and len(texts[0]) < SHORTEST_TEXT):
            raise
    part = replace(wanted, prepaid=False)
    if len(texts) == 1:
        half = replace(part, texts=[texts[0][: len(texts[0]) // 2]], request_id=f"{name}h0")
        return await embedded_by_halves(embed, half)
    middle = len(texts) // 2
    first = await embedded_by_halves(embed, replace(part, texts=texts[:middle], request_id=f"{name}a0"))
    return first + await embedded_by_halves(embed, replace(part, texts=texts[middle:], request_id=f"{name}b0"))
