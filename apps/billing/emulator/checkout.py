"""What happens in a Checkout session once a person has typed a card."""

from dataclasses import dataclass

from apps.billing.emulator import cards, payments, setups
from apps.billing.emulator.cards import CardDetails
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.resources import customers
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


@dataclass(frozen=True)
class Outcome:
    """`intent` where the holder has to answer a question first; `error` in words for the person."""

    intent: Object | None = None
    error: str | None = None


def pay(world: World, session: Object, details: CardDetails, *, email: str | None = None) -> Outcome:
    """Raises StripeError when the session is no longer open."""
    if session["status"] != "open":
        raise StripeError(f"This Checkout session is {session['status']}.", code="checkout_session_not_open")
    email = email or _known_email(world, session)
    method = cards.save(world, details, billing={"email": email})
    world.store.known(session)["details"] = {"email": email, "name": details.name}
    _ensure_customer(world, session)
    if session["mode"] == "setup":
        return _save_card(world, session, method)
    return _charge_once(world, session, method)


def _known_email(world: World, session: Object) -> str | None:
    customer = world.store.find("customer", session["customer"])
    email: str | None = session["customer_email"] if customer is None else customer["email"]
    return email


def _ensure_customer(world: World, session: Object) -> None:
    wanted = session["mode"] == "subscription" or session["customer_creation"] == "always"
    if session["customer"] is None and wanted:
        typed = world.store.known(session)["details"]
        customer = customers.create(world, {name: value for name, value in typed.items() if value})
        world.change(session, None, customer=customer["id"])


def _save_card(world: World, session: Object, method: Object) -> Outcome:
    intent = world.get("setup_intent", session["setup_intent"])
    error = setups.attempt(world, intent, method)
    if error is not None:
        return Outcome(error=str(error))
    if intent["status"] == "requires_action":
        return Outcome(intent)
    complete(world, session)
    return Outcome()


def _charge_once(world: World, session: Object, method: Object) -> Outcome:
    if session["amount_total"] == 0:
        complete(world, session)
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
    complete(world, session)
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
