"""The staff's page of files: whose and how large, never what is in them."""

from django.contrib import admin

from apps.common.desk import ReadOnlyDesk
from apps.files.models import StoredFile


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnlyDesk):
    list_display = (
        "public_id",
        "name",
        "purpose",
        "size",
        "account",
        "project",
        "created_at",
        "expires_at",
        "deleted_at",
    )
    list_select_related = ("account", "project")
    list_filter = ("purpose", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("=public_id", "name", "url", "account__slug")
    ordering = ("-pk",)
