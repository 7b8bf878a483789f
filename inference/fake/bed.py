"""Where the fake engine sleeps: vLLM's development routes, and a GPU that has room for one engine at a time."""

import asyncio
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs

from inference import asgi

OUT_OF_MEMORY = "CUDA out of memory."


class Bed:
    """`slot`: a file that whoever is awake holds locked, as weights hold a card's memory. Raises OSError where it is
    taken as the engine starts."""

    def __init__(self, sleep_mode: bool, slot: str, *, wake_seconds: float) -> None:
        self.sleep_mode = sleep_mode
        self.is_awake = asyncio.Event()
        self.is_awake.set()
        self.level = 0
        self._wake_seconds = wake_seconds
        self._has_weights = True
        self._slot: IO[str] | None = Path(slot).open("a") if slot else None  # noqa: SIM115
        self._take()

    async def sleep(
        self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, *, running: Callable[[], int]
    ) -> None:
        """What runs is waited for: the gateway asks for `mode=wait`."""
        query = parse_qs(scope["query_string"].decode())
        if query.get("mode") != ["wait"]:
            await asgi.respond_json(send, 400, {"detail": "the fake engine knows mode=wait alone"})
            return
        self.is_awake.clear()
        while running():
            await asyncio.sleep(0.01)
        self.level = int(query["level"][0])
        self._has_weights = self.level == 1
        if self._slot:
            fcntl.flock(self._slot, fcntl.LOCK_UN)
        await asgi.respond_json(send, 200, {"status": "sleeping", "level": self.level})

    async def wake_up(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        tags = parse_qs(scope["query_string"].decode()).get("tags")
        await asyncio.sleep(self._wake_seconds)
        try:
            self._take()
        except OSError:
            await asgi.respond_json(send, 500, asgi.error_envelope(OUT_OF_MEMORY, kind="InternalServerError"))
            return
        if tags != ["weights"]:
            self.level = 0
            self.is_awake.set()
        await asgi.respond_json(send, 200, {"status": "awake" if self.is_awake.is_set() else "sleeping", "tags": tags})

    async def is_sleeping(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.respond_json(send, 200, {"is_sleeping": not self.is_awake.is_set()})

    async def reload_weights(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        self._has_weights = True
        await asgi.respond_json(send, 200, {"results": [None]})

    @property
    def talks_nonsense(self) -> bool:
        """Awake without its weights: level 2 dropped them, and nobody had them read again."""
        return self.is_awake.is_set() and not self._has_weights

    def _take(self) -> None:
        if self._slot:
            fcntl.flock(self._slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
