"""Mails what was noted of budgets to those who answer for the account's money, to each of them alone."""

import logging
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts.selectors import account_name, addresses_of_account
from apps.alerts.models import BudgetAlert
from apps.common.money import format_usd

logger = logging.getLogger(__name__)
ROLES = ("owner", "admin", "billing")
LEASE = timedelta(minutes=5)  # a mail that could not be sent is due again after it
GIVE_UP_AFTER = timedelta(days=1)
MOST_AT_ONCE = 10


def mail_waiting() -> int:
    """Mails the alerts that are due; how many."""
    return sum(_mail(alert) for alert in _claimed())


def _claimed() -> list[BudgetAlert]:
    """Nobody else takes them before the lease is over; they are due again should this process die."""
    now = timezone.now()
    BudgetAlert.objects.filter(mail_due_at__lte=now, created_at__lt=now - GIVE_UP_AFTER).update(mail_due_at=None)
    with transaction.atomic():
        due = BudgetAlert.objects.filter(mail_due_at__lte=now).order_by("mail_due_at")
        rows = list(due.select_for_update(skip_locked=True)[:MOST_AT_ONCE])
        BudgetAlert.objects.filter(pk__in=[row.pk for row in rows]).update(mail_due_at=now + LEASE)
    return rows


def _mail(alert: BudgetAlert) -> bool:
    """Whether somebody got it. Whom the server refuses keeps nobody else from it."""
    addresses = addresses_of_account(account_id=alert.account_id, roles=ROLES)
    subject, text = _letter(alert)
    connection = get_connection()
    sent = 0
    for address in addresses:
        try:
            sent += EmailMessage(subject, text, to=[address], connection=connection).send()
        except OSError as error:  # smtplib's errors are among them; they name addresses, the log does not
            logger.warning("alert %s was not mailed to one of its people: %s", alert.pk, type(error).__name__)
    if sent or not addresses:
        BudgetAlert.objects.filter(pk=alert.pk).update(mail_due_at=None, mailed_at=timezone.now() if sent else None)
    return bool(sent)


def _letter(alert: BudgetAlert) -> tuple[str, str]:
    name, slug = account_name(account_id=alert.account_id)
    what = "the account" if alert.scope == "account" else f"the {alert.scope} “{alert.name}”"
    pages = {"key": ("portal:key", alert.reference), "project": ("portal:project", alert.reference)}
    page, *more = pages.get(alert.scope, ("portal:settings",))
    context = {
        "alert": alert,
        "account": name,
        "what": what,
        "spent": format_usd(alert.spent),
        "budget": format_usd(alert.budget),
        "budget_page": settings.PUBLIC_URL + reverse(page, args=[slug, *more]),
        "usage_page": settings.PUBLIC_URL + reverse("portal:usage", args=[slug]),
        "settings_page": settings.PUBLIC_URL + reverse("portal:settings", args=[slug]),
    }
    subject = (
        f"Calls are refused: the budget of {what} does not cover them"
        if alert.refused
        else f"{alert.threshold} % of the budget of {what} is spent"
    )
    if alert.scope != "account":
        subject += f" ({name})"
    return subject, render_to_string("alerts/email/budget.txt", context)
