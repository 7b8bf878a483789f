"""Gives prepaid credit back to the card that it was paid with, by staff's hand."""

from apps.billing.models import LedgerAccount, LedgerKind, TopUp, TopUpState
from apps.billing.processor import cents, client, translated
from apps.billing.services.top_ups import note_refund
from apps.common.errors import Invalid, NotFound
from apps.common.money import format_usd


def refund_to_card(*, account_id: int, top_up_id: int, amount: int, key: str, reason: str) -> str:
    """The id of Stripe's refund, which is booked as Stripe says of it; under the same key once.

    Raises NotFound, Invalid where less than that is left of the prepaid credit, or Unavailable.
    """
    paid = TopUp.objects.filter(pk=top_up_id, account_id=account_id, state=TopUpState.PAID).first()
    if paid is None or not paid.payment_intent_id:
        raise NotFound("There is no such payment by card.")
    whole = cents(amount)
    left = LedgerAccount.objects.filter(account_id=account_id, kind=LedgerKind.PREPAID).first()
    if not 0 < amount <= (left.balance if left else 0):
        raise Invalid("amount", f"Only {format_usd(left.balance if left else 0)} of prepaid credit is left.")
    with translated():
        refund = client().v1.refunds.create(
            {
                "payment_intent": paid.payment_intent_id,
                "amount": whole,
                "metadata": {"artemis_reason": reason[:500]},
            },
            {"idempotency_key": f"artemis-refund-{key}"},
        )
    note_refund(refund)
    return str(refund.id)
