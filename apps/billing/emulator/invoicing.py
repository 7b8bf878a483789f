"""Invoices: from a draft's lines to the payment, and what a payment or a refusal means for the subscription.

A refused renewal is tried again by the settings' schedule; after the last try the subscription ends as they say.
"""

from typing import Any

from apps.billing.emulator import identifiers, payments
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400
LEAST_CHARGE = 50
"""In cents; a smaller sum waits on the customer's balance."""


def draft(
    world: World,
    *,
    customer: Object,
    currency: str,
    lines: list[Object],
    reason: str,
    subscription: Object | None = None,
    period: tuple[int, int] | None = None,
    fields: Object | None = None,
    **hidden: Any,
) -> Object:
    identifier = identifiers.new("invoice")
    now = world.now_for(customer["id"])
    parent = None
    if subscription is not None:
        parent = {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        }
    start, end = period or (now, now)
    invoice = {
        "id": identifier,
        "created": now,
        "account_country": "US",
        "account_name": world.settings.display_name,
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": customer["invoice_settings"]["footer"],
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": ""},
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": parent,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": customer["test_clock"],
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
        **(fields or {}),
    }
    set_lines(invoice, lines, customer["balance"])
    return world.add("invoice", invoice, "invoice.created", **hidden)


def set_lines(invoice: Object, lines: list[Object], balance: int) -> None:
    """With the sums that follow; `balance` is the customer's, negative for credit."""
    for line in lines:
        line["invoice"] = invoice["id"]
    total = sum(line["amount"] for line in lines)
    due = max(0, total + balance)
    invoice |= {
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice['id']}/lines",
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        "starting_balance": balance,
        "amount_due": due,
        "amount_remaining": due,
    }


