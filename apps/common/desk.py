"""What the staff's pages of all apps share: sums in dollars, services' errors as messages, actions that ask first."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from apps.common.errors import ArtemisError
from apps.common.forms import UsdField
from apps.common.money import NanoField, format_usd


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Looks at so many rows and no further: ten million are not counted for a list of fifty."""

    most = 10_000

    @cached_property
    def looked_at(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: self.most + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self.looked_at, self.most)

    @property
    def is_cut(self) -> bool:
        """Whether there are more, which only a filter or a search shows."""
        return self.looked_at > self.most


class Desk(admin.ModelAdmin):  # type: ignore[type-arg]
    """A page of the staff desk. Its `save_…` methods call services; what they refuse is shown, and nothing is saved."""

    formfield_overrides = {NanoField: {"form_class": UsdField}}
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ArtemisError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def confirmation(
        self, request: HttpRequest, rows: models.QuerySet[Any], *, action: str, warning: str, reason: bool = False
    ) -> HttpResponse | None:
        """The page that asks before an action is run; None once it was answered (and has its reason)."""
        answered = "confirmed" in request.POST
        if answered and (not reason or request.POST.get("reason", "").strip()):
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Are you sure?",
            "opts": self.opts,
            "rows": rows,
            "action": action,
            "warning": warning,
            "reason": reason,
            "reason_missing": answered and reason,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)

    def run(self, request: HttpRequest, rows: models.QuerySet[Any], work: Callable[[Any], None], *, done: str) -> None:
        """Runs a service for each row, with a line in the log of what staff did; says what was refused, and why."""
        count = 0
        for row in rows:
            try:
                work(row)
            except ArtemisError as error:
                self.message_user(request, f"{row}: {error.message}", messages.ERROR)
            else:
                self.log_change(request, row, done)
                count += 1
        if count:
            self.message_user(request, f"{done}: {count}.", messages.SUCCESS)


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]
    """Records on the page of what they belong to: looked at, never changed. Name `fields` and `readonly_fields`."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyDesk(Desk):
    """A record: looked at, never changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def usd(nano: int | None) -> str:
    return "-" if nano is None else format_usd(nano)
