"""A judged collection in BEIR's form: documents, questions, and which documents answer which question."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Judgements = dict[str, dict[str, int]]
"""Of each question: how relevant each document that was judged is."""


@dataclass(frozen=True)
class Collection:
    """`documents`: title and text, as one, as the published figures have it."""

    documents: dict[str, str]
    questions: dict[str, str]
    test: Judgements
    train: Judgements


def read_collection(folder: Path) -> Collection:
    """Raises FileNotFoundError where a part is missing; train may be."""
    return Collection(
        documents={row["_id"]: f"{row.get('title', '')}\n\n{row['text']}".strip() for row in _rows(folder, "corpus")},
        questions={row["_id"]: row["text"] for row in _rows(folder, "queries")},
        test=_judgements(folder / "qrels" / "test.tsv"),
        train=_judgements(train) if (train := folder / "qrels" / "train.tsv").exists() else {},
    )


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    packed = folder / f"{name}.jsonl.gz"
    with gzip.open(packed, "rt") if packed.exists() else (folder / f"{name}.jsonl").open() as lines:
        yield from map(json.loads, lines)


def _judgements(path: Path) -> Judgements:
    found: Judgements = defaultdict(dict)
    for line in path.read_text().splitlines()[1:]:
        question, document, relevance = line.split("\t")
        found[question][document] = int(relevance)
    return found
