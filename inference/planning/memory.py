"""What one engine takes of one GPU's memory, in bytes, and how many tokens its cache then holds.

vLLM's own sum: of the share that it may use, what is left after weights, the peak of activations, what CUDA takes for
itself and the captured graphs is the KV cache, in blocks of 16 tokens.
"""

from dataclasses import dataclass

from inference.planning.wishes import Model

GIB = 2**30
VISIBLE = 0.98  # of a card's nominal memory: 23.58 of 24 GiB, 11.76 of 12
CUDA_BYTES = int(0.35 * GIB)  # vllm #10517: non_torch_memory
GRAPH_BYTES = int(0.3 * GIB)
ASLEEP_BYTES = int(0.6 * GIB)  # what an engine that sleeps keeps on the card: its CUDA context and graphs
BLOCK = 16  # tokens
MOST_SEQUENCES = 256


@dataclass(frozen=True)
class Need:
    """Of each of `gpus` cards, between which the model is split (tensor parallel)."""

    gpus: int
    weight_bytes: int
    fixed_bytes: int
    """Activations, CUDA, graphs."""
    kv_bytes_per_token: int

    @property
    def least_bytes(self) -> int:
        return self.weight_bytes + self.fixed_bytes

    def kv_tokens(self, usable_bytes: int) -> int:
        """Of a share of one card. 0 or less where not even the weights fit."""
        return (usable_bytes - self.least_bytes) // self.kv_bytes_per_token // BLOCK * BLOCK

    def bytes_for(self, tokens: int) -> int:
        return self.least_bytes + -(-tokens // BLOCK) * BLOCK * self.kv_bytes_per_token


def need_of(model: Model, gpus: int = 1) -> Need:
    architecture = model.architecture
    activations = model.max_num_batched_tokens * architecture.activation_bytes_per_token()
    return Need(
        gpus=gpus,
        weight_bytes=architecture.weight_bytes(model.weight_bits) // gpus,
        fixed_bytes=activations // gpus + CUDA_BYTES + GRAPH_BYTES,
        kv_bytes_per_token=architecture.kv_bytes_per_token(model.kv_cache_bits) // gpus,
    )


def visible_bytes(gpu_memory_gib: float) -> int:
    return int(gpu_memory_gib * VISIBLE * GIB)


def sequences(model: Model, kv_tokens: int) -> int:
    """At once, where each is as long as expected; at least one, of the longest that is allowed."""
    return max(1, min(MOST_SEQUENCES, kv_tokens // model.expected_tokens))
