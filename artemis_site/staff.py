"""The staff desk: Django's admin, behind the portal's own sign-in (and its second factor), in an order for people."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

# app: (what it is called on the desk, its models in order)
ORDER: dict[str, tuple[str, tuple[str, ...]]] = {
    "accounts": ("Accounts and people", ("Account", "Project", "Tier", "User", "Invitation")),
    "keys": ("API keys", ("ApiKey",)),
    "catalog": ("Models, prices and routing", ("AIModel", "Deployment", "PriceVersion", "RoutingPolicy", "EngineSpan")),
    "billing": (
        "Money",
        (
            *("Customer", "Subscription", "Plan", "LedgerTransaction", "LedgerAccount", "CreditLot"),
            *("TopUp", "StripeEvent", "Reconciliation"),
        ),
    ),
    "batches": ("Batches", ("Batch",)),
    "files": ("Files", ("StoredFile",)),
    "knowledge": ("Knowledge", ("VectorStore", "StoreFile")),
    "usage": ("Usage", ("UsageEvent", "UsageHour", "UsageDay")),
    "alerts": ("Budget alerts", ("BudgetAlert", "Webhook", "WebhookDelivery")),
    "responses": ("Responses", ("StoredResponse", "BackgroundRun")),
    "account": ("Sign-in", ("EmailAddress",)),
    "mfa": ("Second factors", ("Authenticator",)),
    "auth": ("Staff groups", ("Group",)),
    "admin": ("What staff did", ("LogEntry",)),
}


class StaffSite(AdminSite):
    site_title = "Artemis staff"
    site_header = "Artemis staff desk"
    index_title = "What would you like to look at?"
    site_url = "/dashboard/"
    empty_value_display = "-"

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return response

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        for app in apps:
            name, models = ORDER.get(app["app_label"], (app["name"], ()))
            app["name"] = name
            app["models"].sort(key=lambda model: _place(model["object_name"], models))
        return sorted(apps, key=lambda app: _place(app["app_label"], tuple(ORDER)))


def _place(name: str, order: tuple[str, ...]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
