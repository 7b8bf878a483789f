"""The life of a subscription: begun, changed with prorations, renewed, and ended."""

from typing import Any

from apps.billing.emulator import (
    cards,
    ending,
    identifiers,
    invoice_lines,
    invoice_payments,
    pending_items,
    periods,
    subscription_invoices,
    subscription_items,
)
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400
NO_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider adding a default payment "
    "method. For more information, visit https://docs.stripe.com/billing/subscriptions/payment-methods-setting"
    "#payment-method-priority."
)


def create(world: World, fields: Fields, **hidden: Any) -> Object:
    """Raises StripeError for what does not fit, and (402) where a refusal is to be an error."""
    customer = world.get("customer", fields["customer"], param="customer")
    now = world.now_for(customer["id"])
    method = own_method(world, fields.get("default_payment_method"), customer["id"])
    identifier = identifiers.new("subscription")
    trial_end = _trial_end(fields, now)
    given = fields.get("items", [])
    priced = [(subscription_items.price_of(world, one, f"items[{number}]"), one) for number, one in enumerate(given)]
    recurring = priced[0][0]["recurring"] if priced else None
    start, end, anchor = _first_period(fields, recurring, now, trial_end)
    items = [
        subscription_items.new(world, identifier, price, one, (start, end), param=f"items[{number}]", now=now)
        for number, (price, one) in enumerate(priced)
    ]
    currency, recurring = subscription_items.check_together(items)
    subscription = _shown(fields, customer, items, currency)
    subscription |= {
        "id": identifier,
        "created": now,
        "start_date": now,
        "billing_cycle_anchor": anchor,
        "trial_start": now if trial_end else None,
        "trial_end": trial_end,
        "default_payment_method": None if method is None else method["id"],
    }
    _set_cancellation(subscription, fields, now, end)
    lines = _first_lines(world, subscription, items, recurring, trial=trial_end is not None)
    extra = _extra_items(world, subscription, fields.get("add_invoice_items", []))
    due = sum(line["amount"] for line in lines) + sum(item["amount"] for item in extra) + customer["balance"]
    _check_payable(world, subscription, fields, customer, due)
    subscription = world.add("subscription", subscription, **hidden)
    if customer["currency"] is None:
        world.change(customer, None, currency=currency)
    _first_invoice(world, subscription, fields, lines, period=(now, now))
    world.store.remember(subscription, announced=True)
    world.emit("customer.subscription.created", subscription)
    return subscription


def own_method(world: World, name: str | None, customer: str) -> Object | None:
    if name is None:
        return None
    method = world.get("payment_method", name, param="default_payment_method", noun="PaymentMethod")
    if method["customer"] != customer:
        raise StripeError(
            f"The customer does not have a payment method with the ID {name}. The payment method must be attached to "
            "the customer.",
            code="resource_missing",
            param="default_payment_method",
        )
    return method


def _trial_end(fields: Fields, now: int) -> int | None:
    if "trial_period_days" in fields and "trial_end" in fields:
        raise StripeError("Pass trial_end or trial_period_days, not both.", param="trial_end")
    if "trial_period_days" in fields:
        return now + int(fields["trial_period_days"]) * DAY if fields["trial_period_days"] else None
    end: Any = fields.get("trial_end")
    if end in (None, "now"):
        return None
    if not now < end <= now + 731 * DAY:
        raise StripeError("Invalid timestamp: must be in the future, and at most two years.", param="trial_end")
    return int(end)


def _first_period(fields: Fields, recurring: Object | None, now: int, trial_end: int | None) -> tuple[int, int, int]:
    if recurring is None:
        return now, now, now
    anchor = fields.get("billing_cycle_anchor", trial_end or now)
    if anchor < now:
        raise StripeError("billing_cycle_anchor cannot be earlier than now.", param="billing_cycle_anchor")
    if trial_end is not None:
        return now, trial_end, anchor
    end = periods.next_end(anchor, recurring, now)
    if "billing_cycle_anchor" in fields and anchor > periods.after(
        now, recurring["interval"], recurring["interval_count"], 1
    ):
        raise StripeError(
            "billing_cycle_anchor cannot be later than next natural billing date.", param="billing_cycle_anchor"
        )
    return now, end, anchor


