"""The staff's page of kept responses: whose they are and how large, not what was said."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.desk import ReadOnlyDesk
from apps.responses.models import StoredResponse


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
