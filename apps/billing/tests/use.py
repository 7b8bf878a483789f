"""Requests that were answered, as the gateway settles them."""

from datetime import UTC, datetime

from apps.keys.models import ApiKey
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def use(key: ApiKey, request_id: str, cost: int, *, at: datetime = NOON, model: str = "moon") -> None:
    record_events(events=[event(key, request_id, cost=cost, started_at=at.isoformat(), model=model)])
