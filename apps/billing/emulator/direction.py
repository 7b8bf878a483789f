"""/_emulator/…: what a test, or a person who tries things, tells the emulator and asks of it."""

import dataclasses
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from apps.billing.emulator import checkout, collection, disputes, metering, timeline
from apps.billing.emulator.cards import CardDetails
from apps.billing.emulator.deliveries import Rule, RuleError
from apps.billing.emulator.emulator import Emulator
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.faults import Fault, FaultError
from apps.billing.emulator.publishing import publish
from apps.billing.emulator.world import AHEAD
from inference import asgi

Told = Callable[[dict[str, Any]], Any]
PREFIX = "/_emulator"
CHANGEABLE = {"dunning_days", "after_dunning", "draft_seconds", "upcoming_days"}


class Direction:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._told: dict[tuple[str, str], Told] = {
            ("GET", "/health"): lambda told: {"ok": True},
            ("GET", "/journal"): self._journal,
            ("POST", "/reset"): self._reset,
            ("POST", "/faults"): self._fault,
            ("POST", "/faults/clear"): self._clear_faults,
            ("GET", "/deliveries"): self._deliveries,
            ("POST", "/deliveries/rules"): self._rule,
            ("POST", "/deliveries/clear"): self._clear_rules,
            ("POST", "/deliveries/release"): self._release,
            ("POST", "/deliveries/replay"): self._replay,
            ("POST", "/checkout/pay"): self._pay,
            ("POST", "/authenticate"): self._authenticate,
            ("POST", "/meters/hold"): self._hold_meters,
            ("POST", "/meters/process"): self._process_meters,
            ("POST", "/time/advance"): self._advance_time,
            ("POST", "/settings"): self._settings,
            ("POST", "/disputes/begin"): self._begin_dispute,
            ("POST", "/disputes/close"): self._close_dispute,
            ("POST", "/cards/replace"): self._replace_card,
        }

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        tell = self._told.get((scope["method"], scope["path"].removeprefix(PREFIX)))
        if tell is None:
            await asgi.respond_json(send, 404, {"error": "unknown", "known": sorted(path for _, path in self._told)})
            return
        if scope["method"] == "POST" and asgi.header(scope, b"content-type") != "application/json":
            # What a page of another site can send without asking is no JSON.
            await asgi.respond_json(send, 415, {"error": "send JSON, and say so in Content-Type"})
            return
        try:
            body = await asgi.read_body(receive, limit=1 << 20)
            query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
            told = msgspec.json.decode(body) if body else query
            result = tell(told)
        except StripeError as error:
            await asgi.respond_json(send, error.status, {"error": error.fields})
        except (RuleError, FaultError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            await asgi.respond_json(send, 400, {"error": f"{type(error).__name__}: {error}"})
        else:
            await asgi.respond_json(send, 200, result)

    def _journal(self, told: dict[str, Any]) -> Any:
        """All, or with `request` the one."""
        entries = self._emulator.journal.entries
        wanted = told.get("request")
        return [entry for entry in entries if wanted in (None, entry["request"])]

    def _reset(self, told: dict[str, Any]) -> Any:
        self._emulator.reset()
        return {}

    def _fault(self, told: dict[str, Any]) -> Any:
        """See `faults.Fault`."""
        self._emulator.faults.add(Fault.parse(told))
        return {}

    def _clear_faults(self, told: dict[str, Any]) -> Any:
        self._emulator.faults.reset()
        return {}

    def _deliveries(self, told: dict[str, Any]) -> Any:
        outbox = self._emulator.outbox
        return {"under_way": outbox.under_way, "deliveries": [delivery.describe() for delivery in outbox.all]}

    def _rule(self, told: dict[str, Any]) -> Any:
        """See `deliveries.Rule`."""
        self._emulator.outbox.rules.append((Rule.parse(told), [0]))
        return {}

    def _clear_rules(self, told: dict[str, Any]) -> Any:
        self._emulator.outbox.rules.clear()
        return {}

    def _release(self, told: dict[str, Any]) -> Any:
        """`events`: these, in this order; or `backwards`: the newest first."""
        count = self._emulator.outbox.release(events=told.get("events"), backwards=bool(told.get("backwards")))
        return {"released": count}

    def _replay(self, told: dict[str, Any]) -> Any:
        """Send an event anew to each endpoint, `times` times."""
        world = self._emulator.world
        event = world.get(world.store.kinds.get(told["event"], "event"), told["event"])
        for _ in range(told.get("times", 1)):
            publish(world, self._emulator.outbox, event)
        return {}

    def _pay(self, told: dict[str, Any]) -> Any:
        """What a person does on a Checkout `session`'s page: the `card` (null: none), and whether to `authenticate`."""
        world = self._emulator.world
        session = world.get("checkout.session", told["session"])
        if told.get("card", "") is None:
            checkout.begin_without_card(world, session, email=told.get("email"))
            return {"status": session["status"], "payment_status": session["payment_status"], "error": None}
        details = CardDetails.make(told.get("card", "4242424242424242"), name=told.get("name"))
        outcome = checkout.pay(world, session, details, email=told.get("email"))
        if outcome.intent is not None and told.get("authenticate") is not None:
            collection.authenticate(world, outcome.intent, succeeds=bool(told["authenticate"]))
        return {"status": session["status"], "payment_status": session["payment_status"], "error": outcome.error}

    def _authenticate(self, told: dict[str, Any]) -> Any:
        """The cardholder's answer to an `intent` (payment or setup) that requires action."""
        world = self._emulator.world
        kind = "setup_intent" if told["intent"].startswith("seti_") else "payment_intent"
        intent = world.get(kind, told["intent"])
        collection.authenticate(world, intent, succeeds=told.get("succeeds", True))
        return {"status": intent["status"]}

    def _hold_meters(self, told: dict[str, Any]) -> Any:
        """Meter events are taken, and wait: Stripe's meters lag, too."""
        self._emulator.world.store.counters["meters_held"] = 1
        return {}

    def _process_meters(self, told: dict[str, Any]) -> Any:
        """What waited is counted, and from now on at once."""
        world = self._emulator.world
        world.store.counters["meters_held"] = 0
        return {"processed": metering.process_held(world)}

    def _advance_time(self, told: dict[str, Any]) -> Any:
        """Put the wall's clock forward by `seconds`, for all who live by no test clock; what is due is done."""
        world = self._emulator.world
        counters = world.store.counters
        counters[AHEAD] = counters.get(AHEAD, 0) + int(told["seconds"])
        timeline.catch_up(world)
        return {"now": world.now()}

    def _settings(self, told: dict[str, Any]) -> Any:
        """Until the next reset: `dunning_days`, `after_dunning`, `draft_seconds`, `upcoming_days`."""
        if unknown := sorted(told.keys() - CHANGEABLE):
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(CHANGEABLE))}")
        if "dunning_days" in told:
            told["dunning_days"] = tuple(told["dunning_days"])
        world = self._emulator.world
        world.settings = dataclasses.replace(world.settings, **told)
        return dataclasses.asdict(world.settings)

    def _replace_card(self, told: dict[str, Any]) -> Any:
        """From now on the `payment_method` does what the test card of the `number` does: a good card goes bad."""
        world = self._emulator.world
        method = world.get("payment_method", told["payment_method"])
        world.store.remember(method, number=CardDetails.make(told["number"]).card.number)
        return {}

    def _begin_dispute(self, told: dict[str, Any]) -> Any:
        """The holder of the card takes the `charge` back, for a `reason`."""
        world = self._emulator.world
        charge = world.get("charge", told["charge"])
        return {"dispute": disputes.begin(world, charge, reason=told.get("reason", "fraudulent"))["id"]}

    def _close_dispute(self, told: dict[str, Any]) -> Any:
        """The bank decides: `won` or not."""
        world = self._emulator.world
        disputes.close(world, world.get("dispute", told["dispute"]), won=bool(told["won"]))
        return {}
