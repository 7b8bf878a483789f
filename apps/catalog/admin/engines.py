"""The staff's page of what engines count: looked at, never changed."""

from django.contrib import admin

from apps.catalog.models import EngineSpan
from apps.common.desk import ReadOnlyDesk


@admin.register(EngineSpan)
class EngineSpanAdmin(ReadOnlyDesk):
    list_display = ("engine", "day", "served", "from_at", "until_at", "prompt_tokens", "output_tokens", "goes_on")
    list_filter = ("day",)
    date_hierarchy = "day"
    search_fields = ("engine", "deployments")
    ordering = ("-until_at", "pk")

    @admin.display(description="deployments")
    def served(self, span: EngineSpan) -> str:
        return ", ".join(span.deployments)
