"""Brings use into the ledger, ends credit, and does what Stripe's events are about."""

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
