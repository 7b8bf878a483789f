"""What the tests of graphs have in common."""

import asyncio
import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

from apps.common.redis import sync_redis
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors, services
from apps.knowledge.graph.contracts import EntityFacts, GraphFacts, RelationFacts, ToExtract
from apps.knowledge.graph.running import LOCK, run_waiting_graphs

CURIE = "Marie Curie was born in Warsaw. Marie Curie worked with Pierre Curie in Paris."
APPLE = "Apple Inc. acquired Beats Electronics in 2014. Tim Cook, the chief executive of Apple, lives in California."


def named(key: KeyFacts, store: StoreFacts) -> dict[str, Any]:
    return {"account_id": key.account_id, "project_id": key.project_id, "store_id": store.public_id}


class Oracle:
    """Stands where the gateway's language model is, answers what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.requests: list[ToExtract] = []

    async def __call__(self, wanted: ToExtract) -> str:
        self.requests.append(wanted)
        answer = self._answers.pop(0) if self._answers else {"entities": [], "relations": []}
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps(answer)

    @property
    def asked(self) -> Counter[str]:
        return Counter(request.text for request in self.requests)


async def reader(wanted: ToExtract) -> str:
    """Answers from the text itself: each word with a capital and a number is a thing, and knows the next one."""
    names = list(dict.fromkeys(re.findall(r"[A-Z][a-z]+\d+", wanted.text)))
    entities = [{"name": name, "type": "person", "aliases": []} for name in names]
    relations = [{"subject": one, "relation": "knows", "object": other} for one, other in pairwise(names)]
    return json.dumps({"entities": entities, "relations": relations})


def work(extract: Any = None) -> None:
    """Reads what waits for its graph, as a worker does."""
    sync_redis().delete(LOCK)
    asyncio.run(run_waiting_graphs(extract or Oracle(), seconds=60))


def build(key: KeyFacts, store: StoreFacts, method: str = "offline", model: str = "") -> GraphFacts:
    return services.build_graph(key=key, store_id=store.public_id, method=method, model=model)


def state(key: KeyFacts, store: StoreFacts) -> GraphFacts:
    return selectors.graph_of_store(**named(key, store))


def entities(key: KeyFacts, store: StoreFacts) -> dict[str, EntityFacts]:
    found, _ = selectors.entities_of_store(**named(key, store), limit=100)
    return {entity.name: entity for entity in found}


def relations(key: KeyFacts, store: StoreFacts) -> dict[tuple[str, str, str], RelationFacts]:
    found, _ = selectors.relations_of_store(**named(key, store), limit=200)
    return {(one.subject.name, one.type, one.object.name): one for one in found}
