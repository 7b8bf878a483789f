"""Keeps what the engines count, to be compared with what was billed."""

from celery import shared_task

from apps.catalog.sampling import sample_engines


@shared_task(name="catalog.sample_engines")
def sample_engines_task() -> None:
    sample_engines()
