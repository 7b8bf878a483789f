"""Mails what was noted of budgets to those who answer for the account's money, to each of them alone."""

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.selectors import account_name
from apps.accounts.services import claim_mails, mail_to_people
from apps.alerts.models import BudgetAlert
from apps.common.money import format_usd


def mail_waiting() -> int:
    """Mails the alerts that are due; how many."""
    return sum(mail_to_people(alert, *_letter(alert)) for alert in claim_mails(BudgetAlert))


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
