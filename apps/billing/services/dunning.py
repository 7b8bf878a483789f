"""What follows from an invoice that is not paid, step by step; its payment undoes all of it."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.selectors import first_tier, tier_of_account
from apps.accounts.services import resume_account, set_account_limits, suspend_account
from apps.billing.ledger import Book
from apps.billing.models import Dunning, DunningStep, LateInvoice, Plan, StripeCustomer, Subscription
from apps.billing.processor import nano
from apps.billing.selectors import unpaid_invoice
from apps.billing.services.credit import set_credit_limit
from apps.billing.services.invoices import invoices_of
from apps.billing.services.letters import write_about_money
from apps.billing.services.plans import apply_plan
from apps.common.errors import ArtemisError
from apps.common.money import format_usd

RENEWALS = ("subscription_cycle", "subscription_update", "subscription_threshold", "subscription")
SUSPENDED = "An invoice of this account is not paid. Pay it on the page Billing, and its keys work again at once."
SUBJECTS = {
    DunningStep.TOLD: "A payment did not come through",
    DunningStep.REMINDED: "An invoice is still to be paid",
    DunningStep.LIMITED: "Nothing more may be owed until an invoice is paid",
    DunningStep.SUSPENDED: "Calls are refused until an invoice is paid",
}
UNDONE = "Nothing is left to be paid"
logger = logging.getLogger(__name__)


def look_at_debts(*, account_id: int) -> None:
    """Asks Stripe what the account has not paid: dunning begins with it, and ends without. Raises Unavailable."""
    debts = _unpaid_invoices(account_id)
    with transaction.atomic():
        Book.of(account_id)
        dunning = Dunning.objects.filter(pk=account_id).first()
        if not debts:
            if dunning is not None:
                _end(dunning)
        elif dunning is None:
            begun = Dunning(account_id=account_id, since=timezone.now(), **_facts(debts[0]))
            _go_to(begun, DunningStep.TOLD)
        else:
            same = next((one for one in debts if one.id == dunning.invoice_id), debts[0])
            Dunning.objects.filter(pk=account_id).update(**_facts(same))


def is_dunned(*, account_id: int) -> bool:
    return Dunning.objects.filter(pk=account_id).exists()


def dun(*, now: datetime | None = None) -> int:
    """Takes each account with an unpaid invoice to the step that its age brings; how many it took further.

    Stripe is asked before: what was paid meanwhile may not have been heard of.
    """
    now = now or timezone.now()
    taken = 0
    for dunning in Dunning.objects.all():
        if dunning.step < _due(now - dunning.since) or dunning.due is None:  # noted by an earlier release
            try:
                look_at_debts(account_id=dunning.account_id)
            except ArtemisError as error:
                logger.warning("no further step for account %d for now: %s", dunning.account_id, error)
            else:
                taken += _go_on(dunning.account_id, now)
    return taken


def bring_plan(*, account_id: int, plan: Plan | None) -> None:
    """What a plan brings, or its end takes; where limits are taken back for a debt, they stay so until it is paid."""
    if not Dunning.objects.filter(pk=account_id, step__gte=DunningStep.LIMITED).exists():
        apply_plan(account_id=account_id, plan=plan)


@transaction.atomic
def _go_on(account_id: int, now: datetime) -> bool:
    Book.of(account_id)
    dunning = Dunning.objects.filter(pk=account_id).first()
    if dunning is None or dunning.step >= (due := _due(now - dunning.since)):
        return False
    for step in range(dunning.step + 1, due + 1):
        _go_to(dunning, DunningStep(step))
    return True


def _facts(invoice: Any) -> dict[str, Any]:
    """What pages and letters say of it, whether or not its own event was heard of."""
    page = invoice.hosted_invoice_url or ""
    return {"invoice_id": invoice.id, "due": nano(invoice.amount_remaining), "page": page}


def _unpaid_invoices(account_id: int) -> list[Any]:
    """Those that Stripe has tried to collect, the oldest first. A subscription's first is no debt: it began nothing."""
    theirs = StripeCustomer.ids_of(account_id)
    found = [one for stripe_id in theirs for one in invoices_of(stripe_id, "open", "uncollectible")]
    late = set(LateInvoice.objects.filter(account_id=account_id).values_list("invoice_id", flat=True))
    debts = [one for one in found if one.attempt_count and (str(one.billing_reason) in RENEWALS or one.id in late)]
    return sorted(debts, key=lambda one: int(one.created))


def _due(age: timedelta) -> DunningStep:
    days: list[int] = settings.BILLING_DUNNING_DAYS
    return DunningStep(DunningStep.TOLD + sum(age >= timedelta(days=after) for after in days))


def _go_to(dunning: Dunning, step: DunningStep) -> None:
    account_id = dunning.account_id
    if step == DunningStep.LIMITED:
        dunning.plan_before = _running_plan(account_id)
        dunning.tier_before_id = tier_of_account(account_id=account_id)
        dunning.credit_limit_before = Book.of(account_id).customer.credit_limit
        set_account_limits(account_id=account_id, values={"tier_id": first_tier() or dunning.tier_before_id})
        set_credit_limit(account_id=account_id, limit=0)
    elif step == DunningStep.SUSPENDED:
        suspend_account(account_id=account_id, reason=SUSPENDED, once=True)
    dunning.step = step
    dunning.save()
    _write(account_id, step)


def _end(dunning: Dunning) -> None:
    """Of the plan that it had the account gets what staff made of that, too; of another one, what that brings."""
    account_id = dunning.account_id
    if dunning.step >= DunningStep.SUSPENDED:
        resume_account(account_id=account_id, suspended_for=SUSPENDED)
    if dunning.step >= DunningStep.LIMITED:
        plan = _running_plan(account_id)
        if plan is not None and plan == dunning.plan_before:
            set_account_limits(account_id=account_id, values={"tier_id": dunning.tier_before_id})
            set_credit_limit(account_id=account_id, limit=dunning.credit_limit_before)
        else:
            apply_plan(account_id=account_id, plan=plan)
    dunning.delete()
    _write(account_id, None)


def _running_plan(account_id: int) -> Plan | None:
    subscription = Subscription.objects.filter(pk=account_id).select_related("plan").first()
    return subscription.plan if subscription is not None and subscription.is_running else None


def _write(account_id: int, step: DunningStep | None) -> None:
    unpaid = unpaid_invoice(account_id=account_id)
    write_about_money(
        account_id=account_id,
        subject=SUBJECTS[step] if step else UNDONE,
        template="dunning",
        step=step.name.lower() if step else "undone",
        due=format_usd(unpaid.due) if unpaid and unpaid.due else "",
        unpaid=unpaid,
    )
