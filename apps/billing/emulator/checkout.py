"""What happens in a Checkout session once a person has typed a card."""

from dataclasses import dataclass

from apps.billing.emulator import (
    cards,
    customers,
    invoice_lines,
    invoice_payments,
    invoicing,
    payments,
    setups,
    subscribing,
)
from apps.billing.emulator.cards import CardDetails
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


@dataclass(frozen=True)
class Outcome:
    """`intent` where the holder has to answer a question first; `error` in words for the person."""

    intent: Object | None = None
    error: str | None = None


def needs_card(session: Object) -> bool:
    """`if_required` and nothing to pay today: a trial begins without one."""
    return bool(session["payment_method_collection"] != "if_required" or session["amount_total"] != 0)


def begin_without_card(world: World, session: Object, *, email: str | None = None) -> None:
    """Raises StripeError when the session is no longer open, or needs a card."""
    _check_open(session)
    if needs_card(session):
        raise StripeError("This Checkout session needs a card.", code="payment_method_required")
    world.store.remember(session, details={"email": email or _known_email(world, session), "name": None})
    _ensure_customer(world, session)
    finish(world, session, None)


def _check_open(session: Object) -> None:
    if session["status"] != "open":
        raise StripeError(f"This Checkout session is {session['status']}.", code="checkout_session_not_open")


def pay(world: World, session: Object, details: CardDetails, *, email: str | None = None) -> Outcome:
    """Raises StripeError when the session is no longer open."""
    _check_open(session)
    email = email or _known_email(world, session)
    method = cards.save(world, details, billing={"email": email})
    world.store.remember(session, details={"email": email, "name": details.name})
    _ensure_customer(world, session)
    if session["mode"] == "setup" or (session["mode"] == "subscription" and not session["amount_total"]):
        return _save_card(world, session, method)
    if session["mode"] == "subscription":
        return _subscribe(world, session, method)
    return _charge_once(world, session, method)


def _known_email(world: World, session: Object) -> str | None:
    customer = world.store.find("customer", session["customer"])
    email: str | None = session["customer_email"] if customer is None else customer["email"]
    return email


def _ensure_customer(world: World, session: Object) -> None:
    creation = session["invoice_creation"] or {}
    wanted = session["mode"] == "subscription" or session["customer_creation"] == "always" or creation.get("enabled")
    if session["customer"] is None and wanted:
        typed = world.store.known(session)["details"]
        customer = customers.new(world, {name: value for name, value in typed.items() if value})
        world.change(session, None, customer=customer["id"])


def _save_card(world: World, session: Object, method: Object) -> Outcome:
    intent = world.store.find("setup_intent", session["setup_intent"]) or setups.new_intent(
        world, customer=session["customer"], session=session["id"], return_url=session["success_url"]
    )
    error = setups.attempt(world, intent, method)
    if error is not None:
        return Outcome(error=str(error))
    if intent["status"] == "requires_action":
        return Outcome(intent)
    finish(world, session, method)
    return Outcome()


def _subscribe(world: World, session: Object, method: Object) -> Outcome:
    """With a first invoice that is paid on the page."""
    declined = cards.behind(world, method).charging or cards.behind(world, method).saving
    if declined is not None:
        return Outcome(error=str(cards.decline(declined)))
    known = world.store.known(session)
    subscription = world.store.find("subscription", known.get("subscription"))
    if subscription is None or subscription["status"] != "incomplete":
        subscription = begin(world, session, None)
        world.store.remember(session, subscription=subscription["id"])
    invoice = world.get("invoice", subscription["latest_invoice"])
    intent = world.get("payment_intent", world.store.known(invoice)["payment_intent"])
    world.store.remember(intent, session=session["id"], return_url=session["success_url"])
    error = invoice_payments.collect(world, invoice, method, off_session=False)
    if error is not None:
        return Outcome(error=str(error))
    if intent["status"] == "requires_action":
        return Outcome(intent)
    finish(world, session, method)
    return Outcome()


