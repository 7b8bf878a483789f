"""What every template may ask for: the platform's address, and the account whose page is shown."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts import selectors
from apps.accounts.contracts import AccountRow


def portal(request: HttpRequest) -> dict[str, Any]:
    context: dict[str, Any] = {
        "api_base_url": f"{settings.PUBLIC_URL}/v1",
        "portal_base_url": settings.PUBLIC_URL,
        "signup_open": settings.SIGNUP_OPEN,
    }
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        mine = SimpleLazyObject(lambda: selectors.accounts_of_user(user_id=user.pk))
        last = request.session.get("account")
        context["my_accounts"] = mine
        context["account"] = getattr(request, "account", None) or SimpleLazyObject(lambda: _last_opened(mine, last))
    return context


def _last_opened(mine: Any, slug: str | None) -> AccountRow | None:
    """On a person's own pages the navigation stays that of the account that was open last."""
    return next((account for account in mine if account.slug == slug), None)
