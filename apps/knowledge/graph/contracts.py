"""What other rooms see of a store's graph."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

METHODS = ("offline", "model")
TYPES = ("person", "organization", "place", "event", "product", "work", "concept", "other")
DEEPEST, LONGEST_PATH = 3, 6
"""Of a neighbourhood, and of a path between two entities, in relations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Of the store's files that can be searched: how far each is, and of how many passages nothing could be made."""

    in_progress: int
    completed: int
    failed: int
    passages_total: int
    passages_done: int
    passages_skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """`method`: "offline", "model" or "off", where later files do not follow; `status`: "none", "in_progress",
    "completed" or "failed"."""

    store_id: str
    method: str
    built_by: str  # the method of what there is; "" where there is nothing
    model: str
    status: str
    progress: Progress
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentProgress:
    """`note`: what its owner should know of what was found."""

    file_id: str
    filename: str
    status: str
    passages_total: int
    passages_done: int
    passages_skipped: int
    error_message: str
    waits_for: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What building would take, of passages that are not in the graph yet. Tokens and nano-dollars; the sum is what
    is likely, `cost_at_most` what it would be if each answer were as long as it may be."""

    method: str
    model: str
    documents: int
    passages: int
    input_tokens: int
    output_tokens: int
    cost: int
    cost_at_most: int
    has_price: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFacts:
    """`aliases`: by which words passages name it; `mentions`: how often passages do, each of a
    passage's wordings once."""

    id: str
    name: str
    type: str
    aliases: tuple[str, ...]
    mentions: int
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRef:
    id: str
    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationFacts:
    """From `subject` to `object`; `passages`: how many state it."""

    id: str
    subject: EntityRef
    type: str
    object: EntityRef
    confidence: float
    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Nodes, the most mentioned first, and the relations between them. `is_cut`: there was more than was asked for."""

    nodes: tuple[EntityFacts, ...]
    edges: tuple[RelationFacts, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """From one entity to another: one relation less than entities; none where there is no path within the bounds."""

    entities: tuple[EntityRef, ...]
    relations: tuple[RelationFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatingPassage:
    """A passage that states a relation or names an entity."""

    passage_id: int
    file_id: str
    filename: str
    position: int
    page: int | None
    headings: tuple[str, ...]
    text: str
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeFacts:
    """`kept` and `gone` by their own names, as they were before."""

    id: str
    kept: EntityRef
    gone: EntityRef
    reason: str
    merged_at: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Widened:
    """A passage that a question's entities lead to, and why: ("Marie Curie", "born in", "Warsaw")."""

    passage_id: int
    tokens: int
    score: float
    because: tuple[str, str, str]

    @property
    def reason(self) -> str:
        return "because {} – {} – {}".format(*self.because)  # noqa: RUF001


@dataclass(frozen=True, slots=True, kw_only=True)
class ToExtract:
    """A passage that a language model is asked about, by a key, as a request of that id. `prepaid`: it was charged."""

    request_id: str
    key_id: int
    address: str
    model: str
    text: str
    headings: tuple[str, ...]
    prepaid: bool = False


Extract = Callable[[ToExtract], Coroutine[Any, Any, str]]
"""The door through which a language model is asked, with every check of a live request; its answer's text. Raises
ArtemisError."""
