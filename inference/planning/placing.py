"""Puts models on GPUs: each one somewhere, then as many replicas as were asked for, then as many as its load wants.

A model gets a GPU of its own while there are any; then a place beside others where all fit at once; then one that it
shares by turns with models that are not pinned, each asleep while another answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from inference.planning.memory import GIB, need_of, sequences
from inference.planning.slots import HOST_SPARE, Slot, merge, slots_of, splits_of
from inference.planning.wishes import Model, Wishes


@dataclass(frozen=True)
class Engine:
    """One vLLM. `gpu_memory_utilization`: of each card. `sleep_level`: 0 where it never sleeps."""

    model: Model
    node: str
    gpu: str
    indexes: tuple[int, ...]
    gpu_memory_utilization: float
    weight_bytes: int
    kv_tokens: int
    sequences: int
    beside: tuple[str, ...]
    sleep_level: int


@dataclass(frozen=True)
class Plan:
    """`refused`: models that found no place, each with the reason. `short`: sequences that a model's load wants more
    than its replicas can hold. `free`: GPUs that nobody needs, as node and index."""

    engines: list[Engine]
    refused: dict[str, str]
    short: dict[str, int]
    free: list[tuple[str, int]]


def plan(wishes: Wishes) -> Plan:
    slots = slots_of(wishes)
    by_weight = sorted(wishes.models, key=lambda model: (not model.pinned, -need_of(model).weight_bytes))
    refused = {}
    for model in by_weight:
        if not _place(model, slots):
            refused[model.name] = _reason(model, wishes)
    placed = [model for model in by_weight if model.name not in refused]
    _repeat(placed, slots, lambda model: model.replicas - len(_homes(model, slots)))
    _repeat(placed, slots, lambda model: model.concurrency - _capacity(model, slots))
    engines = [
        _engine(model, slot, wishes, slots)
        for model in wishes.models
        for slot in sorted(_homes(model, slots), key=_name)
    ]
    missing = {model.name: model.concurrency - _capacity(model, slots) for model in placed}
    return Plan(
        engines,
        refused,
        short={name: count for name, count in missing.items() if count > 0},
        free=[(slot.node, slot.indexes[0]) for slot in slots if not slot.tenants],
    )


def _place(model: Model, slots: list[Slot]) -> bool:
    if _alone(model, slots):
        return True
    for turns in (False, True):
        for slot in sorted(slots, key=lambda slot: len(slot.tenants)):
            fresh = bool(slot.tenants) and model not in slot.tenants and (slot.turns == turns or len(slot.tenants) == 1)
            if fresh and slot.holds([*slot.tenants, model], turns=turns):
                slot.tenants.append(model)
                slot.turns = turns
                return True
    return False


def _alone(model: Model, slots: list[Slot]) -> bool:
    return any(merge(slots, count, model) for count in splits_of(model))


def _repeat(models: list[Model], slots: list[Slot], lacking: Callable[[Model], int]) -> None:
    """A free GPU goes to the model that lacks the most of what it wants."""
    open_ = [model for model in models if lacking(model) > 0]
    while open_:
        neediest = max(open_, key=lambda model: lacking(model) / max(model.concurrency, model.replicas))
        if not _alone(neediest, slots) or lacking(neediest) <= 0:
            open_.remove(neediest)


def _homes(model: Model, slots: list[Slot]) -> list[Slot]:
    return [slot for slot in slots if model in slot.tenants]


def _capacity(model: Model, slots: list[Slot]) -> int:
    return sum(sequences(model, slot.kv_tokens(model)) for slot in _homes(model, slots))


def _engine(model: Model, slot: Slot, wishes: Wishes, slots: list[Slot]) -> Engine:
    tokens = slot.kv_tokens(model)
    return Engine(
        model=model,
        node=slot.node,
        gpu=slot.gpu,
        indexes=slot.indexes,
        gpu_memory_utilization=slot.share(model) / 100,
        weight_bytes=slot.need(model).weight_bytes,
        kv_tokens=tokens,
        sequences=sequences(model, tokens),
        beside=tuple(tenant.name for tenant in slot.tenants if tenant is not model),
        sleep_level=_sleep_level(slot, wishes, slots) if slot.turns else 0,
    )


def _sleep_level(slot: Slot, wishes: Wishes, slots: list[Slot]) -> int:
    """1 keeps the weights of who sleeps in the node's memory and wakes in a second; 2 reads them from disk again."""
    (host,) = [nodes.host_memory_gib * GIB for nodes in wishes.nodes if slot.node in nodes.names]
    sleepers = [other for other in slots if other.node == slot.node and other.turns]
    weights = sum(need_of(model).weight_bytes for other in sleepers for model in other.tenants)
    return 1 if weights + HOST_SPARE <= host else 2


def _reason(model: Model, wishes: Wishes) -> str:
    need = need_of(model)
    least = need.bytes_for(model.max_model_len) / GIB
    largest = max((slot.visible * slot.utilization // 100 for slot in slots_of(wishes)), default=0) / GIB
    if least > largest:
        return (
            f"It needs {least:.1f} GiB of a GPU with one sequence of {model.max_model_len} tokens, and the largest "
            f"offers {largest:.1f}: lower max_model_len, weight_bits or kv_cache_bits, or give a node more GPUs."
        )
    return "Every GPU is taken by models beside which it does not fit: add a GPU, or let others sleep (pinned: false)."


def _name(slot: Slot) -> tuple[str, tuple[int, ...]]:
    return (slot.node, slot.indexes)
