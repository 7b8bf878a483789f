"""How allauth meets the rest of the house: who may sign up, and where mailed links lead."""

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

INVITED = "invited_email"  # the session's note of the address whose open invitation it has opened


class PublicSite:
    """The platform's own name, whatever Host a request claims."""

    name = "Artemis"
    domain = urlsplit(settings.PUBLIC_URL).netloc


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made at the first visit to the dashboard (`accounts.services.ensure_account`)."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP_OPEN or INVITED in request.session

    def format_email_subject(self, subject: str) -> str:
        return f"Artemis: {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        super().send_mail(template_prefix, email, {"current_site": PublicSite(), **context})

    def get_reset_password_from_key_url(self, key: str) -> str:
        return public(super().get_reset_password_from_key_url(key))

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: object) -> str:
        return public(super().get_email_confirmation_url(request, emailconfirmation))


def public(url: str) -> str:
    """The same page under PUBLIC_URL: links in mails never follow a forged Host."""
    return f"{settings.PUBLIC_URL}{urlsplit(url).path}"
