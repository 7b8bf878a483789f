"""What the server asks of a model runtime. Token ids are the common currency: counted and batched exactly."""

from collections.abc import Sequence
from typing import Any, Protocol


class Backend(Protocol):
    """A loaded model. Methods are called from worker threads, `embed` by one at a time."""

    dimensions: int
    max_tokens: int
    """Longest input, special tokens included."""
    truncatable: bool
    """Whether a prefix of the vector is a good embedding of its own (Matryoshka training)."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text with the model's special tokens, never truncated."""
        ...

    def frame(self, ids: Sequence[int]) -> list[int]:
        """Bare ids, as a caller sends them, with the special tokens put round them."""
        ...

    def is_known(self, ids: Sequence[int]) -> bool:
        """Whether each id is in the vocabulary."""
        ...

    def embed(self, batch: Sequence[Sequence[int]]) -> Any:
        """A float32 array (inputs by dimensions), each row of length one."""
        ...


def split_frame(empty: Sequence[int]) -> tuple[list[int], list[int]]:
    """What a tokenizer makes of an empty text is what it puts before and after: [CLS] … [SEP], <s> … </s>."""
    half = (len(empty) + 1) // 2
    return list(empty[:half]), list(empty[half:])
