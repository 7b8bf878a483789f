"""/v1/embeddings and /rerank of the fake engine: numbers that depend on the text alone, and mean nothing."""

import base64
import math
import random
import struct
from functools import lru_cache
from typing import Any

from inference.fake.answer import encode
from inference.fake.text import count_tokens


def embeddings(fields: dict[str, Any], *, model: str, dimensions: int) -> tuple[bytes, int]:
    """The body, and the tokens in it."""
    given = fields["input"]
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]
    asked = fields.get("dimensions") or dimensions
    data = []
    for index, one in enumerate(given):
        vector: Any = _vector(one if isinstance(one, str) else repr(one), asked)
        if fields.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{asked}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = sum(count_tokens(one) if isinstance(one, str) else len(one) for one in given)
    usage = {
        "prompt_tokens": tokens,
        "total_tokens": tokens,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
    }
    body = {"id": "embd-fake", "object": "list", "created": 0, "model": model, "data": data, "usage": usage}
    return encode(body), tokens


def rerank(fields: dict[str, Any], *, model: str) -> tuple[bytes, int]:
    """Scored by the share of the query's words that a document has."""
    query = set(fields["query"].lower().split())
    results = []
    for index, document in enumerate(fields["documents"]):
        text = document if isinstance(document, str) else document["text"]
        score = len(query & set(text.lower().split())) / max(1, len(query))
        results.append({"index": index, "document": {"text": text}, "relevance_score": score})
    results.sort(key=lambda one: (-float(str(one["relevance_score"])), one["index"]))
    tokens = sum(count_tokens(str(one["document"])) for one in results) + len(query)
    kept = results[: fields.get("top_n") or len(results)]
    return encode({"id": "rerank-fake", "model": model, "usage": {"total_tokens": tokens}, "results": kept}), tokens


@lru_cache(maxsize=4096)
def _vector(text: str, dimensions: int) -> tuple[float, ...]:
    source = random.Random(text)
    values = [source.gauss(0, 1) for _ in range(dimensions)]
    length = math.sqrt(sum(value * value for value in values))
    return tuple(value / length for value in values)
