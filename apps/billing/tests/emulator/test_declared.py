"""What the emulator accepts and answers is what Stripe's own client declares: addresses, parameters, fields."""

import ast
import functools
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import httpx
import pytest
import stripe
from stripe import _request_options
from stripe._stripe_object import UntypedStripeObject

from apps.billing.emulator.control import EmulatorServer
from apps.billing.emulator.endpoints import Endpoint
from apps.billing.emulator.parameters import Group, Many, Parameter, Word
from apps.billing.emulator.resources import ENDPOINTS
from apps.billing.tests.emulator.conftest import KEY
from apps.billing.tests.emulator.life import Life
from apps.billing.tests.emulator.shapes import problems

PACKAGE = Path(stripe.__file__).parent
PLACE = re.compile(r"\{\w+\}")
OPTIONS = {
    "api_key",
    "stripe_version",
    "stripe_account",
    "stripe_context",
    "max_network_retries",
    "idempotency_key",
    "content_type",
    "headers",
    "expand",
}
STRICTER = {
    ("POST", "/v1/billing/meter_event_adjustments", "cancel"),
    ("POST", "/v1/billing/meter_event_adjustments", "cancel.identifier"),
    ("POST", "/v1/billing_portal/sessions", "customer"),
    ("POST", "/v1/payment_methods", "type"),
    ("POST", "/v1/payment_methods/{method}/attach", "customer"),
    ("POST", "/v1/subscriptions", "add_invoice_items.price"),
    ("POST", "/v1/subscriptions", "customer"),
    ("POST", "/v1/subscriptions", "items"),
    ("POST", "/v2/core/event_destinations", "webhook_endpoint"),
}
"""Stripe requires these, or something else in their place that the emulator does not do."""