def line(
    *,
    amount: int,
    currency: str,
    description: str,
    period: tuple[int, int],
    quantity: int | None,
    price: Object | None,
    parent: Object | None,
    metadata: Object | None = None,
    subscription: str | None = None,
) -> Object:
    pricing = None
    if price is not None:
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    return {
        "id": identifiers.new("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": metadata or {},
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": None if quantity is None else str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }


def item_line(item: Object) -> Object:
    """Of an invoice item."""
    details = (item["parent"] or {}).get("subscription_details") or {}
    parent = {
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": item["proration"],
            "proration_details": {"credited_items": None},
            "subscription": details.get("subscription"),
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    made = line(
        amount=item["amount"],
        currency=item["currency"],
        description=item["description"] or "",
        period=(item["period"]["start"], item["period"]["end"]),
        quantity=item["quantity"],
        price=None,
        parent=parent,
        metadata=dict(item["metadata"]),
        subscription=details.get("subscription"),
    )
    return {**made, "pricing": item["pricing"]}


def take_pending(world: World, customer: str, currency: str, subscription: str | None) -> list[Object]:
    """The customer's invoice items that are on no invoice yet: those of the subscription, and those of none."""
    found = []
    for item in world.store.all("invoiceitem"):
        details = (item["parent"] or {}).get("subscription_details") or {}
        if (
            item["invoice"] is None
            and item["customer"] == customer
            and item["currency"] == currency
            and details.get("subscription") in (None, subscription)
        ):
            found.append(item)
    return found


def mark_taken(world: World, items: list[Object], invoice: Object) -> None:
    for item in items:
        world.change(item, None, invoice=invoice["id"])


def finalize(world: World, invoice: Object, *, applies_balance: bool = True) -> Object:
    """Its number, its pages, and the payment that it waits for; one with nothing to pay is paid."""
    if invoice["status"] != "draft":
        raise StripeError(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    customer = world.get("customer", invoice["customer"])
    now = world.now_for(customer["id"])
    balance = customer["balance"] if applies_balance else 0
    set_lines(invoice, invoice["lines"]["data"], balance)
    due, left = invoice["amount_due"], min(0, invoice["total"] + balance)
    if 0 < due < LEAST_CHARGE:
        due, left = 0, due
    url = f"{world.settings.base_url}/i/{invoice['id']}"
    sequence = customer["next_invoice_sequence"]
    world.change(customer, None, next_invoice_sequence=sequence + 1)
    if applies_balance and left != customer["balance"]:
        world.change(customer, "customer.updated", balance=left)
    world.change(
        invoice,
        "invoice.finalized",
        status="open",
        number=f"{customer['invoice_prefix']}-{sequence:04d}",
        amount_due=due,
        amount_remaining=due,
        automatically_finalizes_at=None,
        effective_at=now,
        ending_balance=left,
        hosted_invoice_url=url,
        invoice_pdf=f"{url}/pdf",
        status_transitions={**invoice["status_transitions"], "finalized_at": now},
    )
    if due == 0:
        mark_paid(world, invoice)
        return invoice
    if invoice["collection_method"] == "send_invoice":
        world.emit("invoice.sent", invoice)
    _ensure_payment(world, invoice)
    return invoice


def settle_with(world: World, invoice: Object, intent: str | None) -> None:
    """Make the draft final, and paid by what was paid already (None: there was nothing to pay)."""
    world.store.remember(invoice, payment_intent=intent)
    finalize(world, invoice, applies_balance=False)
    if intent is not None:
        _link_payment(world, invoice, intent)
    mark_paid(world, invoice)


def _ensure_payment(world: World, invoice: Object) -> Object:
    """The payment intent, which `payments` and `confirmation_secret` show."""
    known = world.store.known(invoice)
    found = world.store.find("payment_intent", known.get("payment_intent"))
    if found is not None and found["status"] != "canceled":
        return found
    subscription = subscription_of(world, invoice)
    intent = payments.new_intent(
        world,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        fields={
            "description": "Subscription creation"
            if invoice["billing_reason"] == "subscription_create"
            else f"Invoice {invoice['number']}",
            "setup_future_usage": "off_session" if subscription is not None else None,
        },
        invoice=invoice["id"],
        return_url=None,
    )
    world.store.remember(invoice, payment_intent=intent["id"])
    _link_payment(world, invoice, intent["id"])
    return intent


def _link_payment(world: World, invoice: Object, intent: str) -> None:
    world.add(
        "invoice_payment",
        {
            "created": world.now_for(invoice["customer"]),
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "payment": {"payment_intent": intent, "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )


def subscription_of(world: World, invoice: Object) -> Object | None:
    parent = invoice["parent"]
    return None if parent is None else world.store.find("subscription", parent["subscription_details"]["subscription"])


def method_for(world: World, invoice: Object) -> Object | None:
    """The card that is charged: the invoice's, the subscription's, or the customer's."""
    subscription = subscription_of(world, invoice)
    customer = world.get("customer", invoice["customer"])
    for chosen in (
        invoice["default_payment_method"],
        None if subscription is None else subscription["default_payment_method"],
        customer["invoice_settings"]["default_payment_method"],
    ):
        method = world.store.find("payment_method", chosen)
        if method is not None:
            return method
    return None


def collect(
    world: World, invoice: Object, method: Object | None = None, *, off_session: bool = True
) -> StripeError | None:
    """One attempt; a refusal is returned. Without any card it is one, too."""
    if invoice["status"] not in ("open", "uncollectible"):
        return None
    intent = _ensure_payment(world, invoice)
    method = method or method_for(world, invoice)
    error: StripeError | None
    if method is None:
        error = StripeError(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set a "
            "`default_payment_method`.",
            code="invoice_payment_intent_requires_action",
        )
    else:
        error = payments.attempt(world, intent, method, off_session=off_session)
    counted = {"attempt_count": invoice["attempt_count"] + 1, "attempted": True}
    if error is None and intent["status"] == "succeeded":
        world.change(invoice, None, **counted)
        mark_paid(world, invoice)
        return None
    _failed(world, invoice, counted, asks_holder=error is None)
    return error


def _failed(world: World, invoice: Object, counted: Object, *, asks_holder: bool) -> None:
    subscription = subscription_of(world, invoice)
    following = None
    first = invoice["billing_reason"] == "subscription_create"
    days = world.settings.dunning_days
    if invoice["auto_advance"] and not first and counted["attempt_count"] <= len(days):
        following = world.now_for(invoice["customer"]) + days[counted["attempt_count"] - 1] * DAY
    world.change(invoice, "invoice.updated", next_payment_attempt=following, **counted)
    if asks_holder:
        world.emit("invoice.payment_action_required", invoice)
    world.emit("invoice.payment_failed", invoice)
    customer = world.get("customer", invoice["customer"])
    if not customer["delinquent"] and not first:
        world.change(customer, "customer.updated", delinquent=True)
    if subscription is None or first or subscription["status"] not in ("active", "past_due", "trialing"):
        return
    if following is None and invoice["auto_advance"]:
        _give_up(world, invoice, subscription)
    else:
        world.change(subscription, "customer.subscription.updated", status="past_due")


def _give_up(world: World, invoice: Object, subscription: Object) -> None:
    after = world.settings.after_dunning
    world.change(invoice, None, auto_advance=after == "past_due")
    if after == "cancel":
        now = world.now_for(invoice["customer"])
        world.change(
            subscription,
            "customer.subscription.deleted",
            status="canceled",
            canceled_at=now,
            ended_at=now,
            cancellation_details={"comment": None, "feedback": None, "reason": "payment_failed"},
        )
    else:
        world.change(subscription, "customer.subscription.updated", status=after)


def mark_paid(world: World, invoice: Object, *, outside: bool = False) -> None:
    """Also when its payment intent succeeded by other ways, or when it was paid outside of Stripe."""
    if invoice["status"] == "paid":
        return
    now = world.now_for(invoice["customer"])
    world.change(
        invoice,
        None,
        status="paid",
        amount_paid=0 if outside else invoice["amount_due"],
        amount_remaining=0,
        attempted=True,
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions={**invoice["status_transitions"], "paid_at": now},
    )
    for payment in world.store.all("invoice_payment"):
        if payment["invoice"] == invoice["id"] and payment["status"] == "open" and not outside:
            world.change(
                payment,
                None,
                amount_paid=invoice["amount_due"],
                status="paid",
                status_transitions={"canceled_at": None, "paid_at": now},
            )
            world.emit("invoice_payment.paid", payment)
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    customer = world.get("customer", invoice["customer"])
    if customer["delinquent"]:
        world.change(customer, "customer.updated", delinquent=False)
    _keep_method(world, invoice)
    _revive(world, invoice)


def _keep_method(world: World, invoice: Object) -> None:
    """The card that paid first is the subscription's from then on, where it asks for that."""
    subscription = subscription_of(world, invoice)
    intent = world.store.find("payment_intent", world.store.known(invoice).get("payment_intent"))
    if subscription is None or intent is None or intent["payment_method"] is None:
        return
    if subscription["payment_settings"]["save_default_payment_method"] == "on_subscription":
        world.change(subscription, None, default_payment_method=intent["payment_method"])


def _revive(world: World, invoice: Object) -> None:
    subscription = subscription_of(world, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        trial = subscription["trial_end"] or 0
        status = "trialing" if trial > world.now_for(invoice["customer"]) else "active"
        announced = world.store.known(subscription).get("announced")
        world.change(subscription, "customer.subscription.updated" if announced else None, status=status)


def void(world: World, invoice: Object) -> Object:
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(
            f"You can only pass in open or uncollectible invoices. This invoice is {invoice['status']}.",
            code="invoice_not_editable",
        )
    _cancel_payment(world, invoice)
    transitions = {**invoice["status_transitions"], "voided_at": world.now_for(invoice["customer"])}
    return world.change(
        invoice,
        "invoice.voided",
        status="void",
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions=transitions,
    )


def mark_uncollectible(world: World, invoice: Object) -> Object:
    if invoice["status"] != "open":
        raise StripeError(
            f"You can only mark open invoices as uncollectible. This invoice is {invoice['status']}.",
            code="invoice_not_editable",
        )
    transitions = {**invoice["status_transitions"], "marked_uncollectible_at": world.now_for(invoice["customer"])}
    return world.change(
        invoice,
        "invoice.marked_uncollectible",
        status="uncollectible",
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions=transitions,
    )


def _cancel_payment(world: World, invoice: Object) -> None:
    intent = world.store.find("payment_intent", world.store.known(invoice).get("payment_intent"))
    if intent is not None and intent["status"] not in ("succeeded", "canceled"):
        now = world.now_for(invoice["customer"])
        world.change(
            intent,
            "payment_intent.canceled",
            status="canceled",
            canceled_at=now,
            cancellation_reason="void_invoice",
            next_action=None,
        )
        for payment in world.store.all("invoice_payment"):
            if payment["payment"]["payment_intent"] == intent["id"]:
                world.change(payment, None, status="canceled", status_transitions={"canceled_at": now, "paid_at": None})
