"""What the ledger lacks: of one account, of all, and since when."""

from datetime import UTC, datetime, timedelta

from apps.keys.models import ApiKey
from apps.usage.selectors import all_unposted, unposted_cost
from apps.usage.services import claim_unposted, mark_posted, record_events
from apps.usage.tests.test_record_events import event

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_it_is_told_until_it_is_posted(key: ApiKey) -> None:
    assert all_unposted() == (0, None)
    record_events(
        events=[
            event(key, f"req_{hour}", cost=cost, started_at=(NOON + timedelta(hours=hour, minutes=5)).isoformat())
            for hour, cost in enumerate((100, 20, 3))
        ]
    )
    assert all_unposted() == (123, NOON) and unposted_cost(account_id=key.account_id) == 123
    mark_posted(charges=claim_unposted(account_id=key.account_id, before=NOON + timedelta(hours=2)))
    assert all_unposted() == (3, NOON + timedelta(hours=2))
    record_events(events=[event(key, "req_late", cost=7, started_at=NOON.isoformat())])  # after its hour was posted
    assert all_unposted() == (10, NOON)
    mark_posted(charges=claim_unposted(account_id=key.account_id, before=NOON + timedelta(days=1)))
    assert all_unposted() == (0, None) and unposted_cost(account_id=key.account_id) == 0
