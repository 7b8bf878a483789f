"""What the ledger put on invoices against what Stripe's meter has: since ever, for Stripe's sums know no batches."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from apps.billing.contracts import Explained, Finding
from apps.billing.models import BatchState, MeterBatch, StripeCustomer
from apps.billing.processor import is_configured, nano
from apps.billing.services.overage import counted_by_stripe
from apps.billing.services.reconciliation.comparing import Found, Scope, SkippedError, rows_of

NOT_ITS_BATCH = """
    SELECT t.business_key, coalesce(sum(e.amount) FILTER (WHERE a.kind = 'metered'), 0)
      + coalesce(max(b.cents), max(l.cents), 0) * 10000000
    FROM billing_ledgertransaction t
    JOIN billing_ledgerentry e ON e.transaction_id = t.id
    JOIN billing_ledgeraccount a ON a.id = e.ledger_account_id
    LEFT JOIN billing_meterbatch b ON b.transaction_id = t.id
    LEFT JOIN billing_lateinvoice l ON l.transaction_id = t.id
    WHERE t.kind = 'metering' AND t.business_key NOT LIKE 'metering:ended-%%'
    GROUP BY t.id HAVING coalesce(sum(e.amount) FILTER (WHERE a.kind = 'metered'), 0)
      <> -coalesce(max(b.cents), max(l.cents), 0) * 10000000
    ORDER BY t.id"""


def ledger_and_meter(scope: Scope) -> Found:
    if not is_configured():
        raise SkippedError("No Stripe is configured: there is nothing to compare with")
    found = Found()
    found.findings += [
        Finding(what="metering_not_its_batch", where=where, difference=int(difference))
        for where, difference in rows_of(NOT_ITS_BATCH)
    ]
    for account_id, slug, sent, young in _sums(scope):
        found.compared += 1
        difference = nano(counted_by_stripe(account_id=account_id) - sent)
        if not difference:
            continue
        if 0 < -difference <= nano(young) or _is_asked_again(account_id):
            why = "in flight: it was told a few minutes ago, or is told again, and Stripe counts some time later"
            found.explained.append(Explained(what="meter_counts_later", where=slug, difference=difference, why=why))
        else:
            what = "meter_has_more" if difference > 0 else "meter_has_less"
            found.findings.append(Finding(what=what, where=slug, difference=difference))
    found.findings += [
        Finding(what="meter_refused", where=f"{slug} {reference}", difference=-nano(cents))
        for slug, reference, cents in _of_this_mode()
        .filter(state=BatchState.REFUSED)
        .values_list("account__slug", "reference", "cents")
    ]
    return found


def _sums(scope: Scope) -> Iterator[tuple[int, str, int, int]]:
    """By account: what Stripe took (cents), and how much of it a short while ago."""
    sent = Q(state=BatchState.SENT)
    young = sent & Q(sent_at__gt=timezone.now() - scope.in_flight)
    rows = _of_this_mode().order_by().values_list("account_id", "account__slug")
    yield from rows.annotate(total=Sum("cents", filter=sent, default=0), late=Sum("cents", filter=young, default=0))


def _is_asked_again(account_id: int) -> bool:
    return _of_this_mode().filter(account_id=account_id, state=BatchState.WAITING, tries__gt=0).exists()


def _of_this_mode() -> QuerySet[MeterBatch]:
    """Without those of customers who were deleted at Stripe: nobody is told their sums any more."""
    told = MeterBatch.objects.filter(livemode=settings.STRIPE_LIVE_MODE)
    return told.exclude(customer_id__in=StripeCustomer.ids_of_deleted())
