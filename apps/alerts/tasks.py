"""Looks after budgets, and sends what waits: mails and webhooks apart, so that neither holds up the other."""

from celery import shared_task

from apps.alerts import services


@shared_task(name="alerts.check_budgets")
def check_budgets_task() -> None:
    services.check_budgets()
    services.check_refusals()


@shared_task(name="alerts.mail_waiting")
def mail_waiting_task() -> None:
    services.mail_waiting()


@shared_task(name="alerts.deliver_waiting")
def deliver_waiting_task() -> None:
    services.deliver_waiting()


@shared_task(name="alerts.delete_old")
def delete_old_task() -> None:
    services.delete_old()
