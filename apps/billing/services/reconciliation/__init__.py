"""Proves that what was used is what was billed and paid: events, their sums, the ledger and Stripe against each other.

A check is a function of days; one more is one more member of CHECKS.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

from django.utils import timezone

from apps.billing.contracts import CheckResult, Explained, Finding, Reconciled
from apps.billing.models import Reconciliation
from apps.billing.services.reconciliation.comparing import IN_FLIGHT, PATIENCE, Check, Found, Scope, SkippedError
from apps.billing.services.reconciliation.counted import counters_and_events
from apps.billing.services.reconciliation.engines import engines_and_events
from apps.billing.services.reconciliation.late import ledger_and_late_invoices
from apps.billing.services.reconciliation.meter import ledger_and_meter
from apps.billing.services.reconciliation.posted import charges_and_ledger, ledger_and_itself
from apps.billing.services.reconciliation.priced import events_and_prices
from apps.billing.services.reconciliation.recorded import events_and_sums, events_and_their_way
from apps.billing.services.reconciliation.stripe import ledger_and_stripe
from apps.billing.services.reconciliation.telling import tell_metrics
from apps.common.errors import ArtemisError, Invalid

logger = logging.getLogger(__name__)
DEFAULT_DAYS = 35
MOST_KEPT = 1000  # findings, and as many explained differences, of one run
RUNS_KEPT = timedelta(days=400)

CHECKS: Sequence[Check] = (
    Check("engines_and_events", "Engines' own counters ↔ events", engines_and_events),
    Check("events_on_their_way", "Settled requests ↔ recorded events", events_and_their_way),
    Check(
        "counters_and_events",
        "Gateways' counters of what is spent and held ↔ events and open requests",
        counters_and_events,
    ),
    Check("events_and_prices", "Events' costs ↔ their tokens at the price of their time", events_and_prices),
    Check("events_and_sums", "Events ↔ their sums by hour, by day and by charge", events_and_sums),
    Check("charges_and_ledger", "Charges ↔ what of them was posted ↔ the ledger's revenue", charges_and_ledger),
    Check("ledger_and_itself", "The ledger ↔ its own entries, balances and what accounts may use", ledger_and_itself),
    Check("ledger_and_stripe", "The ledger ↔ Stripe's payments, invoices, refunds and disputes", ledger_and_stripe),
    Check("ledger_and_meter", "Use put on invoices ↔ what Stripe's meter has", ledger_and_meter),
    Check("ledger_and_late_invoices", "What ended subscriptions left ↔ their last invoices", ledger_and_late_invoices),
)


def reconcile(
    *,
    first_day: date | None = None,
    last_day: date | None = None,
    ever: bool = False,
    in_flight: timedelta = IN_FLIGHT,
    patience: float = PATIENCE,
) -> Reconciled:
    """Compares the days from `first_day` to `last_day` (both included; the last 35 by default), or all there ever were.

    What was found is kept for the staff, and told to Prometheus. `in_flight` and `patience`: see Scope. Raises Invalid
    for days that are none.
    """
    began_at = timezone.now()
    first, last = _days(first_day, last_day, ever, today=began_at.date())
    scope = Scope(first, last, in_flight, patience)
    done = [_run(check, scope) for check in CHECKS]
    reconciled = Reconciled(
        first_day=scope.first,
        last_day=scope.last,
        checks=[result for result, _, _ in done],
        findings=[finding for _, findings, _ in done for finding in findings],
        explained=[one for _, _, explained in done for one in explained],
    )
    _keep(reconciled, began_at)
    tell_metrics(reconciled)
    if not reconciled.is_clean:
        logger.error("the books do not agree: %s", summary(reconciled))
    return reconciled


def summary(reconciled: Reconciled) -> str:
    """In one line."""
    failed = [check.name for check in reconciled.checks if check.state == "failed"]
    names = sorted({finding.what for finding in reconciled.findings})
    parts = [f"{len(reconciled.findings)} findings" + (f" ({', '.join(names)})" if names else "")]
    return ", ".join(parts + ([f"not compared: {', '.join(failed)}"] if failed else []))


def _days(first: date | None, last: date | None, ever: bool, *, today: date) -> tuple[date | None, date]:
    if ever:
        if first or last:
            raise Invalid("first_day", "Give days, or all of them, not both.")
        return None, today
    last = last or today
    first = first or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last or last > today:
        raise Invalid("first_day", "Give a first day, and a last one that is not before it, nor in the future.")
    return first, last


def _run(check: Check, scope: Scope) -> tuple[CheckResult, list[Finding], list[Explained]]:
    """One that fails holds up no other."""
    found, state = Found(), "done"
    try:
        found = check.find(scope)
    except SkippedError as reason:
        found.note, state = str(reason), "skipped"
    except Exception as error:
        logger.exception("the check %s could not be made", check.name)
        found.note = error.message if isinstance(error, ArtemisError) else f"{type(error).__name__}: see the log"
        state = "failed"
    result = CheckResult(
        name=check.name,
        title=check.title,
        state=state,
        compared=found.compared,
        findings=len(found.findings),
        explained=len(found.explained),
        note=found.note,
    )
    return result, found.findings, found.explained


def _keep(reconciled: Reconciled, began_at: datetime) -> None:
    Reconciliation.objects.create(
        began_at=began_at,
        first_day=reconciled.first_day,
        last_day=reconciled.last_day,
        is_clean=reconciled.is_clean,
        findings_number=len(reconciled.findings),
        checks=[asdict(check) for check in reconciled.checks],
        findings=[asdict(finding) for finding in reconciled.findings[:MOST_KEPT]],
        explained=[asdict(one) for one in reconciled.explained[:MOST_KEPT]],
    )
    Reconciliation.objects.filter(began_at__lt=timezone.now() - RUNS_KEPT).delete()
