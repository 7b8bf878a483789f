"""The staff's page of models, with their prices and deployments."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from apps.catalog import services
from apps.catalog.admin.deployments import DeploymentInline
from apps.catalog.admin.desk import CatalogDesk
from apps.catalog.admin.prices import NewPriceInline, PriceInline
from apps.catalog.models import AIModel
from apps.common.limits import LIMIT_FIELDS


@admin.register(AIModel)
class ModelAdmin(CatalogDesk):
    list_display = ("public_name", "kind", "account", "context_length", "places", "enabled", "updated_at")
    list_select_related = ("account",)
    list_filter = ("enabled", "kind", "owned_by", ("account", admin.EmptyFieldListFilter))
    date_hierarchy = "created_at"
    search_fields = ("public_name", "description", "account__slug", "deployments__name")
    autocomplete_fields = ("account",)
    inlines = (DeploymentInline, PriceInline, NewPriceInline)
    fieldsets = (
        (None, {"fields": ("public_name", "kind", "enabled", "description", "owned_by", "account")}),
        ("Abilities", {"fields": ("context_length", "max_output_tokens", "dimensions", "capabilities", "extensions")}),
        ("Limits of each account for this model", {"fields": LIMIT_FIELDS}),
        ("Record", {"fields": ("created_at", "updated_at")}),
    )
    readonly_fields = ("created_at", "updated_at")
    actions = ("enable", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AIModel]:
        enabled = Count("deployments", filter=Q(deployments__enabled=True), distinct=True)
        models: QuerySet[AIModel] = super().get_queryset(request)
        return models.annotate(places=enabled)

    def has_delete_permission(self, request: HttpRequest, obj: AIModel | None = None) -> bool:
        return False  # its prices are part of old bills: take it off the offer

    @admin.display(description="deployments", ordering="places")
    def places(self, model: Any) -> int:
        return int(model.places)

    @admin.action(description="Put on offer", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[AIModel]) -> None:
        services.set_models_enabled(names=[row.public_name for row in queryset], enabled=True)
        self.message_user(request, "They are on offer.")

    @admin.action(description="Take off the offer", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[AIModel]) -> HttpResponse | None:
        warning = "Requests for these models are refused from now on; requests in flight end as usual."
        if page := self.confirmation(request, queryset, action="disable", warning=warning):
            return page
        services.set_models_enabled(names=[row.public_name for row in queryset], enabled=False)
        self.message_user(request, "They are off the offer.")
        return None
