"""Which replica has a conversation's beginning in its KV cache: a bounded memory of the prefixes that went to each."""

import zlib
from collections import OrderedDict
from collections.abc import Sequence

BLOCK_BYTES = 512
MOST_BLOCKS = 128  # of one request: 64 KiB of prompt
MOST_REMEMBERED = 100_000  # blocks of all conversations together, the oldest forgotten first
BETA = 1.0
# Requests more than the least busy replica has that outweigh a conversation that is wholly cached.
HEAVY = 8

Prefix = tuple[int, ...]
"""A hash for each block of a prompt, each covering all that stands before it as well."""


def prefix_of(prompt: bytes) -> Prefix:
    hashes, value = [], 0
    for start in range(0, min(len(prompt), BLOCK_BYTES * MOST_BLOCKS) - BLOCK_BYTES + 1, BLOCK_BYTES):
        value = zlib.crc32(prompt[start : start + BLOCK_BYTES], value)
        hashes.append(value)
    return tuple(hashes)


class PrefixTable:
    """Remembers who was sent what. A replica that leaves is never matched again, and nobody else's matches change."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._owners: OrderedDict[int, dict[str, None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._owners)

    def note(self, prefix: Prefix, deployment_id: str) -> None:
        for value in prefix:
            owners = self._owners.setdefault(value, {})
            owners.pop(deployment_id, None)
            owners[deployment_id] = None  # the newest last
            if len(owners) > 4:
                del owners[next(iter(owners))]
            self._owners.move_to_end(value)
        while len(self._owners) > self._most:
            self._owners.popitem(last=False)

    def match(self, prefix: Prefix, deployment_id: str) -> float:
        """The share of the prefix, 0 to 1, that went there before."""
        matched = 0
        for value in prefix:
            if deployment_id not in self._owners.get(value, ()):
                break
            matched += 1
        return matched / len(prefix) if prefix else 0.0

    def best(self, prefix: Prefix, loads: Sequence[tuple[str, int]]) -> str:
        """Of replicas with their requests, the one with the highest score: match less β times the relative load.

        Among equals the conversation's first block decides, alike in every process, so that they agree without
        asking each other (rendezvous hashing).
        """
        least = min(requests for _, requests in loads)
        first = prefix[0] if prefix else 0

        def score(replica: tuple[str, int]) -> tuple[float, int]:
            name, requests = replica
            relative = (requests - least) / HEAVY
            return self.match(prefix, name) - BETA * relative, zlib.crc32(name.encode(), first)

        return max(loads, key=score)[0]
