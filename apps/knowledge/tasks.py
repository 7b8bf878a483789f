"""Removes what was deleted or has expired, and indexes what has grown. Documents are read by the API's door:
apps/api/tasks.py."""

import logging

from celery import shared_task
from django.utils import timezone

from apps.common.figures import tell
from apps.knowledge.search.indexing import index_large_stores
from apps.knowledge.selectors import ingestion
from apps.knowledge.services import delete_expired_stores, empty_deleted, remove_leftovers

logger = logging.getLogger(__name__)


@shared_task(name="knowledge.empty")
def empty_task() -> None:
    delete_expired_stores()
    empty_deleted()
    remove_leftovers()


@shared_task(name="knowledge.index")
def index_task() -> None:
    index_large_stores()


@shared_task(name="knowledge.tell_figures")
def tell_figures_task() -> None:
    now = ingestion()
    age = max(0.0, (timezone.now() - now.since).total_seconds()) if now.since else 0.0
    tell(documents_waiting=now.waiting, documents_failed=now.failed, documents_oldest_age_seconds=age)
