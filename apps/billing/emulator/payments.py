"""Payment intents: an attempt at a card, and what comes of it: a charge, a refusal, or a question to the holder."""

from typing import Any

from apps.billing.emulator import balance, cards, disputes, identifiers
from apps.billing.emulator.errors import StripeError, card_error
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

FEE_FIXED = 30
FEE_PER_MILLE = 29


def new_intent(
    world: World, *, amount: int, currency: str, customer: str | None, fields: Object | None = None, **hidden: Any
) -> Object:
    identifier = identifiers.new("payment_intent")
    given = fields or {}
    intent = {
        "id": identifier,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": identifiers.client_secret(identifier),
        "confirmation_method": "automatic",
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        **given,
    }
    if intent["payment_method"] is not None:
        intent["status"] = "requires_confirmation"
    return world.add("payment_intent", intent, "payment_intent.created", **hidden)


def attempt(
    world: World, intent: Object, method: Object, *, off_session: bool = False, asks_holder: bool = True
) -> StripeError | None:
    """Charge the card. A refusal is returned, not raised; the intent then shows it as its last error.

    Where the holder must be asked, the intent waits in `requires_action`, or is refused where nobody can be asked.
    """
    declined = cards.behind(world, method).charging
    if declined is not None:
        return refuse(world, intent, method, cards.decline(declined))
    if cards.needs_authentication(world, method, off_session=off_session):
        if not asks_holder:
            return refuse(world, intent, method, cards.decline("authentication_required"))
        world.change(
            intent,
            "payment_intent.requires_action",
            status="requires_action",
            payment_method=method["id"],
            next_action=_question(world, intent),
            last_payment_error=None,
        )
        return None
    succeed(world, intent, method)
    return None


def _question(world: World, intent: Object) -> Object:
    url = f"{world.settings.base_url}/authenticate/{intent['id']}"
    return_url = world.store.known(intent).get("return_url")
    if return_url is not None:
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}


def succeed(world: World, intent: Object, method: Object) -> Object:
    """The charge."""
    if intent["setup_future_usage"] and intent["customer"] and method["customer"] is None:
        cards.attach(world, method, intent["customer"])
    if intent["setup_future_usage"]:
        world.store.remember(method, set_up=True)
    charge = _charge(world, intent, method, error=None)
    world.change(
        intent,
        "payment_intent.succeeded",
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        payment_method=method["id"],
        next_action=None,
        last_payment_error=None,
    )
    if cards.behind(world, method).disputed:
        disputes.begin(world, charge)
    return charge


def refuse(world: World, intent: Object, method: Object, error: StripeError) -> StripeError:
    """The error as the API answers it: with the intent, and the charge that failed."""
    charge = _charge(world, intent, method, error=error)
    shown = {**error.fields, "charge": charge["id"], "payment_method": dict(method)}
    world.change(
        intent,
        "payment_intent.payment_failed",
        status="requires_payment_method",
        latest_charge=charge["id"],
        payment_method=None,
        next_action=None,
        last_payment_error=shown,
    )
    error.fields |= {**shown, "payment_intent": dict(intent)}
    return error


def fail_authentication(world: World, intent: Object, method: Object) -> StripeError:
    error = card_error(
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        code="payment_intent_authentication_failure",
    )
    shown = {**error.fields, "type": "invalid_request_error", "payment_method": dict(method)}
    world.change(
        intent,
        "payment_intent.payment_failed",
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=shown,
    )
    error.fields |= {"payment_intent": dict(intent)}
    return error


def _charge(world: World, intent: Object, method: Object, *, error: StripeError | None) -> Object:
    good = error is None
    identifier = identifiers.new("charge")
    entry = None
    if good:
        amount = intent["amount"]
        entry = balance.book(world, intent, source=identifier, amount=amount, kind="charge", fee=_fee(amount))
    declined = None if error is None else error.fields.get("decline_code", error.fields["code"])
    charge = {
        "id": identifier,
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if good else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None if entry is None else entry["id"],
        "billing_details": dict(method["billing_details"]),
        "calculated_statement_descriptor": "ARTEMIS STAND-IN",
        "captured": good,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "destination": None,
        "dispute": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None if error is None else error.fields["code"],
        "failure_message": None if error is None else error.fields["message"],
        "fraud_details": {},
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "order": None,
        "outcome": {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network" if good else "declined_by_network",
            "reason": declined,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete." if good else "The bank did not approve the payment.",
            "type": "authorized" if good else "issuer_declined",
        },
        "paid": good,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _details(method, intent["amount"]), "type": "card"},
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{world.settings.base_url}/receipts/{identifier}" if good else None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if good else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }
    return world.add("charge", charge, "charge.succeeded" if good else "charge.failed")


def _details(method: Object, amount: int) -> Object:
    card = method["card"]
    same = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    return {
        **{name: card[name] for name in same},
        "amount_authorized": amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
    }


def _fee(amount: int) -> int:
    return FEE_FIXED + amount * FEE_PER_MILLE // 1000


def refund(world: World, charge: Object, *, amount: int | None, reason: str | None, metadata: Object) -> Object:
    """All that is left where no amount is given; raises StripeError for more than that."""
    if charge["status"] != "succeeded":
        raise StripeError(f"Charge {charge['id']} did not succeed, so it cannot be refunded.", param="charge")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", param="charge"
        )
    if amount is not None and amount > left:
        word = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        raise StripeError(
            f"Refund amount (${amount / 100:.2f}) is greater than {word} (${left / 100:.2f})", param="amount"
        )
    intent = world.get("payment_intent", charge["payment_intent"])
    identifier = identifiers.new("refund")
    taken = left if amount is None else amount
    made = world.add(
        "refund",
        {
            "id": identifier,
            "created": world.now_for(charge["customer"]),
            "amount": taken,
            "balance_transaction": balance.book(world, intent, source=identifier, amount=-taken, kind="refund")["id"],
            "charge": charge["id"],
            "currency": charge["currency"],
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": metadata,
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        },
        "refund.created",
    )
    refunded = charge["amount_refunded"] + taken
    world.change(charge, "charge.refunded", amount_refunded=refunded, refunded=refunded == charge["amount"])
    return made
