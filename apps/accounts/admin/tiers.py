"""The staff's page of tiers."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apps.accounts import services
from apps.accounts.models import Tier
from apps.accounts.services.limits import TIER_FIELDS
from apps.common.desk import Desk
from apps.common.limits import LIMIT_FIELDS


@admin.register(Tier)
class TierAdmin(Desk):
    list_display = ("name", "is_for_new_accounts", *LIMIT_FIELDS, "customers")
    search_fields = ("name",)
    fields = TIER_FIELDS
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        tiers: QuerySet[Tier] = super().get_queryset(request)
        return tiers.annotate(customers=Count("accounts"))

    def has_delete_permission(self, request: HttpRequest, obj: Tier | None = None) -> bool:
        return obj is None or not obj.accounts.exists()

    @admin.display(description="accounts", ordering="customers")
    def customers(self, tier: Any) -> int:
        return int(tier.customers)

    def save_model(self, request: HttpRequest, obj: Tier, form: Any, change: bool) -> None:
        obj.pk = services.save_tier(tier_id=obj.pk if change else None, values=form.cleaned_data)
