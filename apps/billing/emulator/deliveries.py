"""Webhooks on their way: signed, sent, tried again with growing pauses until a 2xx; or as a test's rules say."""

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import aiohttp
import msgspec

from apps.billing.emulator.settings import Settings
from apps.billing.emulator.signing import signature
from apps.billing.emulator.store import Object

TIMEOUT_SECONDS = 10.0
LONGEST_PAUSE = 3600.0
KEPT = 5000
Action = Literal["withhold", "drop", "duplicate", "delay"]
State = Literal["pending", "withheld", "sending", "delivered", "failed", "dropped"]


class RuleError(ValueError):
    """A rule that says something unknown."""


@dataclass(frozen=True)
class Rule:
    """For the deliveries of matching events, from now on; `times` None: until the rules are cleared."""

    action: Action
    types: tuple[str, ...] = ("*",)
    times: int | None = None
    seconds: float = 0.0
    """For delay."""

    @classmethod
    def parse(cls, fields: Any) -> "Rule":
        if not isinstance(fields, dict) or fields.get("action") not in get_args(Action):
            raise RuleError(f"a rule is a JSON object with an action, one of {', '.join(get_args(Action))}")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(fields.keys() - known):
            raise RuleError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return cls(**{**fields, "types": tuple(fields.get("types", ("*",)))})


@dataclass
class Delivery:
    number: int
    event: str
    type: str
    endpoint: str
    url: str
    body: bytes
    secrets: list[str]
    state: State = "pending"
    due: float = field(default_factory=time.monotonic)
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def describe(self) -> Object:
        names = ("number", "event", "type", "endpoint", "url", "state", "attempts")
        return {name: getattr(self, name) for name in names}


class Deliveries:
    """One loop sends what is due; `parallel_deliveries` of them at once."""

    def __init__(self, settings: Settings, delivered: Callable[[str], None]) -> None:
        """`delivered` is told of each event that an endpoint took."""
        self._settings = settings
        self._delivered = delivered
        self._number = 0
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self.rules: list[tuple[Rule, list[int]]] = []
        self.all: deque[Delivery] = deque(maxlen=KEPT)
        self.changed = False

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        self._loop = asyncio.create_task(self._send_due())

    async def stop(self) -> None:
        for task in [*self._sending, *([self._loop] if self._loop else [])]:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    def reset(self) -> None:
        """Deliveries under way may still end; nobody hears of them."""
        self.rules.clear()
        self.all.clear()

    def add(self, *, event: Object, endpoint: str, url: str, secrets: list[str], body: bytes) -> None:
        rule = self._rule(event["type"])
        action = None if rule is None else rule.action
        for _ in range(2 if action == "duplicate" else 1):
            self._number += 1
            delivery = Delivery(
                number=self._number,
                event=event["id"],
                type=event["type"],
                endpoint=endpoint,
                url=url,
                body=body,
                secrets=secrets,
            )
            if action == "withhold":
                delivery.state = "withheld"
            elif action == "drop":
                delivery.state = "dropped"
            elif rule is not None and action == "delay":
                delivery.due += rule.seconds
            self.all.append(delivery)
        self.changed = True
        self._wake.set()

    def release(self, *, events: list[str] | None, backwards: bool) -> int:
        """Let go of what is withheld: these events in this order, or all, oldest or newest first."""
        waiting = [delivery for delivery in self.all if delivery.state == "withheld"]
        if events is not None:
            places = {event: place for place, event in enumerate(events)}
            waiting = sorted((one for one in waiting if one.event in places), key=lambda one: places[one.event])
        elif backwards:
            waiting.reverse()
        now = time.monotonic()
        for place, delivery in enumerate(waiting):
            delivery.state = "pending"
            delivery.due = now + place / 1_000_000
        self.changed = True
        self._wake.set()
        return len(waiting)

    def describe_waiting(self) -> list[Object]:
        """What has still to be delivered."""
        self.changed = False
        return [
            {**one.describe(), "state": "withheld" if one.state == "withheld" else "pending"}
            | {"body": one.body.decode(), "secrets": one.secrets}
            for one in self.all
            if one.state in ("pending", "sending", "withheld")
        ]

    def restore(self, described: list[Object]) -> None:
        """At once, whatever pause was left."""
        for one in described:
            self._number = max(self._number, one["number"])
            self.all.append(Delivery(**{**one, "body": one["body"].encode()}))

    @property
    def under_way(self) -> int:
        """Neither withheld nor at an end."""
        return sum(delivery.state in ("pending", "sending") for delivery in self.all)

    def _rule(self, kind: str) -> Rule | None:
        for position, (rule, taken) in enumerate(self.rules):
            if any(fnmatchcase(kind, pattern) for pattern in rule.types):
                taken[0] += 1
                if rule.times is not None and taken[0] >= rule.times:
                    del self.rules[position]
                return rule
        return None

    async def _send_due(self) -> None:
        while True:
            self._wake.clear()
            pending = sorted((one for one in self.all if one.state == "pending"), key=lambda one: one.due)
            now = time.monotonic()
            room = self._settings.parallel_deliveries - len(self._sending)
            for delivery in [one for one in pending if one.due <= now][:room]:
                delivery.state = "sending"
                task = asyncio.create_task(self._send(delivery))
                self._sending.add(task)
                task.add_done_callback(self._sent)
                pending.remove(delivery)
            full = len(self._sending) >= self._settings.parallel_deliveries
            pause = None if full or not pending else max(0.0, pending[0].due - time.monotonic())
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._wake.set()

    async def _send(self, delivery: Delivery) -> None:
        at = int(time.time())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(delivery.body, secrets=delivery.secrets, at=at),
        }
        status, error = None, None
        try:
            if self._session is None:
                raise OSError("not started")
            async with self._session.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
                await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            error = type(problem).__name__
        delivery.attempts.append({"at": at, "status": status, "error": error})
        self.changed = True
        if status is not None and 200 <= status < 300:
            delivery.state = "delivered"
            self._delivered(delivery.event)
        elif len(delivery.attempts) >= self._settings.delivery_attempts:
            delivery.state = "failed"
        else:
            pause = self._settings.retry_seconds * 2.0 ** (len(delivery.attempts) - 1)
            delivery.due = time.monotonic() + min(pause, LONGEST_PAUSE)
            delivery.state = "pending"


def encode(event: Object) -> bytes:
    """Indented, as Stripe sends it: the signature is over these very bytes."""
    return msgspec.json.format(msgspec.json.encode(event), indent=2)
