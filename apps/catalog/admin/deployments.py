"""The staff's page of deployments: where models are served, with a key that is typed once and never shown again."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.catalog import maintenance, services
from apps.catalog.admin.desk import CatalogDesk
from apps.catalog.models import Deployment
from apps.common.sealing import seal
from inference.prices import known_providers

WHERE = ("name", "provider_model", "api_base", "api_key", "forget_key", "api_key_env", "enabled")
DUTY = ("duty", "duty_reason", "duty_since")
HOW = ("order", "weight", "rpm", "tpm", "timeout", "stream_timeout", "model_info")


class DeploymentForm(forms.ModelForm):  # type: ignore[type-arg]
    api_base = forms.CharField(
        label="API base", required=False, max_length=200, help_text="http://host:port/v1; empty: the provider's own"
    )
    api_key = forms.CharField(
        label="API key",
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown again. Empty: the one that is kept stays",
    )
    forget_key = forms.BooleanField(label="Forget the key that is kept", required=False)

    class Meta:
        model = Deployment
        fields = ("ai_model", *(name for name in (*WHERE, *HOW) if name not in ("api_key", "forget_key")))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.api_key_sealed and "api_key" in self.fields:
            self.fields["api_key"].widget.attrs["placeholder"] = "A key is kept"

    def clean_provider_model(self) -> str:
        value = str(self.cleaned_data["provider_model"])
        provider, _, upstream = value.partition("/")
        if not upstream or provider not in known_providers():
            raise ValidationError("Give LiteLLM's provider/model, such as hosted_vllm/qwen3-4b.")
        return value

    def clean_api_base(self) -> str:
        value = str(self.cleaned_data["api_base"])
        if value and not value.startswith(("http://", "https://")):
            raise ValidationError("Give an http:// or https:// address.")
        return value

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("api_key") and (cleaned.get("api_key_env") or cleaned.get("forget_key")):
            self.add_error("api_key", "Give a key, or the variable that holds one, or forget it: one of the three.")
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Django's own check of addresses knows no host names of one word, which clusters are full of."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"api_base"}

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("api_key"):
            self.instance.api_key_sealed = seal(self.cleaned_data["api_key"])
        elif self.cleaned_data.get("forget_key"):
            self.instance.api_key_sealed = ""
        return super().save(commit)


class DeploymentInline(admin.StackedInline):  # type: ignore[type-arg]
    model = Deployment
    form = DeploymentForm
    fieldsets = ((None, {"fields": WHERE}), ("How", {"fields": HOW, "classes": ("collapse",)}))
    extra = 0


@admin.register(Deployment)
class DeploymentAdmin(CatalogDesk):
    form = DeploymentForm
    list_display = (
        *("name", "ai_model", "duty", "duty_reason", "enabled", "provider_model", "api_base", "key", "order", "weight"),
        "updated_at",
    )
    list_select_related = ("ai_model",)
    list_filter = ("enabled", "duty", "order", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("name", "ai_model__public_name", "provider_model", "api_base")
    autocomplete_fields = ("ai_model",)
    fieldsets = (
        (None, {"fields": ("ai_model", *WHERE)}),
        ("How", {"fields": HOW}),
        ("Duty", {"fields": DUTY}),
        ("Record", {"fields": ("created_at", "updated_at")}),
    )
    readonly_fields = (*DUTY, "created_at", "updated_at")
    actions = ("enable", "disable", "drain", "bring_back")

    @admin.display(description="key")
    def key(self, deployment: Deployment) -> str:
        return deployment.api_key_env or ("kept, encrypted" if deployment.api_key_sealed else "none")

    @admin.action(description="Enable: let them serve", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        services.set_deployments_enabled(names=[row.name for row in queryset], enabled=True)
        self.message_user(request, "They serve again.")

    @admin.action(description="Disable: leave them out", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> HttpResponse | None:
        warning = "No new request goes to these deployments."
        if page := self.confirmation(request, queryset, action="disable", warning=warning):
            return page
        services.set_deployments_enabled(names=[row.name for row in queryset], enabled=False)
        self.message_user(request, "They are left out.")
        return None

    @admin.action(description="Drain: move traffic to other engines", permissions=["change"])
    def drain(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> HttpResponse | None:
        warning = "No new request goes to the engines of these deployments; those in flight end as usual."
        if page := self.confirmation(request, queryset, action="drain", warning=warning, reason=True):
            return page
        names = maintenance.drain(names=[row.name for row in queryset], reason=request.POST["reason"].strip())
        self.message_user(request, f"Drained: {', '.join(names)}.")
        return None

    @admin.action(description="Bring back: serve again after an answer", permissions=["change"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        names = maintenance.bring_back(names=[row.name for row in queryset])
        self.message_user(request, f"They serve again once they answer: {', '.join(names)}.")
