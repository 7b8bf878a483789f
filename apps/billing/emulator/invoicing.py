"""Invoices: begun as a draft, made final, given up."""

from typing import Any

from apps.billing.emulator import identifiers, invoice_lines, invoice_payments
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

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
    invoice_lines.set_lines(invoice, lines, customer["balance"])
    return world.add("invoice", invoice, "invoice.created", **hidden)


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
    invoice_lines.set_lines(invoice, invoice["lines"]["data"], balance)
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
        invoice_payments.mark_paid(world, invoice)
        return invoice
    if invoice["collection_method"] == "send_invoice":
        world.emit("invoice.sent", invoice)
    invoice_payments.ensure_payment(world, invoice)
    return invoice


def settle_with(world: World, invoice: Object, intent: str | None) -> None:
    """Make the draft final, and paid by what was paid already (None: there was nothing to pay)."""
    world.store.remember(invoice, payment_intent=intent)
    finalize(world, invoice, applies_balance=False)
    if intent is not None:
        invoice_payments.link_payment(world, invoice, intent)
    invoice_payments.mark_paid(world, invoice)


def void(world: World, invoice: Object) -> Object:
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(
            f"You can only pass in open or uncollectible invoices. This invoice is {invoice['status']}.",
            code="invoice_not_editable",
        )
    invoice_payments.cancel_payment(world, invoice)
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
