"""The ledger against Stripe: what each payment, invoice, refund and dispute moved there, and what the ledger has of it.

The business keys of the ledger name the object at Stripe that they are about; what was taken back and given again
stands under the same one. Compared is what came in, net, by object.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.billing.contracts import Explained, Finding
from apps.billing.models import EventState, StripeCustomer, StripeEvent
from apps.billing.processor import client, if_there, is_configured, nano, translated
from apps.billing.services.reconciliation.comparing import Found, Scope, SkippedError, rows_of

PAID_LATER = timedelta(days=35)  # an invoice or a payment may be older by so much than the money that it brings

LEDGER = """
    SELECT substring(t.business_key FROM ':stripe-([A-Za-z0-9_]+)') AS object,
      string_agg(DISTINCT o.slug, '+'),
      -coalesce(sum(e.amount) FILTER (WHERE a.kind = 'stripe_clearing'), 0)
    FROM billing_ledgertransaction t
    JOIN accounts_account o ON o.id = t.account_id
    JOIN billing_ledgerentry e ON e.transaction_id = t.id
    JOIN billing_ledgeraccount a ON a.id = e.ledger_account_id
    WHERE t.kind IN ('payment', 'refund', 'fee', 'fee_refund') AND t.business_key LIKE '%%:stripe-%%'
      AND (t.posted_at >= %s AND t.posted_at < %s
        OR substring(t.business_key FROM ':stripe-([A-Za-z0-9_]+)') = ANY(%s))
    GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Moved:
    """What an object at Stripe brought in (nano-dollars; negative: took out), and when it last changed that."""

    slug: str
    amount: int
    at: datetime


def ledger_and_stripe(scope: Scope) -> Found:
    if not is_configured():
        raise SkippedError("No Stripe is configured: there is nothing to compare with")
    with translated():
        told = _told(scope.begin)
        booked = {
            str(name): (str(slugs), int(received))
            for name, slugs, received in rows_of(LEDGER, [scope.begin, scope.end, list(told)])
        }
        for name in booked.keys() - told.keys():
            moved = if_there(partial(_asked, name))
            if moved is not None:
                told[name] = moved
    found = Found(compared=len(told.keys() | booked.keys()))
    for name in sorted(told.keys() | booked.keys()):
        _compare(found, name, told.get(name), booked.get(name), young=timezone.now() - scope.in_flight)
    return found


def _compare(found: Found, name: str, told: Moved | None, booked: tuple[str, int] | None, *, young: datetime) -> None:
    """`young`: what changed since then may be on its way."""
    slug, received = booked or (told.slug if told else "", 0)
    where = f"{slug} {name}"
    if told is None:
        found.findings.append(Finding(what="not_at_stripe", where=where, difference=received))
        return
    difference = received - told.amount
    if not difference:
        return
    what = "not_as_at_stripe" if booked else "stripe_not_in_ledger"
    if told.at > young or _is_on_its_way(name, young):
        why = "in flight: it changed at Stripe a few minutes ago, and its event comes or is being handled"
        found.explained.append(Explained(what=what, where=where, difference=difference, why=why))
    else:
        found.findings.append(Finding(what=what, where=where, difference=difference))


def _is_on_its_way(name: str, young: datetime) -> bool:
    """Whether a young event about it waits to be handled."""
    waiting = StripeEvent.objects.filter(state=EventState.WAITING, received_at__gt=young)
    return waiting.filter(body__contains=f'"{name}"').exists()


def _told(begin: datetime) -> dict[str, Moved]:
    """All that moved money of our customers at Stripe, by its id."""
    customers = dict(
        StripeCustomer.objects.filter(livemode=settings.STRIPE_LIVE_MODE).values_list("stripe_id", "account__slug")
    )
    since: Any = {"created": {"gte": max(0, int((begin - PAID_LATER).timestamp()))}, "limit": 100}
    with_charge: Any = {**since, "expand": ["data.latest_charge"]}
    with_payment: Any = {**since, "expand": ["data.payment_intent"]}
    paid: Any = {**since, "status": "paid"}
    v1 = client().v1
    of_invoices = {
        str(one.payment.payment_intent)
        for one in v1.invoice_payments.list(paid).auto_paging_iter()
        if one.payment.payment_intent
    }
    told: dict[str, Moved] = {}
    told.update(_payments(v1.payment_intents.list(with_charge), customers, of_invoices))
    told.update(_invoices(v1.invoices.list(paid), customers))
    told.update(_given_back(v1.refunds.list(with_payment), customers))
    told.update(_given_back(v1.disputes.list(with_payment), customers))
    return told


def _payments(listed: Any, customers: dict[str, str], of_invoices: set[str]) -> Iterator[tuple[str, Moved]]:
    """Those of invoices count as these."""
    for intent in listed.auto_paging_iter():
        slug = customers.get(str(intent.customer or ""))
        if slug is not None and intent.status == "succeeded" and intent.id not in of_invoices:
            yield intent.id, _payment(intent, slug)


def _payment(intent: Any, slug: str) -> Moved:
    charge = intent.latest_charge
    paid_at = charge.created if charge and not isinstance(charge, str) else intent.created
    return Moved(slug, nano(intent.amount_received), _moment(paid_at))


def _invoices(listed: Any, customers: dict[str, str]) -> Iterator[tuple[str, Moved]]:
    for invoice in listed.auto_paging_iter():
        slug = customers.get(str(invoice.customer or ""))
        if slug is not None and invoice.amount_paid:
            yield invoice.id, _invoice(invoice, slug)


def _invoice(invoice: Any, slug: str) -> Moved:
    paid_at = (invoice.status_transitions or {}).get("paid_at") or invoice.created
    return Moved(slug, nano(invoice.amount_paid) if invoice.status == "paid" else 0, _moment(paid_at))


def _given_back(listed: Any, customers: dict[str, str]) -> Iterator[tuple[str, Moved]]:
    for told in listed.auto_paging_iter():
        slug = customers.get(str(told.payment_intent.customer or "")) if told.payment_intent else None
        if slug is not None:
            yield told.id, _taken(told, slug)


def _taken(told: Any, slug: str) -> Moved:
    """A refund that succeeded, or a dispute that is not (or not yet) won."""
    if told.object == "refund":
        is_taken = told.status == "succeeded"
    else:
        is_taken = told.status != "won" and not told.status.startswith("warning_")
    return Moved(slug, -nano(told.amount) if is_taken else 0, _moment(told.created))


def _asked(name: str) -> Moved | None:
    """One object that the ledger names and that no list had: it is older."""
    v1 = client().v1
    if name.startswith("pi_"):
        intent = v1.payment_intents.retrieve(name)
        return _payment(intent, "") if intent.status == "succeeded" else None
    if name.startswith("in_"):
        return _invoice(v1.invoices.retrieve(name), "")
    if name.startswith("re_"):
        return _taken(v1.refunds.retrieve(name), "")
    if name.startswith(("dp_", "du_")):
        return _taken(v1.disputes.retrieve(name), "")
    return None


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
