"""Keeps what the engines count, to be compared with what was billed, and takes out those that make no progress."""

from celery import shared_task

from apps.catalog.maintenance import warm_up
from apps.catalog.sampling import sample_engines
from apps.catalog.watching import watch_engines


@shared_task(name="catalog.sample_engines")
def sample_engines_task() -> None:
    sample_engines()


@shared_task(name="catalog.watch_engines")
def watch_engines_task() -> None:
    watch_engines()


@shared_task(name="catalog.warm_up")
def warm_up_task() -> None:
    warm_up()