def begin(world: World, session: Object, method: Object | None) -> Object:
    """The subscription; its card is kept with it."""
    known = world.store.known(session)
    items = [
        {"price": item["price"]["id"], **({} if item["quantity"] is None else {"quantity": item["quantity"]})}
        for item in known["line_items"]
    ]
    once = [item for item, line in zip(items, known["line_items"], strict=True) if line["price"]["recurring"] is None]
    fields = {
        **{name: value for name, value in known["subscription_data"].items() if value is not None},
        "customer": session["customer"],
        "items": [item for item in items if item not in once],
        "add_invoice_items": once,
        "payment_behavior": "default_incomplete",
        "payment_settings": {"save_default_payment_method": "on_subscription"},
    }
    if method is not None:
        fields["default_payment_method"] = method["id"]
    return subscribing.create(world, fields)


def finish(world: World, session: Object, method: Object | None) -> None:
    """Paid, or the card is saved: what was bought begins."""
    if session["mode"] == "subscription":
        known = world.store.known(session)
        if known.get("subscription") is None:
            world.store.remember(session, subscription=begin(world, session, method)["id"])
        subscription = world.get("subscription", world.store.known(session)["subscription"])
        world.change(session, None, subscription=subscription["id"], invoice=subscription["latest_invoice"])
    elif session["mode"] == "payment" and session["invoice_creation"]["enabled"]:
        _invoice_after(world, session)
    complete(world, session)


def _invoice_after(world: World, session: Object) -> None:
    """Of what was paid on the page: final and paid from the beginning."""
    known = world.store.known(session)
    lines = [
        invoice_lines.line(
            amount=item["amount_total"],
            currency=item["currency"],
            description=item["description"],
            period=(session["created"], session["created"]),
            quantity=item["quantity"],
            price=item["price"],
            parent=None,
        )
        for item in known["line_items"]
    ]
    invoice = invoicing.draft(
        world,
        customer=world.get("customer", session["customer"]),
        currency=session["currency"],
        lines=lines,
        reason="manual",
        fields={"auto_advance": False, **known["invoice_data"]},
    )
    invoicing.settle_with(world, invoice, session["payment_intent"])
    world.change(session, None, invoice=invoice["id"])


def _charge_once(world: World, session: Object, method: Object) -> Outcome:
    if session["amount_total"] == 0:
        finish(world, session, method)
        return Outcome()
    intent = world.store.find("payment_intent", session["payment_intent"])
    if intent is None:
        given = world.store.known(session)["payment_intent_data"]
        intent = payments.new_intent(
            world,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            fields=given,
            session=session["id"],
            return_url=session["success_url"],
        )
        world.change(session, None, payment_intent=intent["id"])
    error = payments.attempt(world, intent, method)
    if error is not None:
        return Outcome(error=str(error))
    if intent["status"] == "requires_action":
        return Outcome(intent)
    finish(world, session, method)
    return Outcome()


def complete(world: World, session: Object) -> None:
    details = world.store.known(session).get("details", {})
    customer = world.store.find("customer", session["customer"])
    paid = session["mode"] != "setup" and session["amount_total"]
    world.change(
        session,
        "checkout.session.completed",
        status="complete",
        payment_status="paid" if paid else "no_payment_required",
        url=None,
        customer_details={
            "address": {
                "city": None,
                "country": "US",
                "line1": None,
                "line2": None,
                "postal_code": None,
                "state": None,
            },
            "business_name": None,
            "email": details.get("email"),
            "individual_name": None,
            "name": details.get("name"),
            "phone": None,
            "tax_exempt": "none" if customer is None else customer["tax_exempt"],
            "tax_ids": [],
        },
    )


def expire(world: World, session: Object) -> None:
    world.change(session, "checkout.session.expired", status="expired", url=None)
