"""A large store: how fast it is filled, how fast searched, and what its index of vectors leaves out.

Its passages are sentences of the judged collection, drawn anew: words as frequent, and passages as long, as real ones.
A passage's vector is its document's, moved by noise as far as a passage's is from it; the questions' are the model's.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from apps.knowledge.contracts import Chunking, ToEmbed, Wanted
from apps.knowledge.ingestion.reading import count_tokens, read
from apps.knowledge.models import StoreFile, VectorStore
from apps.knowledge.search.indexing import index_large_stores
from apps.knowledge.search.scope import scope_of
from apps.knowledge.search.vectors import nearest
from apps.knowledge.services import search
from apps.knowledge.walls import within
from benchmarks.retrieval import shelf

STORE = "large"
PASSAGES = 100  # of a document
LONG, LONGEST = 140, 200  # tokens of a paragraph: above two thirds of the room, so that each is one passage
STRANGE = 0.2  # of a passage's sentences are from elsewhere
NOISE = 0.8  # a passage's cosine with its document is then .78
SHARES = {"all": 1, "50 %": 2, "10 %": 10, "1 %": 100}
"""By the attribute of that name a store's files are told apart into so many groups."""


@dataclass(frozen=True)
class Large:
    documents: list[str]
    sources: dict[str, int]
    """Of each passage, by its letters alone, the number of the judged document that it was drawn from."""


@cache
def large(passages: int) -> Large:
    chance = random.Random(7)
    sentences = [_sentences(text) for text in shelf.collection().documents.values()]
    documents, sources = [], dict[str, int]()
    for _ in range(passages // PASSAGES):
        drawn = []
        while len(drawn) < PASSAGES:
            source = chance.randrange(len(sentences))
            text = _passage(chance, sentences, source)
            if LONG <= count_tokens(text) <= LONGEST:
                drawn.append(text)
                sources[_letters(text)] = source
        documents.append("\n\n".join(drawn))
    return Large(documents, sources)


def fill(passages: int) -> dict[str, Any]:
    """Embedding takes no time here."""
    key, store = shelf.make_store(STORE)
    made = large(passages)
    vectors = _vectors(made)

    async def embed(wanted: ToEmbed) -> list[list[float]]:
        return [vectors[_letters(text)] for text in wanted.texts]

    files = {f"{number}.txt": text.encode() for number, text in enumerate(made.documents)}
    shelf.put(key, store, files, Chunking(max_tokens=LONGEST, overlap=0, is_auto=False))
    for number, row in enumerate(StoreFile.objects.filter(store_id=store.id).order_by("pk")):
        row.attributes = {name: number % groups for name, groups in SHARES.items()}
        row.save(update_fields=["attributes"])
    began = time.monotonic()
    shelf.read_all(embed)
    filled = time.monotonic()
    index_large_stores()
    return {
        "passages": shelf.the_store(STORE).passages,
        "seconds": filled - began,
        "reading_seconds": _reading(made),
        "index_seconds": time.monotonic() - filled,
    }


def ask(share: str, embedding_weight: float) -> dict[str, Any]:
    """Milliseconds of a search, one after the other, over the files that the filter lets through."""
    store = shelf.the_store(STORE)
    texts = [shelf.collection().questions[name] for name in shelf.collection().test]
    vectors = shelf.embeddings().of(texts)
    weights = replace(Wanted().weights, embedding=embedding_weight, text=1 - embedding_weight)
    wanted = Wanted(filters=_filter(share), weights=weights)
    taken, counts = [], []
    for text, vector in [(texts[0], vectors[0]), *zip(texts, vectors, strict=True)]:
        began = time.perf_counter()
        hits = search(store=store, queries=[text], vectors=[vector], wanted=wanted)
        taken.append((time.perf_counter() - began) * 1000)
        counts.append(len(hits))
    taken = sorted(taken[1:])
    return {"p50": taken[len(taken) // 2], "p95": taken[int(len(taken) * 0.95)], "least": min(counts)}


def compare(share: str, most: int) -> dict[str, Any]:
    """Of the nearest passages by comparing each, how many the index finds."""
    store = VectorStore.objects.get(pk=shelf.the_store(STORE).id)
    texts = [shelf.collection().questions[name] for name in shelf.collection().test][:100]
    shares = []
    with within(store.account_id):
        indexed = scope_of(store, _filter(share))
        exact = replace(indexed, is_indexed=False)
        for vector in shelf.embeddings().of(texts):
            wanted = set(nearest(exact, vector, most))
            shares.append(len(wanted & set(nearest(indexed, vector, most))) / most)
    return {"recall": sum(shares) / len(shares), "is_compared": indexed.is_small, "passages": indexed.within}


def _filter(share: str) -> dict[str, Any] | None:
    return None if SHARES[share] == 1 else {"type": "eq", "key": share, "value": 0}


def _reading(made: Large) -> float:
    """Seconds that extraction and splitting alone take, for all of them."""
    some = made.documents[:20]
    began = time.monotonic()
    for text in some:
        read(text.encode(), filename="a.txt", max_tokens=LONGEST, overlap=0, context=None)
    return (time.monotonic() - began) / len(some) * len(made.documents)


def _vectors(made: Large) -> dict[str, list[float]]:
    base = np.asarray(shelf.embeddings().of(list(shelf.collection().documents.values())))
    noise = np.random.default_rng(7)
    moved = dict[str, list[float]]()
    for letters, source in made.sources.items():
        vector = base[source] + noise.normal(size=base.shape[1]) * NOISE / np.sqrt(base.shape[1])
        moved[letters] = (vector / np.linalg.norm(vector)).tolist()
    return moved


def _passage(chance: random.Random, sentences: Sequence[Sequence[str]], source: int) -> str:
    drawn = list[str]()
    while count_tokens(" ".join(drawn)) < LONG:
        drawn.append(chance.choice(chance.choice(sentences) if chance.random() < STRANGE else sentences[source]))
    return " ".join(drawn)


def _sentences(text: str) -> list[str]:
    return [sentence.strip().rstrip(".") + "." for sentence in text.replace("\n", " ").split(". ") if sentence.strip()]


def _letters(text: str) -> str:
    return "".join(text.split())
