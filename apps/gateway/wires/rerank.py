"""Reranking, as vLLM, Jina and Cohere answer it: documents by their index, each with a score."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from apps.gateway.metering import MalformedEventError, Meter, Wire, decoded

Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Usage(msgspec.Struct):
    total_tokens: Tokens = 0


class Result(msgspec.Struct):
    index: Annotated[int, msgspec.Meta(ge=0)]
    relevance_score: float


class Ranking(msgspec.Struct):
    results: list[Result] | None = None
    usage: Usage | None = None


_ranking = msgspec.json.Decoder(Ranking)


@dataclass(slots=True)
class RerankMeter(Meter):
    """What is read is all that costs: nothing is generated."""

    def read_body(self, body: bytes) -> None:
        ranking = decoded(body, _ranking)
        if ranking.results is None:
            raise MalformedEventError("the engine's answer has no results")
        if ranking.usage is not None and ranking.usage.total_tokens:
            self.counted = True
            self.input_tokens = ranking.usage.total_tokens
        self.body_bytes = 1
        self.done = True


RERANK = Wire(endpoint="rerank", path="/rerank", prompt_field="documents", meter=RerankMeter)
