"""Entities become one, and part again. Merges that hold make trees, and each entity knows the root of its tree.

All of it within the account's walls and a transaction that holds the graph.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.knowledge.models import Entity, Mention, Merge, MergeReason


def roots_of(account_id: int, entity_ids: Collection[int]) -> dict[int, int]:
    rows = Entity.objects.filter(account_id=account_id, pk__in=entity_ids).values_list("pk", "merged_into_id")
    return {pk: root or pk for pk, root in rows}


def members_of(account_id: int, roots: Collection[int]) -> dict[int, int]:
    """By entity, the root of its tree, of all that stand in these trees."""
    rows = Entity.objects.filter(Q(pk__in=roots) | Q(merged_into_id__in=roots), account_id=account_id)
    return {pk: root or pk for pk, root in rows.values_list("pk", "merged_into_id")}


def join(
    account_id: int, graph_id: int, *, kept: int, gone: int, reason: MergeReason, key_id: int | None = None
) -> Merge | None:
    """None where they are one already, or where it was undone before and nobody asks for it by hand."""
    roots = roots_of(account_id, [kept, gone])
    if len(roots) < 2 or roots[kept] == roots[gone]:
        return None
    members = members_of(account_id, roots.values())
    there = [pk for pk, root in members.items() if root == roots[gone]]
    if reason != MergeReason.HAND:
        here = [pk for pk, root in members.items() if root == roots[kept]]
        crossing = Q(kept__in=here, gone__in=there) | Q(kept__in=there, gone__in=here)
        if Merge.objects.filter(crossing, account_id=account_id, undone_at__isnull=False).exists():
            return None
    pair = Q(kept=kept, gone=gone) | Q(kept=gone, gone=kept)
    Merge.objects.filter(pair, account_id=account_id).delete()  # one that was undone
    merge = Merge.objects.create(
        public_id=f"mrg_{get_random_string(24)}",
        account_id=account_id,
        graph_id=graph_id,
        kept_id=kept,
        gone_id=gone,
        reason=reason,
        api_key_id=key_id,
    )
    Entity.objects.filter(account_id=account_id, pk__in=there).update(merged_into=roots[kept])
    return merge


def part(account_id: int, merges: Iterable[Merge], *, undone: bool) -> None:
    """`undone`: by hand, so that they are not made again; others are forgotten."""
    found = list(merges)
    ids = [merge.pk for merge in found]
    rows = Merge.objects.filter(account_id=account_id, pk__in=ids)
    if undone:
        rows.update(undone_at=timezone.now())
    else:
        rows.delete()
    replant(account_id, {end for merge in found for end in (merge.kept_id, merge.gone_id)})


def uproot(account_id: int, entity_ids: Collection[int]) -> set[int]:
    """Takes entities that go out of their trees; those that stood there with them."""
    doomed = set(entity_ids)
    trees = members_of(account_id, set(roots_of(account_id, doomed).values()))
    left = set(trees) - doomed
    Merge.objects.filter(Q(kept__in=doomed) | Q(gone__in=doomed), account_id=account_id).delete()
    Entity.objects.filter(account_id=account_id, pk__in=trees).update(merged_into=None)
    replant(account_id, left)
    return left


def replant(account_id: int, entity_ids: Collection[int]) -> None:
    """The trees that these entities stand in, anew from the merges that hold. A root stays one where it can; else the
    most mentioned is it."""
    before = roots_of(account_id, entity_ids)
    nodes = set(members_of(account_id, set(before.values()))) | set(entity_ids)
    merges = Merge.objects.filter(account_id=account_id, kept__in=nodes, gone__in=nodes, undone_at=None)
    leader = {node: node for node in nodes}

    def find(node: int) -> int:
        while leader[node] != node:
            node = leader[node]
        return node

    for kept, gone in merges.values_list("kept_id", "gone_id"):
        leader[find(gone)] = find(kept)
    trees: dict[int, list[int]] = {}
    for node in sorted(nodes):
        trees.setdefault(find(node), []).append(node)
    counts = _mentions(account_id, nodes)
    were_roots = set(before.values())
    for tree in trees.values():
        root = max(tree, key=lambda node: (node in were_roots, counts[node], -node))
        Entity.objects.filter(account_id=account_id, pk=root).update(merged_into=None)
        Entity.objects.filter(account_id=account_id, pk__in=set(tree) - {root}).update(merged_into=root)


def _mentions(account_id: int, entity_ids: Collection[int]) -> Counter[int]:
    rows = Mention.objects.filter(account_id=account_id, entity_id__in=entity_ids).values_list("entity_id")
    return Counter(dict(rows.annotate(count=Count("pk"))))
