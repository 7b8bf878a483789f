"""How good a ranking is, as trec_eval reckons it: linear gain, logarithmic discount, the mean over all questions."""

import math
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.retrieval.collection import Judgements

OF_NDCG, OF_RECALL = 10, 20  # places that count


def ndcg(rankings: Mapping[str, Sequence[str]], judged: Judgements, at: int = OF_NDCG) -> float:
    return _mean(_ndcg(rankings.get(question, ()), relevant, at) for question, relevant in judged.items())


def recall(rankings: Mapping[str, Sequence[str]], judged: Judgements, at: int = OF_RECALL) -> float:
    shares = []
    for question, relevance in judged.items():
        relevant = {document for document, grade in relevance.items() if grade > 0}
        if relevant:
            shares.append(len(relevant & set(rankings.get(question, ())[:at])) / len(relevant))
    return _mean(shares)


def _ndcg(ranking: Sequence[str], relevance: Mapping[str, int], at: int) -> float:
    best = _dcg(sorted(relevance.values(), reverse=True)[:at])
    return _dcg([relevance.get(document, 0) for document in ranking[:at]]) / best if best else 0.0


def _dcg(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
