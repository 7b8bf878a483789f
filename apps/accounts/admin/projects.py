"""The staff's page of projects."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.accounts import services
from apps.accounts.models import Project
from apps.accounts.services.limits import BUDGET_FIELDS, PROJECT_FIELDS
from apps.common.desk import Desk, usd
from apps.common.limits import LIMIT_FIELDS


@admin.register(Project)
class ProjectAdmin(Desk):
    list_display = ("name", "account", "slug", "budget", "is_live", "created_at")
    list_select_related = ("account",)
    list_filter = (("archived_at", admin.EmptyFieldListFilter), "created_at")
    date_hierarchy = "created_at"
    search_fields = ("name", "slug", "account__name", "account__slug")
    fields = (
        *("account", "name", "slug", *BUDGET_FIELDS, *LIMIT_FIELDS),
        *("archived_at", "created_at", "updated_at"),
    )
    readonly_fields = ("slug", "archived_at", "created_at", "updated_at")
    autocomplete_fields = ("account",)
    ordering = ("-created_at",)
    actions = ("archive", "restore")

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> Any:
        return ("account", *self.readonly_fields) if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return False  # its history must stay: archive it

    @admin.display(description="monthly budget", ordering="monthly_budget")
    def budget(self, project: Project) -> str:
        return usd(project.monthly_budget)

    @admin.display(boolean=True, description="live", ordering="archived_at")
    def is_live(self, project: Project) -> bool:
        return project.archived_at is None

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        if change:
            services.update_project(
                account_id=obj.account_id, slug=obj.slug, name=obj.name, monthly_budget=obj.monthly_budget
            )
        else:
            row = services.create_project(account_id=obj.account_id, name=obj.name, monthly_budget=obj.monthly_budget)
            obj.pk, obj.slug = row.id, row.slug
        limits = {name: form.cleaned_data[name] for name in PROJECT_FIELDS if name in form.changed_data}
        if limits:
            services.set_project_limits(account_id=obj.account_id, slug=obj.slug, values=limits)
        if not change:
            obj.refresh_from_db()

    @admin.action(description="Archive: refuse their keys at once", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Project]) -> HttpResponse | None:
        warning = "All keys of these projects are refused until the project is restored."
        if page := self.confirmation(request, queryset, action="archive", warning=warning):
            return page
        self.run(
            request,
            queryset,
            lambda project: services.archive_project(account_id=project.account_id, slug=project.slug),
            done="Archived",
        )
        return None

    @admin.action(description="Restore: let their keys work again", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        self.run(
            request,
            queryset,
            lambda project: services.restore_project(account_id=project.account_id, slug=project.slug),
            done="Restored",
        )
