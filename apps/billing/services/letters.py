"""Letters about money, with the way to the page Billing."""

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.selectors import account_name
from apps.accounts.services import write_letter


def write_about_money(*, account_id: int, subject: str, template: str, **said: object) -> None:
    """`template`: one of templates/billing/email, which is told the account's name, its page and what is `said`."""
    name, slug = account_name(account_id=account_id)
    context = {"account": name, "page": settings.PUBLIC_URL + reverse("portal:billing", args=[slug]), **said}
    write_letter(
        account_id=account_id,
        subject=f"{subject} ({name})",
        text=render_to_string(f"billing/email/{template}.txt", context),
    )
