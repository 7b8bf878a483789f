"""The staff's pages of responses, kept and in the background: whose they are and how large, not what was said."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.desk import ReadOnlyDesk
from apps.responses.models import BackgroundRun, StoredResponse


@admin.register(StoredResponse)
class StoredResponseAdmin(ReadOnlyDesk):
    list_display = ("public_id", "created_at", "account", "project", "model", "previous_id", "size")
    list_select_related = ("account", "project")
    list_filter = ("created_at",)
    date_hierarchy = "created_at"
    search_fields = ("=public_id", "=request_id", "account__slug", "=model")
    ordering = ("-pk",)
    exclude = ("body", "items")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredResponse]:
        return super().get_queryset(request).defer("body", "items")


@admin.register(BackgroundRun)
class BackgroundRunAdmin(ReadOnlyDesk):
    """What waits or runs."""

    list_display = ("response", "account", "api_key", "begun", "refused", "failed", "ready_at")
    list_select_related = ("account", "api_key", "response")
    search_fields = ("=response__public_id", "=response__request_id", "account__slug", "api_key__public_id")
    ordering = ("-pk",)
    exclude = ("request",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BackgroundRun]:
        return super().get_queryset(request).defer("request", "response__body", "response__items")
