"""The staff's page of batches: how far each is, never what is asked in it."""

from django.contrib import admin

from apps.batches.models import Batch
from apps.common.desk import ReadOnlyDesk


@admin.register(Batch)
class BatchAdmin(ReadOnlyDesk):
    list_display = (
        *("public_id", "status", "endpoint", "account", "api_key", "total", "completed", "failed"),
        *("created_at", "in_progress_at", "completed_at"),
    )
    list_select_related = ("account", "api_key")
    list_filter = ("status", "endpoint", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("=public_id", "account__slug", "api_key__public_id")
    ordering = ("-pk",)
