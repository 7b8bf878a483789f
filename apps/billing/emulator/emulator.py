"""The whole stand-in: its world, what goes out, what tests ordered, and what is kept on disk."""

import asyncio
import contextlib
from pathlib import Path

from apps.billing.emulator import timeline
from apps.billing.emulator.deliveries import Deliveries
from apps.billing.emulator.faults import Faults
from apps.billing.emulator.idempotency import Answers
from apps.billing.emulator.journal import Journal
from apps.billing.emulator.publishing import publish
from apps.billing.emulator.settings import Settings
from apps.billing.emulator.world import World

SAVE_SECONDS = 0.5


class Emulator:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.outbox = Deliveries(settings, self._delivered)
        self.world = World(settings, lambda event: publish(self.world, self.outbox, event))
        self.answers = Answers()
        self.faults = Faults()
        self.journal = Journal()
        self._state = Path(settings.state_file) if settings.state_file else None
        self._beat: asyncio.Task[None] | None = None
        if self._state is not None:
            beside = self.world.store.load(self._state)
            self.outbox.restore(beside.get("deliveries", []))
            self.answers.restore(beside.get("answers", []))

    async def start(self) -> None:
        await self.outbox.start()
        self._beat = asyncio.create_task(self._beats())

    async def stop(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat
        await self.outbox.stop()
        self.save()

    def reset(self) -> None:
        """As on the first day."""
        self.world.settings = self.settings
        for part in (self.world.store, self.outbox, self.answers, self.faults, self.journal):
            part.reset()

    def _delivered(self, event: str) -> None:
        """One webhook less is pending."""
        found = self.world.store.find("event", event)
        if found is not None and found["pending_webhooks"] > 0:
            self.world.change(found, None, pending_webhooks=found["pending_webhooks"] - 1)

    def save(self) -> None:
        changed = self.world.store.changed or self.outbox.changed or self.answers.changed
        if self._state is not None and changed:
            self.world.store.save(
                self._state, deliveries=self.outbox.describe_waiting(), answers=self.answers.describe()
            )

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            timeline.catch_up(self.world)
            self.save()
