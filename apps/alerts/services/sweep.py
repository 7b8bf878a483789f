"""Forgets what was told long ago. An alert of a budget over all months stays: without it, it would be told again."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from apps.alerts.contracts import TOTAL
from apps.alerts.models import BudgetAlert, WebhookDelivery

DELETED_AT_ONCE = 500


def delete_old() -> int:
    """How many alerts and deliveries there were. What still waits to be delivered or mailed stays."""
    before = timezone.now() - timedelta(days=settings.ALERTS_KEEP_DAYS)
    deliveries = WebhookDelivery.objects.filter(created_at__lt=before, next_attempt_at=None)
    alerts = BudgetAlert.objects.filter(created_at__lt=before, mail_due_at=None).exclude(period=TOTAL)
    waiting = WebhookDelivery.objects.filter(next_attempt_at__isnull=False, alert__isnull=False).values("alert")
    return _delete(deliveries) + _delete(alerts.exclude(pk__in=waiting))


def _delete(rows: "QuerySet[BudgetAlert] | QuerySet[WebhookDelivery]") -> int:
    """In parts, so that no lock is held for long."""
    deleted = 0
    while oldest := list(rows.order_by("pk").values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        rows.model.objects.filter(pk__in=oldest).delete()
        deleted += len(oldest)
    return deleted
