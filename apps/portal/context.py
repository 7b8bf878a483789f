"""What every template may ask for: the platform's address, and the account whose page is shown."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts import selectors


def portal(request: HttpRequest) -> dict[str, Any]:
    context: dict[str, Any] = {
        "api_base_url": f"{settings.PUBLIC_URL}/v1",
        "signup_open": settings.SIGNUP_OPEN,
        "account": getattr(request, "account", None),
    }
    if request.user.is_authenticated:
        user_id = request.user.pk
        context["my_accounts"] = SimpleLazyObject(lambda: selectors.accounts_of_user(user_id=user_id))
    return context
