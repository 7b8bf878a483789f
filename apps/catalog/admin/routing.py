"""The staff's page of the routing policy, of which there is one."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.catalog import services
from apps.catalog.admin.desk import CatalogDesk
from apps.catalog.litellm_config import STRATEGIES
from apps.catalog.models import AIModel, RoutingPolicy

NUMBERS = ("num_retries", "allowed_fails", "cooldown_time")


class RoutingForm(forms.ModelForm):  # type: ignore[type-arg]
    routing_strategy = forms.ChoiceField(choices=[(name, name) for name in STRATEGIES])

    class Meta:
        model = RoutingPolicy
        fields = ("routing_strategy", "fallbacks", "context_window_fallbacks", *NUMBERS)

    def clean_fallbacks(self) -> Any:
        return _checked(self.cleaned_data["fallbacks"])

    def clean_context_window_fallbacks(self) -> Any:
        return _checked(self.cleaned_data["context_window_fallbacks"])


def _checked(value: Any) -> Any:
    """Model names to lists of model names, all of them known."""
    lists = value.values() if isinstance(value, dict) else ()
    if not isinstance(value, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists
    ):
        raise ValidationError('Give an object such as {"model": ["next", "the one after"]}.')
    named = {*value, *(name for names in lists for name in names)}
    known = set(AIModel.objects.filter(public_name__in=named).values_list("public_name", flat=True))
    if unknown := sorted(named - known):
        raise ValidationError(f"No such model: {', '.join(unknown)}.")
    return value


@admin.register(RoutingPolicy)
class RoutingAdmin(CatalogDesk):
    form = RoutingForm
    list_display = ("routing_strategy", *NUMBERS, "version")
    readonly_fields = ("version", "updated_at")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        return redirect("admin:catalog_routingpolicy_change", services.routing_policy_id())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RoutingPolicy | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RoutingPolicy, form: Any, change: bool) -> None:
        services.change_routing(values={name: form.cleaned_data[name] for name in form.changed_data})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the service has raised the revision."""
