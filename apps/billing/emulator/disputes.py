"""Disputes: a cardholder's bank takes a payment back, and gives it again where the evidence wins."""

from apps.billing.emulator import balance, identifiers
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

FEE = 1500
RESPONSE_SECONDS = 21 * 86_400
OPEN = ("needs_response", "under_review")
EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)
VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}
"""What is written as `uncategorized_text` decides, as with Stripe's test keys."""


def begin(world: World, charge: Object, *, reason: str = "fraudulent") -> Object:
    """Raises StripeError for a charge that did not succeed, or is disputed already."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise StripeError(f"Charge {charge['id']} cannot be disputed.", param="charge")
    now = world.now_for(charge["customer"])
    identifier = identifiers.new("dispute")
    taken = balance.book(
        world, charge, source=identifier, amount=-charge["amount"], kind="adjustment", category="dispute", fee=FEE
    )
    dispute = world.add(
        "dispute",
        {
            "id": identifier,
            "created": now,
            "amount": charge["amount"],
            "balance_transactions": [dict(taken)],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": now + RESPONSE_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "metadata": {},
            "network_reason_code": "10.4",
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": charge["payment_method_details"]["card"]["brand"],
                    "case_type": "chargeback",
                    "network": charge["payment_method_details"]["card"]["network"],
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": reason,
            "status": "needs_response",
        },
    )
    world.change(charge, "charge.updated", disputed=True)
    world.emit("charge.dispute.created", dispute)
    world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def answer(world: World, dispute: Object, evidence: Object, *, submits: bool) -> None:
    """Evidence, which is submitted once; its words may decide at once."""
    if dispute["status"] not in OPEN:
        raise StripeError("This dispute is already closed.", code="charge_disputed")
    details = dispute["evidence_details"]
    changes: Object = {"evidence": {**dispute["evidence"], **evidence}}
    changes["evidence_details"] = {
        **details,
        "has_evidence": True,
        "submission_count": details["submission_count"] + (1 if submits else 0),
    }
    if submits:
        changes["status"] = "under_review"
    world.change(dispute, "charge.dispute.updated", **changes)
    verdict = VERDICTS.get(evidence.get("uncategorized_text") or "")
    if submits and verdict is not None:
        close(world, dispute, won=verdict == "won")


def close(world: World, dispute: Object, *, won: bool) -> None:
    if dispute["status"] not in OPEN:
        raise StripeError("This dispute is already closed.", code="charge_disputed")
    changes: Object = {"status": "won" if won else "lost"}
    if won:
        charge = world.get("charge", dispute["charge"])
        back = balance.book(
            world,
            charge,
            source=dispute["id"],
            amount=dispute["amount"],
            kind="adjustment",
            category="dispute_reversal",
            fee=-FEE,
        )
        changes["balance_transactions"] = [*dispute["balance_transactions"], dict(back)]
    world.change(dispute, "charge.dispute.closed", **changes)
    if won:
        world.emit("charge.dispute.funds_reinstated", dispute)
