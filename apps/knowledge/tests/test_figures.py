"""What Prometheus is told of ingestion: of all stores, and only of what is still in one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.knowledge.models import StoreFile
from apps.knowledge.selectors import ingestion
from apps.knowledge.tests.world import a_store, make_key, put

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_waits_and_what_failed_is_counted_over_all_accounts(cast: Cast) -> None:
    assert (ingestion().waiting, ingestion().failed, ingestion().since) == (0, 0, None)
    long_ago = timezone.now() - timedelta(hours=2)
    for account in (cast.northwind, cast.charlies):
        key = make_key(account.id)
        store = a_store(key)
        files = [put(key, store, f"Text {number}.") for number in range(4)]
        rows = StoreFile.objects.filter(store__account_id=account.id)
        rows.filter(file__public_id=files[0]).update(status="failed")
        rows.filter(file__public_id=files[1]).update(status="completed", created_at=long_ago - timedelta(days=1))
        rows.filter(file__public_id=files[2]).update(deleted_at=timezone.now(), created_at=long_ago - timedelta(days=1))
        rows.filter(file__public_id=files[3]).update(created_at=long_ago + timedelta(hours=account.id % 2))
    oldest = StoreFile.objects.filter(status="in_progress", deleted_at=None).earliest("created_at").created_at
    assert (ingestion().waiting, ingestion().failed, ingestion().since) == (2, 2, oldest)
