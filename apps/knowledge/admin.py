"""The staff's pages of vector stores: how far each file is, by account, never what it says."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.common.desk import ReadOnlyDesk
from apps.knowledge import standing
from apps.knowledge.models import GraphDocument, Reembedding, Status, StoreFile, VectorStore

OPEN = Q(files__deleted_at=None)
URGENCY = Case(
    When(deleted_at__isnull=False, then=Value(3)),
    When(status=Status.FAILED, then=Value(0)),
    When(status=Status.IN_PROGRESS, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


class Fault(admin.SimpleListFilter):
    """Why reading failed, by OpenAI's codes."""

    title, parameter_name = "fault", "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code.replace("_", " ")) for code in ("invalid_file", "unsupported_file", "server_error")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StoreFile]) -> QuerySet[StoreFile]:
        return queryset.filter(error_code=self.value()) if self.value() else queryset


@admin.register(VectorStore)
class VectorStoreAdmin(ReadOnlyDesk):
    change_list_template = "admin/knowledge/list.html"
    list_display = (
        *("public_id", "name", "whose", "project", "files", "passages", "embedding_model", "is_indexed"),
        *("last_active_at", "expires_at", "deleted_at"),
    )
    list_select_related = ("account", "project")
    list_filter = ("embedding_model", "is_indexed", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("=public_id", "account__slug")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VectorStore]:
        counts = {name: Count("files", filter=OPEN & Q(files__status=name)) for name in Status.values}
        found: QuerySet[VectorStore] = super().get_queryset(request)
        return found.annotate(**{f"files_{name}": count for name, count in counts.items()})

    @admin.display(description="account", ordering="account__slug")
    def whose(self, store: VectorStore) -> SafeString:
        return _account(store.account_id, store.account.slug)

    @admin.display(description="files")
    def files(self, store: Any) -> SafeString | str:
        counts = [
            (name, getattr(store, f"files_{name}")) for name in ("failed", "in_progress", "completed", "cancelled")
        ]
        said = ", ".join(f"{count:,} {Status(name).label.lower()}" for name, count in counts if count)
        address = reverse("admin:knowledge_storefile_changelist")
        return format_html('<a href="{}?q={}">{}</a>', address, store.public_id, said) if said else "none"


@admin.register(StoreFile)
class StoreFileAdmin(ReadOnlyDesk):
    """What has failed first, then what is in progress."""

    change_list_template = "admin/knowledge/list.html"
    list_display = (
        *("file", "state", "why", "progress", "whose", "where", "size", "tries"),
        *("created_at", "completed_at", "deleted_at"),
    )
    list_select_related = ("file", "store", "account")
    list_filter = ("status", "stage", Fault, ("deleted_at", admin.EmptyFieldListFilter))
    date_hierarchy = "created_at"
    search_fields = ("=file__public_id", "=store__public_id", "account__slug")
    ordering = (URGENCY, "-pk")

    def get_urls(self) -> list[URLPattern]:
        own = path("standing/", self.admin_site.admin_view(self.standing), name="knowledge_standing")
        return [own, *super().get_urls()]

    def standing(self, request: HttpRequest) -> HttpResponse:
        """The queue and the storage, by account."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        accounts = standing.standing_of_accounts()
        context = {
            **self.admin_site.each_context(request),
            "title": "Knowledge: queue and storage",
            "accounts": accounts,
            "is_cut": len(accounts) == standing.MOST_ACCOUNTS,
            "failures": standing.failures_of_today(),
            "waits": standing.waits(),
            "sizes": standing.sizes_on_disk(),
        }
        return TemplateResponse(request, "admin/knowledge/standing.html", context)

    @admin.display(description="state", ordering="status")
    def state(self, row: StoreFile) -> SafeString | str:
        stage = f", {row.get_stage_display().lower()}" if row.status == Status.IN_PROGRESS else ""
        said = f"{row.get_status_display()}{stage}"
        return format_html("<strong>{}</strong>", said) if row.status == Status.FAILED else said

    @admin.display(description="why")
    def why(self, row: StoreFile) -> str:
        return f"{row.error_code}: {row.error_message}" if row.error_code else row.waits_for

    @admin.display(description="passages")
    def progress(self, row: StoreFile) -> str:
        if row.status == Status.COMPLETED or not row.passages_total:
            return f"{row.passages_total:,}" if row.passages_total else ""
        return f"{row.passages_done:,} of {row.passages_total:,}"

    @admin.display(description="account", ordering="account__slug")
    def whose(self, row: StoreFile) -> SafeString:
        return _account(row.account_id, row.account.slug)

    @admin.display(description="store", ordering="store")
    def where(self, row: StoreFile) -> SafeString:
        address = reverse("admin:knowledge_vectorstore_change", args=[row.store_id])
        return format_html('<a href="{}">{}</a>', address, row.store.name or row.store.public_id)

    @admin.display(description="size", ordering="usage_bytes")
    def size(self, row: StoreFile) -> str:
        return filesizeformat(row.usage_bytes) if row.usage_bytes else ""


@admin.register(Reembedding)
class ReembeddingAdmin(ReadOnlyDesk):
    """Stores that get, or got, another embedding model."""

    list_display = ("store", "model", "status", "why", "passages_done", "whose", "tries", "created_at", "completed_at")
    list_select_related = ("store", "account")
    list_filter = ("status",)
    search_fields = ("=store__public_id", "account__slug", "model")

    @admin.display(description="why")
    def why(self, row: Reembedding) -> str:
        return row.error_message or row.waits_for

    @admin.display(description="account", ordering="account__slug")
    def whose(self, row: Reembedding) -> SafeString:
        return _account(row.account_id, row.account.slug)


@admin.register(GraphDocument)
class GraphDocumentAdmin(ReadOnlyDesk):
    """Files on their way into a graph."""

    list_display = ("file", "store", "method", "status", "why", "done", "whose", "tries", "created_at", "completed_at")
    list_select_related = ("document__file", "graph__store", "account")
    list_filter = ("status", "graph__method")
    search_fields = ("=graph__store__public_id", "=document__file__public_id", "account__slug")
    ordering = ("-pk",)

    @admin.display(ordering="document__file__public_id")
    def file(self, row: GraphDocument) -> str:
        return row.document.file.public_id

    @admin.display(ordering="graph__store")
    def store(self, row: GraphDocument) -> str:
        return row.graph.store.public_id

    @admin.display(ordering="graph__method")
    def method(self, row: GraphDocument) -> str:
        return row.graph.model or row.graph.method

    @admin.display(description="passages")
    def done(self, row: GraphDocument) -> str:
        return f"{row.passages_done} of {row.passages_total}"

    @admin.display(description="why")
    def why(self, row: GraphDocument) -> str:
        return row.error_message or row.waits_for

    @admin.display(description="account", ordering="account__slug")
    def whose(self, row: GraphDocument) -> SafeString:
        return _account(row.account_id, row.account.slug)


def _account(account_id: int, slug: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("admin:accounts_account_change", args=[account_id]), slug)
