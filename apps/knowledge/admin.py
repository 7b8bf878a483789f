"""The staff's pages of vector stores: how far each file is, by account, never what it says."""

from django.contrib import admin

from apps.common.desk import ReadOnlyDesk
from apps.knowledge.models import StoreFile, VectorStore


@admin.register(VectorStore)
class VectorStoreAdmin(ReadOnlyDesk):
    list_display = (
        *("public_id", "account", "project", "embedding_model", "passages", "is_indexed"),
        *("last_active_at", "expires_at", "deleted_at"),
    )
    list_select_related = ("account", "project")
    list_filter = ("embedding_model", "is_indexed")
    search_fields = ("=public_id", "account__slug")
    ordering = ("-pk",)


@admin.register(StoreFile)
class StoreFileAdmin(ReadOnlyDesk):
    list_display = (
        *("file", "store", "account", "status", "stage", "passages_done", "passages_total", "usage_bytes"),
        *("error_code", "error_message", "waits_for", "tries", "created_at", "completed_at"),
    )
    list_select_related = ("file", "store", "account")
    list_filter = ("status", "stage", "error_code")
    date_hierarchy = "created_at"
    search_fields = ("=file__public_id", "=store__public_id", "account__slug")
    ordering = ("-pk",)
