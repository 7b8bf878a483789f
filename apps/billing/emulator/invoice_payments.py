"""How an invoice is paid, and what a payment or a refusal means for the subscription.

A refused renewal is tried again by the settings' schedule; after the last try the subscription ends as they say.
"""

from apps.billing.emulator import payments
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400


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


def ensure_payment(world: World, invoice: Object) -> Object:
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
    link_payment(world, invoice, intent["id"])
    return intent


def link_payment(world: World, invoice: Object, intent: str) -> None:
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


def collect(
    world: World,
    invoice: Object,
    method: Object | None = None,
    *,
    off_session: bool = True,
    by_schedule: bool = False,
) -> StripeError | None:
    """One attempt; a refusal is returned. Without any card it is one, too.

    After the first one only those `by_schedule` are counted: who tries by hand uses up none of the retries.
    """
    if invoice["status"] not in ("open", "uncollectible"):
        return None
    intent = ensure_payment(world, invoice)
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
    counts = by_schedule or not invoice["attempt_count"]
    counted = {"attempt_count": invoice["attempt_count"] + int(counts), "attempted": True}
    if error is None and intent["status"] == "succeeded":
        world.change(invoice, None, **counted)
        mark_paid(world, invoice)
        return None
    if counts:
        _failed(world, invoice, counted, asks_holder=error is None)
    else:
        world.emit("invoice.payment_action_required" if error is None else "invoice.payment_failed", invoice)
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


def cancel_payment(world: World, invoice: Object) -> None:
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
