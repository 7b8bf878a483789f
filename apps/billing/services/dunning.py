"""What follows from an invoice that is not paid, step by step; its payment undoes all of it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts.selectors import account_name, tier_of_account
from apps.accounts.services import resume_account, set_account_limits, suspend_account, write_letter
from apps.billing.ledger import Book
from apps.billing.models import Dunning, DunningStep, Subscription
from apps.billing.services.credit import set_credit_limit
from apps.billing.services.plans import apply_plan

SUSPENDED = "An invoice of this account is not paid. Pay it on the page Billing, and its keys work again at once."
SUBJECTS = {
    DunningStep.TOLD: "A payment did not come through",
    DunningStep.REMINDED: "An invoice is still to be paid",
    DunningStep.LIMITED: "The plan's limits are taken back until an invoice is paid",
    DunningStep.SUSPENDED: "Calls are refused until an invoice is paid",
}
UNDONE = "Thank you: the invoice is paid"


def begin_dunning(*, account_id: int, invoice_id: str) -> None:
    """A payment was refused. To be called with the account's book open."""
    dunning, is_new = Dunning.objects.get_or_create(
        account_id=account_id, defaults={"invoice_id": invoice_id, "since": timezone.now()}
    )
    if is_new:
        _go_to(dunning, DunningStep.TOLD)
    elif dunning.invoice_id != invoice_id:
        Dunning.objects.filter(pk=account_id).update(invoice_id=invoice_id)


@transaction.atomic
def end_dunning(*, account_id: int, invoice_id: str | None = None) -> None:
    """The invoice is paid or cancelled; without one, whichever it was. What was taken away is given again."""
    Book.of(account_id)
    dunning = Dunning.objects.filter(pk=account_id).first()
    if dunning is None or invoice_id not in (None, dunning.invoice_id):
        return
    if dunning.step >= DunningStep.SUSPENDED:
        resume_account(account_id=account_id, suspended_for=SUSPENDED)
    subscription = Subscription.objects.filter(pk=account_id).first()
    if dunning.step >= DunningStep.LIMITED:
        if subscription is not None and subscription.is_running:
            set_account_limits(account_id=account_id, values={"tier_id": dunning.tier_before_id})
            set_credit_limit(account_id=account_id, limit=dunning.credit_limit_before)
        else:
            apply_plan(account_id=account_id, plan=None)
    dunning.delete()
    _write(account_id, None)


def dun(*, now: datetime | None = None) -> int:
    """Takes each unpaid invoice to the step that its age brings; how many it took further."""
    now = now or timezone.now()
    taken = 0
    for account_id in Dunning.objects.values_list("pk", flat=True):
        with transaction.atomic():
            Book.of(account_id)  # a payment may come in between
            dunning = Dunning.objects.filter(pk=account_id).first()
            due = _due(now - dunning.since) if dunning is not None else DunningStep.TOLD
            if dunning is not None and dunning.step < due:
                for step in range(dunning.step + 1, due + 1):
                    _go_to(dunning, DunningStep(step))
                taken += 1
    return taken


def _due(age: timedelta) -> DunningStep:
    days: list[int] = settings.BILLING_DUNNING_DAYS
    return DunningStep(DunningStep.TOLD + sum(age >= timedelta(days=after) for after in days))


def _go_to(dunning: Dunning, step: DunningStep) -> None:
    account_id = dunning.account_id
    if step == DunningStep.LIMITED:
        dunning.tier_before_id = tier_of_account(account_id=account_id)
        dunning.credit_limit_before = Book.of(account_id).customer.credit_limit
        apply_plan(account_id=account_id, plan=None)
        set_credit_limit(account_id=account_id, limit=0)  # who does not pay owes no more
    elif step == DunningStep.SUSPENDED:
        suspend_account(account_id=account_id, reason=SUSPENDED, once=True)
    dunning.step = step
    dunning.save()
    _write(account_id, step)


def _write(account_id: int, step: DunningStep | None) -> None:
    name, slug = account_name(account_id=account_id)
    days: list[int] = settings.BILLING_DUNNING_DAYS
    context = {
        "step": step.name.lower() if step else "undone",
        "account": name,
        "page": settings.PUBLIC_URL + reverse("portal:billing", args=[slug]),
        "limited_after": days[1],
        "suspended_after": days[2],
    }
    write_letter(
        account_id=account_id,
        subject=f"{SUBJECTS[step] if step else UNDONE} ({name})",
        text=render_to_string("billing/email/dunning.txt", context),
    )
