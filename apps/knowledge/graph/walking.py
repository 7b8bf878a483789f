"""Walks along relations: what is round an entity, and the shortest way from one to another. Within the account's walls.

Every step is one query, of so many relations at most.
"""

from collections.abc import Collection

from apps.knowledge.graph.reading import Edge, Scope, edges

MOST_OF_A_STEP = 2000
MOST_SEEN = 5000  # entities, on the way from one to another


def around(scope: Scope, start: int, *, depth: int, most: int, least: float) -> tuple[list[int], bool]:
    """The roots that are reached, the nearest and surest first, and whether there are more."""
    seen, ring, is_cut = {start: None}, [start], False
    for _ in range(depth):
        found = edges(scope, touching=ring, least=least, most=MOST_OF_A_STEP)
        fresh = dict.fromkeys(end for edge in found for end in (edge[2], edge[4]) if end not in seen)
        room = most - len(seen)
        is_cut = is_cut or len(fresh) > room or len(found) == MOST_OF_A_STEP
        ring = list(fresh)[: max(room, 0)]
        seen.update(dict.fromkeys(ring))
        if not ring:
            break
    return list(seen), is_cut


def way(scope: Scope, start: int, end: int, *, longest: int, least: float) -> list[Edge] | None:
    """The relations from one to the other, in whichever direction they point; of equally long ways the surest steps.
    None where there is none within the bounds. Both ends walk, the smaller ring first."""
    came: tuple[dict[int, Edge | None], dict[int, Edge | None]] = ({start: None}, {end: None})
    rings = [[start], [end]]
    for _ in range(longest):
        side = 0 if len(rings[0]) <= len(rings[1]) else 1
        here, there = came[side], came[1 - side]
        rings[side] = _step(scope, rings[side], here, least)
        if met := [one for one in rings[side] if one in there]:
            ways = [[*_back(came[0], one)[::-1], *_back(came[1], one)] for one in met]
            return min(ways, key=len)
        if not rings[side] or len(here) + len(there) > MOST_SEEN:
            return None
    return None


def _step(scope: Scope, ring: Collection[int], came: dict[int, Edge | None], least: float) -> list[int]:
    fresh: dict[int, Edge | None] = {}
    for edge in edges(scope, touching=ring, least=least, most=MOST_OF_A_STEP):
        for near, far in ((edge[2], edge[4]), (edge[4], edge[2])):
            if near in came and far not in came and far not in fresh:
                fresh[far] = edge
    came.update(fresh)
    return list(fresh)


def _back(came: dict[int, Edge | None], place: int) -> list[Edge]:
    """The relations from here to where the walk began."""
    found = []
    while (edge := came[place]) is not None:
        found.append(edge)
        place = edge[4] if place == edge[2] else edge[2]
    return found
