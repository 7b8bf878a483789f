"""Checkout sessions: what is to be paid, saved or subscribed to on the page that the emulator serves."""

from typing import Any

from apps.billing.emulator import checkout, opening
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.listing import PAGING, listing, page, wrap
from apps.billing.emulator.parameters import (
    CURRENCY,
    METADATA,
    Choice,
    Email,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Url,
    Whole,
    merge_metadata,
)
from apps.billing.emulator.resources import payment_intents, prices
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

PRICE_DATA = Group(
    {
        **only(
            prices.FIELDS,
            "currency",
            "product",
            "tax_behavior",
            "unit_amount",
            "unit_amount_decimal",
        ),
        "product_data": Group(
            {
                "description": Text(longest=40_000),
                "images": Many(Url(), most=8),
                "metadata": METADATA,
                "name": Text(required=True),
                "tax_code": Text(),
                "unit_label": Text(longest=12),
            }
        ),
        "recurring": Group(prices.LICENSED.fields),
    }
)
LINE_ITEM = Group(
    {
        "price": Text(),
        "price_data": PRICE_DATA,
        "quantity": Whole(),
        "metadata": METADATA,
        "adjustable_quantity": Group({"enabled": Flag(required=True), "maximum": Whole(), "minimum": Whole()}),
    }
)
MODES = ("payment", "setup", "subscription")
FIELDS: dict[str, Parameter] = {
    "allow_promotion_codes": Flag(),
    "automatic_tax": Group({"enabled": Flag(required=True)}),
    "billing_address_collection": Choice(("auto", "required")),
    "cancel_url": Url(),
    "client_reference_id": Text(longest=200),
    "currency": CURRENCY,
    "customer": Text(),
    "customer_creation": Choice(("always", "if_required")),
    "customer_email": Email(),
    "customer_update": Group({name: Choice(("auto", "never")) for name in ("address", "name", "shipping")}),
    "expires_at": Whole(),
    "invoice_creation": Group(
        {
            "enabled": Flag(required=True),
            "invoice_data": Group({"description": Text(), "footer": Text(), "metadata": METADATA}),
        }
    ),
    "line_items": Many(LINE_ITEM, most=100),
    "locale": Text(),
    "metadata": METADATA,
    "mode": Choice(MODES),
    "payment_intent_data": Group(
        {
            "capture_method": Choice(("automatic", "automatic_async")),
            "description": Text(),
            "metadata": METADATA,
            "receipt_email": Email(),
            "setup_future_usage": Choice(("off_session", "on_session")),
            "shipping": Group(payment_intents.SHIPPING.fields),
            "statement_descriptor": Text(longest=22),
            "statement_descriptor_suffix": Text(longest=22),
        }
    ),
    "payment_method_collection": Choice(("always", "if_required")),
    "payment_method_types": Many(Choice(("card",))),
    "saved_payment_method_options": Group(
        {
            "allow_redisplay_filters": Many(Choice(("always", "limited", "unspecified"))),
            "payment_method_save": Choice(("disabled", "enabled")),
        }
    ),
    "setup_intent_data": Group({"description": Text(), "metadata": METADATA}),
    "submit_type": Choice(("auto", "book", "donate", "pay", "subscribe")),
    "subscription_data": Group(
        {
            "billing_cycle_anchor": Whole(),
            "description": Text(longest=500),
            "metadata": METADATA,
            "proration_behavior": Choice(("create_prorations", "none")),
            "trial_end": Whole(),
            "trial_period_days": Whole(least=1, most=730),
            "trial_settings": Group(
                {
                    "end_behavior": Group(
                        {"missing_payment_method": Choice(("cancel", "create_invoice", "pause"), required=True)},
                        required=True,
                    )
                }
            ),
        }
    ),
    "success_url": Url(),
    "ui_mode": Choice(("hosted_page",)),
}


def update(world: World, fields: Fields, identifier: str) -> Object:
    session = world.get("checkout.session", identifier)
    return world.change(session, None, metadata=merge_metadata(session["metadata"], fields.get("metadata", {})))


def expire(world: World, fields: Fields, identifier: str) -> Object:
    session = world.get("checkout.session", identifier)
    if session["status"] != "open":
        raise StripeError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f'"{session["status"]}".'
        )
    checkout.expire(world, session)
    return session


def line_items(world: World, fields: Fields, identifier: str) -> Object:
    session = world.get("checkout.session", identifier)
    return page(world.store.known(session)["line_items"], fields, f"/v1/checkout/sessions/{identifier}/line_items")


def _included_items(world: World, session: Object) -> Any:
    return wrap(world.store.known(session)["line_items"], f"/v1/checkout/sessions/{session['id']}/line_items")


def _breakdown(world: World, details: Object) -> Any:
    return {"discounts": [], "taxes": []}


def _none(world: World, item: Object) -> Any:
    return []


INCLUDED: Included = {
    ("checkout.session", "line_items"): _included_items,
    ("", "breakdown"): _breakdown,
    ("item", "discounts"): _none,
    ("item", "taxes"): _none,
}
ENDPOINTS = (
    Endpoint("POST", "/v1/checkout/sessions", opening.create, FIELDS),
    listing(
        "/v1/checkout/sessions",
        "checkout.session",
        {
            "customer": Text(),
            "payment_intent": Text(),
            "status": Choice(("open", "complete", "expired")),
            "subscription": Text(),
        },
    ),
    retrieval("/v1/checkout/sessions/{session}", "checkout.session", noun="checkout.session"),
    Endpoint("POST", "/v1/checkout/sessions/{session}", update, {"metadata": METADATA}),
    Endpoint("POST", "/v1/checkout/sessions/{session}/expire", expire),
    Endpoint("GET", "/v1/checkout/sessions/{session}/line_items", line_items, PAGING),
)
