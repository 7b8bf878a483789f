"""Drains the gateways' stream of events into PostgreSQL, every second, and makes the tables of the months to come."""

import logging

from celery import shared_task
from django.utils import timezone

from apps.common.figures import tell
from apps.usage.selectors import all_unposted
from apps.usage.services import drain_events, make_months

# Well below what a task may take; the next one goes on. None waits for another: a backlog keeps one worker busy.
DRAIN_SECONDS = 60.0
logger = logging.getLogger(__name__)


@shared_task(name="usage.drain_events")
def drain_events_task() -> None:
    drain_events(wait=False, seconds=DRAIN_SECONDS)


@shared_task(name="usage.make_months")
def make_months_task() -> None:
    if made := make_months():
        logger.info("made the tables of %d months of usage events", made)


@shared_task(name="usage.tell_figures")
def tell_figures_task() -> None:
    """The current hour is posted once it has ended: its age is no lag until then."""
    cost, since = all_unposted()
    age = max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0
    tell(unposted_dollars=cost / 1e9, unposted_age_seconds=age)
