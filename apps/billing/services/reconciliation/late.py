"""What ended subscriptions left, as the ledger asked for it, against those invoices of their own at Stripe.

That one was paid is compared with all other payments; here are those of which the ledger knows no end yet.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.billing.contracts import Finding
from apps.billing.models import LateInvoice, LateState
from apps.billing.processor import client, if_there, is_configured, nano
from apps.billing.services.reconciliation.comparing import Found, Scope, SkippedError

MADE_WITHIN = timedelta(days=1)


def ledger_and_late_invoices(scope: Scope) -> Found:
    if not is_configured():
        raise SkippedError("No Stripe is configured: there is nothing to compare with")
    found = Found()
    open_ones = LateInvoice.objects.filter(livemode=settings.STRIPE_LIVE_MODE).exclude(state=LateState.SETTLED)
    for late in open_ones.select_related("account").order_by("pk"):
        found.compared += 1
        what, billed = _compared(late, young=timezone.now() - scope.in_flight)
        if what:
            where = f"{late.account.slug} {late.invoice_id or late.reference}"
            found.findings.append(Finding(what=what, where=where, difference=nano(billed - late.cents)))
    return found


def _compared(late: LateInvoice, *, young: datetime) -> tuple[str, int]:
    """What is wrong with it, and how many cents Stripe asks for; nothing for what is as it should be."""
    if late.state == LateState.WAITING:
        is_late = late.created_at < timezone.now() - MADE_WITHIN
        return ("late_invoice_not_made" if is_late else "", 0)
    told: Any = if_there(lambda: client().v1.invoices.retrieve(late.invoice_id))
    if told is None:
        return "late_invoice_not_at_stripe", 0
    voided_at = (told.status_transitions or {}).get("voided_at")
    if told.status == "void" and datetime.fromtimestamp(voided_at or 0, UTC) < young:
        return "late_invoice_cancelled", 0
    return ("late_invoice_not_as_asked" if told.total != late.cents else "", told.total)
