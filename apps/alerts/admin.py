"""The staff's pages of budget alerts, webhooks and deliveries: read, never written."""

from django.contrib import admin

from apps.alerts.models import BudgetAlert, DeliveryAttempt, Webhook, WebhookDelivery
from apps.common.desk import ReadOnlyDesk, ReadOnlyInline, usd


@admin.register(BudgetAlert)
class BudgetAlertAdmin(ReadOnlyDesk):
    list_display = (
        "created_at",
        "account",
        "scope",
        "name",
        "period",
        "threshold",
        "refused",
        "cost",
        "sum",
        "is_hard",
        "mailed_at",
    )
    list_select_related = ("account",)
    list_filter = ("scope", "threshold", "refused", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("account__slug", "name", "reference")
    ordering = ("-pk",)

    @admin.display(description="spent", ordering="spent")
    def cost(self, alert: BudgetAlert) -> str:
        return usd(alert.spent)

    @admin.display(description="budget", ordering="budget")
    def sum(self, alert: BudgetAlert) -> str:
        return usd(alert.budget)


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyDesk):
    list_display = ("account", "created_at", "updated_at")
    list_select_related = ("account",)
    search_fields = ("account__slug", "account__name")
    fields = ("account", "created_at", "updated_at")  # a path may hold a secret, too
    ordering = ("-pk",)


class AttemptInline(ReadOnlyInline):
    model = DeliveryAttempt
    fields = readonly_fields = ("at", "status", "error")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyDesk):
    list_display = ("message_id", "kind", "created_at", "next_attempt_at", "delivered_at")
    list_filter = ("kind", "created_at")
    date_hierarchy = "created_at"
    list_select_related = ("webhook__account",)
    search_fields = ("=message_id", "webhook__account__slug")
    inlines = (AttemptInline,)
    ordering = ("-pk",)
