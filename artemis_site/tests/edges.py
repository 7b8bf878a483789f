"""The edge before a real plane, for the tests of both together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from artemis_site.tests.errands import Key
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import SMALL_MODEL
from deploy.edge.tests.edge import Edge

CHAT: dict[str, Any] = {"model": SMALL_MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
CHAT_PATH = "/v1/chat/completions"


@contextmanager
def edge_before(plane: Plane, folder: Path, **settings: str) -> Iterator[Edge]:
    edge = Edge(folder, plane.address, plane.address, settings)
    edge.start()
    try:
        yield edge
    finally:
        edge.stop()


def bearer(key: Key) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.secret}"}


def ask(edge: Edge, key: Key, path: str = CHAT_PATH, *, address: str = "127.0.0.1", **fields: Any) -> httpx.Response:
    with edge.client(headers=bearer(key), address=address) as client:
        return client.post(path, json={**CHAT, **fields})
