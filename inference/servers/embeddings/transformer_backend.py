"""Any sentence-transformers model, on a GPU where there is one: the production backend (bge-m3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from inference.servers.embeddings.backend import split_frame
from inference.servers.packages import find_in_package

PACKAGE_SCHEME = "package:"


class TransformerBackend:
    def __init__(self, model: str, *, truncatable: bool = False) -> None:
        self._model: Any = SentenceTransformer(_locate(model))
        self._model.eval()
        self._tokenizer: Any = self._model.tokenizer
        self.dimensions: int = self._model.get_sentence_embedding_dimension()
        self.max_tokens: int = int(self._model.max_seq_length)
        self.truncatable = truncatable
        self._prefix, self._suffix = split_frame(self.tokenize([""])[0])
        self._vocabulary: int = len(self._tokenizer)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer(list(texts), truncation=False, padding=False, verbose=False)
        return [list(ids) for ids in encoded["input_ids"]]

    def frame(self, ids: Sequence[int]) -> list[int]:
        return [*self._prefix, *ids, *self._suffix]

    def is_known(self, ids: Sequence[int]) -> bool:
        return all(0 <= i < self._vocabulary for i in ids)

    def embed(self, batch: Sequence[Sequence[int]]) -> Any:
        rows = {"input_ids": [list(ids) for ids in batch]}
        features = self._tokenizer.pad(rows, return_tensors="pt").to(self._model.device)
        with torch.inference_mode():
            pooled = self._model(dict(features))["sentence_embedding"]
            return torch.nn.functional.normalize(pooled.float(), dim=1).cpu().numpy()


def _locate(model: str) -> str:
    """`package:NAME` is a folder that an installed package carries; else a folder or a hub's name."""
    if not model.startswith(PACKAGE_SCHEME):
        return model
    folder: Path = find_in_package(model.removeprefix(PACKAGE_SCHEME), "modules.json").parent
    return str(folder)
