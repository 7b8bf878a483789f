"""Brings use into the ledger, ends credit, does what Stripe's events are about, and proves the books each night."""

from celery import shared_task

from apps.billing import services


@shared_task(name="billing.post_usage")
def post_usage() -> None:
    services.post_usage()


@shared_task(name="billing.expire_credit")
def expire_credit() -> None:
    services.expire_credit()


@shared_task(name="billing.handle_events")
def handle_events() -> None:
    services.handle_events()


@shared_task(name="billing.find_missed_events")
def find_missed_events() -> None:
    services.find_missed_events()


@shared_task(name="billing.reconcile", time_limit=7200)
def reconcile() -> None:
    services.reconcile()
