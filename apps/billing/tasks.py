"""Brings use into the ledger and ends credit, once a minute."""

from celery import shared_task

from apps.billing import services


@shared_task(name="billing.post_usage")
def post_usage() -> None:
    services.post_usage()


@shared_task(name="billing.expire_credit")
def expire_credit() -> None:
    services.expire_credit()
