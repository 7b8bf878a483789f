"""One score of two: each leg's is scaled to what the question's candidates have, from the worst to the best.

A scaled sum, not reciprocal ranks: it keeps by how much a passage is better, and won on the judged collections.
"""

from collections.abc import Mapping

from apps.knowledge.contracts import Weights


def fused(bm25: Mapping[int, float], cosine: Mapping[int, float], weights: Weights) -> dict[int, float]:
    """From 0 to 1, of all passages that have either. One without any of the words has a BM25 of nothing."""
    whole = weights.embedding + weights.text
    words, meaning = _scaled(bm25, from_zero=True), _scaled(cosine, from_zero=False)
    return {
        passage: (weights.text * words.get(passage, 0.0) + weights.embedding * meaning.get(passage, 0.0)) / whole
        for passage in bm25.keys() | cosine.keys()
    }


def _scaled(scores: Mapping[int, float], *, from_zero: bool) -> dict[int, float]:
    if not scores:
        return {}
    least, most = 0.0 if from_zero else min(scores.values()), max(scores.values())
    if most <= least:
        return dict.fromkeys(scores, 1.0 if most > 0 else 0.0)
    return {passage: (score - least) / (most - least) for passage, score in scores.items()}
