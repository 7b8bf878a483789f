"""The staff's page of API keys: their policy may be changed, their secrets are never seen."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.common.desk import Desk, usd
from apps.common.endpoints import ENDPOINTS
from apps.common.errors import Invalid
from apps.keys import services
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey, KeySecret

POLICY = (
    "allowed_models",
    "allowed_endpoints",
    "ip_allow_list",
    "rpm_limit",
    "tpm_limit",
    "tpd_limit",
    "parallel_limit",
    "monthly_budget",
    "total_budget",
    "budget_is_hard",
    "expires_at",
)
LISTS = ("allowed_models", "allowed_endpoints", "ip_allow_list")
LIVE = Q(disabled_at=None, revoked_at=None)


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    allowed_endpoints = forms.MultipleChoiceField(
        choices=list(ENDPOINTS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all of them but usage and costs",
    )

    class Meta:
        model = ApiKey
        fields = ("name", *POLICY)

    def policy(self) -> KeyPolicy:
        values = {name: self.cleaned_data[name] for name in POLICY}
        return KeyPolicy(**values | {name: tuple(values[name] or ()) for name in LISTS})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                services.check_key(name=cleaned["name"], policy=self.policy(), new="expires_at" in self.changed_data)
            except Invalid as error:
                self.add_error(error.param if error.param in self.fields else None, error.message)
        return cleaned


class SecretInline(admin.TabularInline):  # type: ignore[type-arg]
    model = KeySecret
    fields = readonly_fields = ("hint", "created_at", "expires_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StatusFilter(admin.SimpleListFilter):
    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.capitalize()) for name in ("active", "expired", "disabled", "revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        expired = Q(expires_at__lte=timezone.now())
        conditions = {
            "active": LIVE & ~expired,
            "expired": LIVE & expired,
            "disabled": Q(disabled_at__isnull=False, revoked_at=None),
            "revoked": Q(revoked_at__isnull=False),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


@admin.register(ApiKey)
class ApiKeyAdmin(Desk):
    form = KeyForm
    inlines = (SecretInline,)
    list_display = ("name", "public_id", "account", "project", "status", "budget", "last_used_at", "created_at")
    list_select_related = ("account", "project")
    list_filter = (StatusFilter, "created_at", "last_used_at")
    date_hierarchy = "created_at"
    search_fields = ("public_id", "name", "account__name", "account__slug", "project__slug", "secrets__hint")
    search_help_text = "Name, id, account, project, or the end of a key. Never paste a whole key here."
    actions = ("disable", "enable", "revoke")
    readonly_fields = (
        *("public_id", "account", "project", "created_by", "status", "disabled_at", "revoked_at"),
        *("last_used_at", "version", "created_at", "updated_at"),
    )
    fieldsets = (
        (None, {"fields": ("name", "public_id", "account", "project", "created_by", "status")}),
        ("What it may do", {"fields": POLICY}),
        ("Record", {"fields": readonly_fields[5:]}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a secret is for its owner's eyes: keys are made in the portal, or by manage.py create_key

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False  # its usage must stay: revoke it

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return (obj is None or obj.revoked_at is None) and super().has_change_permission(request, obj)

    @admin.display
    def status(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        if key.disabled_at:
            return "disabled"
        return "expired" if key.expires_at and key.expires_at <= timezone.now() else "active"

    @admin.display(description="monthly budget", ordering="monthly_budget")
    def budget(self, key: ApiKey) -> str:
        return usd(key.monthly_budget)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        services.update_key(account_id=obj.account_id, public_id=obj.public_id, name=obj.name, policy=form.policy())

    @admin.action(description="Disable: refuse these keys until they are enabled", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        warning = "Requests with these keys are refused until the keys are enabled again."
        if page := self.confirmation(request, queryset, action="disable", warning=warning):
            return page
        self.run(request, queryset, lambda key: _switch(key, disabled=True), done="Disabled")
        return None

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        warning = "Requests with these keys are admitted again."
        if page := self.confirmation(request, queryset, action="enable", warning=warning):
            return page
        self.run(request, queryset, lambda key: _switch(key, disabled=False), done="Enabled")
        return None

    @admin.action(description="Revoke: refuse these keys for ever", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        warning = "Requests with these keys are refused for ever. This cannot be undone."
        if page := self.confirmation(request, queryset, action="revoke", warning=warning):
            return page
        self.run(
            request,
            queryset,
            lambda key: services.revoke_key(account_id=key.account_id, public_id=key.public_id),
            done="Revoked",
        )
        return None


def _switch(key: ApiKey, *, disabled: bool) -> None:
    services.set_disabled(account_id=key.account_id, public_id=key.public_id, disabled=disabled)
