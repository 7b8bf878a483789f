"""The staff's page of reconciliations: what was compared, what is not explained, and what is."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from apps.billing.models import Reconciliation
from apps.common.desk import ReadOnlyDesk
from apps.common.queue import enqueue


class ReconciliationAdmin(ReadOnlyDesk):
    """Looked at by whoever may view them; asked for by whoever may add them."""

    list_display = ("began_at", "outcome", "findings_number", "days", "ended_at")
    list_filter = ("is_clean", "began_at")
    date_hierarchy = "began_at"
    fields = ("outcome", "days", "began_at", "ended_at")
    ordering = ("-pk",)
    change_list_template = "admin/reconciliations.html"
    change_form_template = "admin/reconciliation.html"

    @admin.display(description="the books", ordering="is_clean")
    def outcome(self, run: Reconciliation) -> str:
        if run.is_clean:
            return "agree"
        return "do not agree" if run.findings_number else "could not all be compared"

    @admin.display(description="days")
    def days(self, run: Reconciliation) -> str:
        return f"{run.first_day or 'since ever'} to {run.last_day}"

    def get_urls(self) -> list[URLPattern]:
        own = path("run/", self.admin_site.admin_view(self.run_now), name="billing_reconciliation_run")
        return [own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_run = {"may_run": request.user.has_perm("billing.add_reconciliation")}
        return super().changelist_view(request, {**(extra_context or {}), **may_run})

    def run_now(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or not request.user.has_perm("billing.add_reconciliation"):
            raise PermissionDenied
        enqueue("billing.reconcile")
        self.message_user(request, "Asked for. Look again in a few minutes.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:billing_reconciliation_changelist"))
