"""Vectors by a shipped embeddings engine; what was asked once is kept on disk, since it takes minutes."""

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.processes import ROOT
from deploy.local.ports import free_port
from inference.launcher import launch
from inference.profiles import PROFILES
from inference.selection import engine_home

BATCH = 64
SHORTER = 0.98  # a text that was refused is tried again with so many of its words, at most


@contextmanager
def engine(name: str) -> Iterator[str]:
    """Its address, without /v1."""
    with asyncio.Runner() as runner:
        profile, home = PROFILES[name], engine_home(ROOT / ".artemis")
        started = runner.run(launch(profile, home=home, port=free_port(), progress=print))
        try:
            yield started.base_url
        finally:
            runner.run(started.stop())


class Embeddings:
    """By one model. A text that is too long for it is cut at its end, as the models' own libraries do."""

    def __init__(self, base_url: str, model: str, *, kept: Path) -> None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        self._kept = sqlite3.connect(kept, check_same_thread=False)
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (digest BLOB PRIMARY KEY, vector BLOB)")
        self._client = httpx.Client(base_url=base_url, timeout=300)
        self._model = model

    def close(self) -> None:
        self._client.close()
        self._kept.close()

    def of(self, texts: Sequence[str]) -> list[list[float]]:
        digests = [hashlib.sha256(f"{self._model}\0{text}".encode()).digest() for text in texts]
        found = {digest: vector for digest in digests if (vector := self._known(digest))}
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in found}
        names = list(missing)
        for start in range(0, len(names), BATCH):
            block = names[start : start + BATCH]
            vectors = self._asked([missing[name] for name in block])
            found.update(zip(block, vectors, strict=True))
            with self._kept:
                rows = [(name, found[name]) for name in block]
                self._kept.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        return [np.frombuffer(found[digest], dtype="<f4").tolist() for digest in digests]

    def _known(self, digest: bytes) -> bytes | None:
        row = self._kept.execute("SELECT vector FROM vectors WHERE digest = ?", [digest]).fetchone()
        return row[0] if row else None

    def _asked(self, texts: list[str]) -> list[bytes]:
        answer = self._client.post("/v1/embeddings", json={"model": self._model, "input": texts})
        if answer.status_code == 400 and answer.json()["error"]["code"] == "context_length_exceeded":
            if len(texts) > 1:
                return [vector for text in texts for vector in self._asked([text])]
            words = texts[0].split(" ")
            return self._asked([" ".join(words[: int(len(words) * _share(answer.json()["error"]["message"]))])])
        rows = answer.raise_for_status().json()["data"]
        return [np.asarray(row["embedding"], dtype="<f4").tobytes() for row in rows]


def _share(refusal: str) -> float:
    """Of a text's words that should fit, by what the engine says of it: at most so many tokens, and how many it has."""
    numbers = [int(number) for number in re.findall(r"(\d+) tokens", refusal)]
    return min(SHORTER, min(numbers) / max(numbers)) if numbers else SHORTER
