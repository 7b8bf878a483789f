"""A GPU, or several of one node that one model is split over, and who lives on it."""

from dataclasses import dataclass, field

from inference.planning.memory import ASLEEP_BYTES, GIB, Need, need_of, visible_bytes
from inference.planning.wishes import Model, Wishes

SPLITS = (1, 2, 4, 8)
HOST_SPARE = 4 * GIB  # of a node's memory, for everything but weights of models that sleep


@dataclass
class Slot:
    """`turns`: its tenants use it one after another and sleep meanwhile; otherwise all at once, each with its share.

    Shares are whole percents of each card, as vLLM is told them; `utilization` is what all may have together.
    """

    node: str
    gpu: str
    indexes: tuple[int, ...]
    visible: int
    utilization: int
    tenants: list[Model] = field(default_factory=list)
    turns: bool = False

    def need(self, model: Model) -> Need:
        return need_of(model, len(self.indexes))

    def holds(self, models: list[Model], *, turns: bool) -> bool:
        """Each with one sequence of the greatest length at least."""
        least = [self._least(model) for model in models]
        if turns:
            return not any(model.pinned for model in models) and max(least) <= self._awake(len(models))
        return sum(least) <= self.utilization

    def share(self, model: Model) -> int:
        """What is left when all have their weights and a sequence goes by load."""
        if self.turns:
            return self._awake(len(self.tenants))
        spare = self.utilization - sum(map(self._least, self.tenants))
        loads = {tenant.name: self.need(tenant).kv_bytes_per_token * tenant.concurrency for tenant in self.tenants}
        return self._least(model) + spare * loads[model.name] // sum(loads.values())

    def kv_tokens(self, model: Model) -> int:
        return self.need(model).kv_tokens(self.visible * self.share(model) // 100)

    def _least(self, model: Model) -> int:
        return -(-self.need(model).bytes_for(model.max_model_len) * 100 // self.visible)

    def _awake(self, tenants: int) -> int:
        return self.utilization - -(-(tenants - 1) * ASLEEP_BYTES * 100 // self.visible)


def slots_of(wishes: Wishes) -> list[Slot]:
    """One for each GPU."""
    return [
        Slot(name, nodes.gpu, (index,), visible_bytes(nodes.gpu_memory_gib), wishes.gpu_memory_percent)
        for nodes in wishes.nodes
        for name in nodes.names
        for index in range(nodes.gpus)
    ]


def merge(slots: list[Slot], count: int, model: Model) -> Slot | None:
    """Takes `count` free cards of one node together where the model fits on them; the emptiest node first."""
    free: dict[tuple[str, str], list[Slot]] = {}
    for slot in slots:
        if not slot.tenants and len(slot.indexes) == 1:
            free.setdefault((slot.node, slot.gpu), []).append(slot)
    for (node, gpu), cards in sorted(free.items(), key=lambda item: -len(item[1])):
        chosen = cards[:count]
        merged = Slot(
            node, gpu, tuple(card.indexes[0] for card in chosen), chosen[0].visible, chosen[0].utilization, [model]
        )
        if len(chosen) == count and merged.holds([model], turns=False):
            slots[:] = [slot for slot in slots if slot not in chosen] + [merged]
            return merged
    return None


def splits_of(model: Model) -> list[int]:
    """Over how many cards it can be split: its heads must come out even."""
    architecture = model.architecture
    return [
        count
        for count in SPLITS
        if architecture.num_attention_heads % count == 0 and architecture.kv_heads % count == 0
    ]
