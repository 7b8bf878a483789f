"""Use into the ledger and onto invoices, credit, money that is asked for, Stripe's events, and the nightly proof."""

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
    services.find_meter_errors()


@shared_task(name="billing.bill_overage")
def bill_overage() -> None:
    services.bill_overage()
    services.bill_late_use()


@shared_task(name="billing.top_up_automatically")
def top_up_automatically() -> None:
    services.top_up_automatically()


@shared_task(name="billing.dun")
def dun() -> None:
    services.dun()


@shared_task(name="billing.reconcile", time_limit=7200)
def reconcile() -> None:
    services.reconcile()
