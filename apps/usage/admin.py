"""The staff's pages of consumption: read, never written."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.desk import ReadOnlyDesk, usd
from apps.common.endpoints import ENDPOINTS
from apps.usage.models import UsageDay, UsageEvent, UsageHour

OWNERS = ("account", "project", "api_key")
SEARCHED = ("account__slug", "api_key__public_id", "api_key__name", "=model")


class KnownValues(admin.SimpleListFilter):
    """Of a column whose values are known beforehand: all events are not read to find them."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class EndpointFilter(KnownValues):
    title = parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(ENDPOINTS.items())


class TierFilter(KnownValues):
    title, parameter_name = "service tier", "service_tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("default", "Default"), ("batch", "Batch, at half the price")]


@admin.register(UsageEvent)
class UsageEventAdmin(ReadOnlyDesk):
    """Ten million of them: nothing here may read them all."""

    list_display = (
        *("request_id", "started_at", "account", "api_key", "model", "deployment", "outcome", "error_code"),
        *("input_tokens", "output_tokens", "spent", "duration_ms"),
    )
    list_select_related = (*OWNERS, "price_version__ai_model")
    list_filter = ("started_at", "outcome", EndpointFilter, TierFilter, "streamed", "estimated")
    search_fields = SEARCHED
    search_help_text = "A whole request id (req_…), or an account, key or model"
    ordering = ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A request's id is looked up in its index, which no search for several things at once can use."""
        term = search_term.strip()
        if term.startswith("req_"):
            return queryset.filter(request_id=term), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="cost", ordering="cost")
    def spent(self, event: UsageEvent) -> str:
        return usd(event.cost)


class RollupAdmin(ReadOnlyDesk):
    list_select_related = OWNERS
    search_fields = SEARCHED

    @admin.display(description="cost", ordering="cost")
    def spent(self, row: Any) -> str:
        return usd(row.cost)


COUNTS = (*OWNERS, "model", "service_tier", "requests", "failed_requests", "input_tokens", "output_tokens", "spent")


@admin.register(UsageHour)
class UsageHourAdmin(RollupAdmin):
    list_display = ("hour", *COUNTS)
    list_filter = ("hour",)
    date_hierarchy = "hour"
    ordering = ("-hour", "pk")


@admin.register(UsageDay)
class UsageDayAdmin(RollupAdmin):
    list_display = ("day", *COUNTS)
    list_filter = ("day",)
    date_hierarchy = "day"
    ordering = ("-day", "pk")