def declared() -> dict[tuple[str, str], type | None]:
    """By method and address: the type of the parameters, None for none. Read from the client's services."""
    found: dict[tuple[str, str], type | None] = {}
    for path in PACKAGE.rglob("_*_service.py"):
        tree = ast.parse(path.read_text())
        origins = {
            alias.name: node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for method, address in _requests(function):
                    found[method.upper(), PLACE.sub("{}", address)] = _parameters(function, origins)
    return found


def _requests(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_request":
            method, address = node.args[:2]
            if isinstance(address, ast.Call) and isinstance(address.func, ast.Attribute):
                address = address.func.value
            assert isinstance(method, ast.Constant)
            assert isinstance(address, ast.Constant)
            yield str(method.value), str(address.value)


def _parameters(function: ast.FunctionDef, origins: dict[str, str]) -> type | None:
    for argument in function.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            [name] = re.findall(r"\w+Params\b", ast.unparse(argument.annotation))
            found: type = getattr(importlib.import_module(origins[name]), name)
            return found
    return None


DECLARED = declared()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_each_endpoint_is_stripes(endpoint: Endpoint) -> None:
    key = (endpoint.method, PLACE.sub("{}", endpoint.path))
    assert key in DECLARED
    names = DECLARED[key]
    assert list(_differences(endpoint, endpoint.parameters, names, "")) == []


def _differences(endpoint: Endpoint, ours: Any, theirs: type | None, within: str) -> Iterator[str]:
    hints = {} if theirs is None else _hints(theirs)
    required = getattr(theirs, "__required_keys__", frozenset())
    for name, parameter in ours.items():
        if name not in hints:
            yield f"{within}{name} is unknown"
            continue
        stricter = (endpoint.method, endpoint.path, within + name) in STRICTER
        if parameter.required and name not in required and not stricter:
            yield f"{within}{name} is not required"
        yield from _within(endpoint, parameter, hints[name], f"{within}{name}.")
    for name in required - ours.keys() - OPTIONS:
        yield f"{within}{name} lacks"


def _within(endpoint: Endpoint, parameter: Parameter, hint: Any, within: str) -> Iterator[str]:
    if isinstance(parameter, Word):
        yield from _within(endpoint, parameter.otherwise, hint, within)
    elif isinstance(parameter, Many):
        [element] = [get_args(one)[0] for one in _options(hint) if get_origin(one) is list]
        yield from _within(endpoint, parameter.each, element, within)
    elif isinstance(parameter, Group):
        [typed] = [one for one in _options(hint) if hasattr(one, "__required_keys__")]
        yield from _differences(endpoint, parameter.fields, typed, within)


def _options(hint: Any) -> list[Any]:
    return [hint] if get_origin(hint) in (None, list) else list(get_args(hint))


@functools.cache
def _hints(typed: type) -> dict[str, Any]:
    return get_type_hints(typed, _names(typed))


def _names(typed: type) -> dict[str, Any]:
    """Of the types that its module imports only for type checkers, too."""
    checked = {"StripeContext": stripe.StripeContext, "UntypedStripeObject": UntypedStripeObject}
    return {**checked, **vars(_request_options), **vars(importlib.import_module(typed.__module__))}


@pytest.fixture
def ask(server: EmulatorServer) -> Callable[[str], list[dict[str, Any]]]:
    def get(path: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{server.base_url}/v1/{path}", auth=(KEY, "")).json()
        assert "error" not in answer
        return answer["data"] if answer["object"] == "list" else [answer]

    return get


def test_each_object_has_its_fields(
    client: stripe.StripeClient, server: EmulatorServer, ask: Callable[[str], list[dict[str, Any]]]
) -> None:
    life = Life.begin(client, at="2026-01-01")
    live_through_much(life, server)
    found: set[str] = set()
    seen: set[str] = set()
    for path in (
        "account",
        "balance_transactions?limit=100",
        "billing/meters",
        "billing_portal/configurations",
        "charges?limit=100&expand[]=data.refunds",
        "checkout/sessions?expand[]=data.line_items",
        "customers",
        "disputes",
        "events?limit=100",
        "invoice_payments",
        "invoiceitems",
        "invoices?limit=100&expand[]=data.payments",
        f"payment_methods?customer={life.customer.id}",
        "payment_intents?limit=100",
        "prices",
        "products",
        "refunds",
        "setup_intents",
        "subscriptions?status=all&expand[]=data.latest_invoice",
        "test_helpers/test_clocks",
        "webhook_endpoints",
    ):
        things = ask(path)
        assert things, path
        for thing in things:
            seen.add(thing["object"])
            found.update(problems(thing))
            if thing["object"] == "event":
                found.update(problems(thing["data"]["object"]))
    assert found == set()
    assert "subscription" in seen


def live_through_much(life: Life, server: EmulatorServer) -> None:
    """Renewals refused, asked for and paid; usage; Checkout; a refund."""
    client = life.client
    client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/hook", "enabled_events": ["unheard.of"]})
    meter = client.v1.billing.meters.create(
        {"display_name": "Tokens", "event_name": "tokens", "default_aggregation": {"formula": "sum"}}
    )
    usage = life.price(
        "Tokens",
        unit_amount=5,
        recurring={"interval": "month", "usage_type": "metered", "meter": meter.id},
    )
    subscription = life.subscribe(life.price(), usage)
    client.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": subscription["items"].data[0].id, "quantity": 2}], "cancel_at_period_end": False},
    )
    life.subscribe(life.price(), trial_period_days=3)
    life.use("pm_card_chargeCustomerFail")
    life.advance("2026-02-03")
    life.use("pm_card_authenticationRequired")
    life.advance("2026-02-05")
    once = client.v1.prices.create({"currency": "usd", "unit_amount": 500, "product": str(usage.product)})
    paid = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": once.id, "quantity": 1}],
            "success_url": "https://artemis.example/",
        }
    )
    server.pay(paid.id, email="alice@northwind.example")
    saved = client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "customer": life.customer.id, "success_url": "https://artemis.example/"}
    )
    server.pay(saved.id, card="4000002500003155", authenticate=True)
    intent = client.v1.checkout.sessions.retrieve(paid.id).payment_intent
    client.v1.refunds.create({"payment_intent": str(intent), "amount": 100})
    server.dispute(str(client.v1.payment_intents.retrieve(str(intent)).latest_charge))
    client.v1.billing_portal.sessions.create({"customer": life.customer.id})
