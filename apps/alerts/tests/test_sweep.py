"""What was told long ago is forgotten, but not what would then be told again, nor what still waits."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.alerts.models import BudgetAlert, DeliveryAttempt, WebhookDelivery
from apps.alerts.services import check_budgets, delete_old, deliver_waiting, send_test, set_webhook
from apps.alerts.tests.conftest import Receiver, key_of, spend


def age(days: int) -> None:
    then = timezone.now() - timedelta(days=days)
    BudgetAlert.objects.update(created_at=then)
    WebhookDelivery.objects.update(created_at=then)


def test_old_alerts_and_deliveries_go(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    spend(key_of(cast.northwind.id, monthly_budget=100, total_budget=100), 100)
    send_test(account_id=cast.northwind.id)
    assert (check_budgets(), deliver_waiting()) == (2, 3)
    BudgetAlert.objects.update(mail_due_at=None)
    age(settings.ALERTS_KEEP_DAYS - 1)
    assert delete_old() == 0

    age(settings.ALERTS_KEEP_DAYS + 1)
    BudgetAlert.objects.exclude(period="total").update(period="2026-01")
    assert delete_old() == 4
    assert not WebhookDelivery.objects.exists() and not DeliveryAttempt.objects.exists()
    assert list(BudgetAlert.objects.values_list("period", flat=True)) == ["total"]
    assert delete_old() == 0
    assert check_budgets() == 1  # this month's was moved to January above; the other one is not told again


def test_what_waits_stays(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    spend(key_of(cast.northwind.id, monthly_budget=100), 100)
    assert check_budgets() == 1
    age(settings.ALERTS_KEEP_DAYS + 1)
    assert delete_old() == 0
    BudgetAlert.objects.update(mail_due_at=None)
    assert delete_old() == 0
    assert deliver_waiting() == 1
    assert delete_old() == 2
