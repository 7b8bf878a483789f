"""Drains the gateways' stream of events into PostgreSQL, every second."""

from celery import shared_task

from apps.usage.services import drain_events


@shared_task(name="usage.drain_events")
def drain_events_task() -> None:
    drain_events()
