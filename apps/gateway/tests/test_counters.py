"""A counter that Redis lost begins with all that was settled: recorded, waiting to be, or coming meanwhile."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from apps.accounts.tests.cast import Cast, cast
from apps.common.redis import sync_redis
from apps.gateway.admission import script
from apps.gateway.counters import begin_counter
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.services import STREAM, record_events
from apps.usage.tests.test_record_events import event

__all__ = ["cast"]


@pytest.fixture
def key(cast: Cast) -> Iterator[ApiKey]:
    issued = create_key(account_id=cast.northwind.id, project_slug="default", name="Chat", policy=KeyPolicy())
    sync_redis().delete(STREAM)
    yield ApiKey.objects.get(public_id=issued.public_id)
    sync_redis().delete(STREAM, *sync_redis().keys("art:spent:*"))


def test_recorded_and_waiting_each_once(key: ApiKey, cast: Cast) -> None:
    october = datetime(2026, 10, 31, 23, 59, tzinfo=UTC).isoformat()
    waiting = [event(key, "b", cost=20), event(key, "c", cost=300, started_at=october), "not JSON", "{}"]
    record_events(events=[event(key, "a", cost=1), waiting[0]])  # b is recorded, and not yet taken from the stream
    for text in [*waiting, event(key, "d", cost=4000), event(key, "e", cost=5, account=cast.charlies.id)]:
        sync_redis().xadd(STREAM, {"event": text})
    account = f"account:{key.account_id}"
    begin_counter(account, "total")
    begin_counter(account, "202611")
    begin_counter(f"account:{cast.charlies.id}", "total")
    assert [int(sync_redis().get(f"art:spent:{name}") or 0) for name in (f"{account}:total", f"{account}:202611")] == [
        4321,
        4021,
    ]
    assert sync_redis().get(f"art:spent:account:{cast.charlies.id}:total") == b"5"


def test_one_that_is_there_stays(key: ApiKey) -> None:
    name = f"art:spent:key:{key.pk}:total"
    sync_redis().set(name, 7)
    begin_counter(f"key:{key.pk}", "total")
    assert sync_redis().get(name) == b"7"
    begin_counter(f"key:{key.pk}", "total", anew=True)
    assert sync_redis().get(name) == b"0"


def test_what_is_settled_while_postgresql_is_read(key: ApiKey) -> None:
    """The script counts what stands in the stream behind the last event that was read."""
    begun = sync_redis().xadd(STREAM, {"event": event(key, "before", cost=1)})
    sync_redis().xadd(STREAM, {"event": event(key, "meanwhile", cost=20)})
    sync_redis().xadd(STREAM, {"event": "not JSON"})
    sync_redis().xadd(STREAM, {"event": event(key, "meanwhile too", cost=300)})
    name = f"art:spent:key:{key.pk}:total"
    sync_redis().eval(script("begin")[1], 0, name, "1", 60, begun, "key", str(key.pk), "", 0)
    assert sync_redis().get(name) == b"321"