def _first_lines(
    world: World, subscription: Object, items: list[Object], recurring: Object, *, trial: bool
) -> list[Object]:
    lines = []
    for item in items:
        if subscription_items.is_metered(item):
            continue
        period = (item["current_period_start"], item["current_period_end"])
        whole = periods.next_end(period[0], recurring, period[0]) - period[0]
        share = min(1.0, (period[1] - period[0]) / whole)
        lines.append(subscription_items.licensed_line(world, subscription, item, period, trial=trial, share=share))
    return lines


def _extra_items(world: World, subscription: Object, given: list[Fields]) -> list[Object]:
    made = []
    for number, one in enumerate(given):
        price = world.get("price", one.get("price", ""), param=f"add_invoice_items[{number}][price]")
        quantity = one.get("quantity", 1)
        made.append(
            pending_items.invoice_item(
                world,
                customer=subscription["customer"],
                amount=(price["unit_amount"] or 0) * quantity,
                currency=price["currency"],
                description=None,
                period=(subscription["created"], subscription["created"]),
                quantity=quantity,
                price=price,
                subscription=subscription,
            )
        )
    return made


def _check_payable(world: World, subscription: Object, fields: Fields, customer: Object, due: int) -> None:
    behavior = fields.get("payment_behavior", "allow_incomplete")
    if subscription["collection_method"] != "charge_automatically" or due <= 0 or behavior == "default_incomplete":
        return
    method = world.store.find(
        "payment_method",
        subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"],
    )
    if method is None:
        raise StripeError(NO_METHOD, code="resource_missing")
    if behavior == "error_if_incomplete":
        refuse_if_card_would(world, method, off_session=bool(fields.get("off_session")))


def refuse_if_card_would(world: World, method: Object, *, off_session: bool) -> None:
    """Raises StripeError (402) before anything is changed."""
    declined = cards.behind(world, method).charging
    if declined is not None:
        raise cards.decline(declined)
    if cards.needs_authentication(world, method, off_session=off_session):
        error = cards.decline("authentication_required")
        error.fields["code"] = "subscription_payment_intent_requires_action"
        raise error


def _first_invoice(
    world: World, subscription: Object, fields: Fields, lines: list[Object], *, period: tuple[int, int]
) -> None:
    """A subscription that is billed by usage alone begins without one."""
    pending = invoice_lines.take_pending(world, subscription["customer"], subscription["currency"], subscription["id"])
    if not lines and not pending:
        world.change(subscription, None, status=_begun(world, subscription))
        return
    invoice = subscription_invoices.invoice_now(
        world, subscription, lines, pending, reason="subscription_create", period=period
    )
    if subscription["collection_method"] == "send_invoice":
        world.change(subscription, None, status=_begun(world, subscription))
    elif fields.get("payment_behavior") != "default_incomplete":
        invoice_payments.collect(world, invoice, off_session=bool(fields.get("off_session")))


def _begun(world: World, subscription: Object) -> str:
    trial = subscription["trial_end"] or 0
    return "trialing" if trial > world.now_for(subscription["customer"]) else "active"


def _set_cancellation(subscription: Object, fields: Fields, now: int, end: int) -> None:
    subscription |= ending.cancellation(fields, now, end)


def _shown(fields: Fields, customer: Object, items: list[Object], currency: str) -> Object:
    identifier = items[0]["subscription"]
    settings = fields.get("payment_settings", {})
    return {
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": 0,
        "billing_cycle_anchor_config": None,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": fields.get("billing_mode", {}).get("type", "flexible"),
            "updated_at": None,
        },
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": fields.get("collection_method", "charge_automatically"),
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": fields.get("days_until_due"),
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": fields.get("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": {
            "object": "list",
            "data": items,
            "has_more": False,
            "total_count": len(items),
            "url": f"/v1/subscription_items?subscription={identifier}",
        },
        "latest_invoice": None,
        "metadata": merge_metadata({}, fields.get("metadata", {})),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": settings.get("payment_method_types"),
            "save_default_payment_method": settings.get("save_default_payment_method", "off"),
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "status": "incomplete",
        "test_clock": customer["test_clock"],
        "transfer_data": None,
        "trial_settings": fields.get("trial_settings", {"end_behavior": {"missing_payment_method": "create_invoice"}}),
    }
