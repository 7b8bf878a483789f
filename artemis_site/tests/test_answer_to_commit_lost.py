"""PostgreSQL has committed, and its answer is lost: what is done again then changes nothing more."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from apps.accounts.tests.cast import cast
from apps.billing.models import LedgerTransaction
from apps.billing.selectors import balance_of_account
from apps.billing.services import check_ledger, post_usage, record_payment
from apps.billing.tests.conftest import key
from apps.billing.tests.use import NOON
from apps.common.redis import sync_redis
from apps.keys.models import ApiKey
from apps.responses.models import StoredResponse
from apps.responses.tests.test_keeping import finished, keeper
from apps.usage.models import UsageEvent, UsageHour
from apps.usage.services import STREAM, drain_events
from apps.usage.tests.test_record_events import event
from artemis_site.tests.losing_proxy import LosingProxy

__all__ = ["cast", "key"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[LosingProxy]:
    """All connections to the database go through it."""
    database = settings.DATABASES["default"]
    host, port = database["HOST"], database["PORT"]

    def through(host: str, port: int) -> None:
        connection.close()
        connection.close_pool()
        connection.settings_dict.update(HOST=host, PORT=port)

    with LosingProxy(host, int(port)) as proxy:
        through("127.0.0.1", proxy.port)
        yield proxy
        through(host, port)


def lose_the_answer(proxy: LosingProxy, work: Callable[[], object]) -> None:
    """Does it once, as far as PostgreSQL is concerned; whoever asked has to believe that it failed."""
    proxy.lose(b"COMMIT")
    with contextlib.suppress(OperationalError):
        work()
    connection.close()
    assert proxy.lost == 1


def test_a_drain_records_each_event_once(proxy: LosingProxy, key: ApiKey) -> None:
    """The events are still in Redis, as nobody learnt that they may go."""
    store = sync_redis()
    store.delete(STREAM)
    for number in range(5):
        store.xadd(STREAM, {"event": event(key, f"req_{number}", cost=100)})
    lose_the_answer(proxy, drain_events)
    assert (UsageEvent.objects.count(), store.xlen(STREAM)) == (5, 5)
    assert drain_events() == 5
    assert (UsageEvent.objects.count(), store.xlen(STREAM), UsageHour.objects.get().cost) == (5, 0, 500)


def test_use_is_posted_once(proxy: LosingProxy, key: ApiKey) -> None:
    record_payment(account_id=key.account_id, amount=1000, key="paid", reason="Paid")
    store = sync_redis()
    store.delete(STREAM)
    store.xadd(STREAM, {"event": event(key, "req_1", cost=300)})
    drain_events()

    def post() -> None:
        post_usage(now=NOON + timedelta(hours=3))

    lose_the_answer(proxy, post)
    post()
    assert balance_of_account(account_id=key.account_id).prepaid == 700
    assert LedgerTransaction.objects.count() == 2
    assert check_ledger() == []


def test_a_payment_is_recorded_once(proxy: LosingProxy, key: ApiKey) -> None:
    def pay() -> None:
        record_payment(account_id=key.account_id, amount=1000, key="paid", reason="Paid")

    lose_the_answer(proxy, pay)
    pay()
    assert balance_of_account(account_id=key.account_id).prepaid == 1000
    assert LedgerTransaction.objects.count() == 1


def test_a_response_is_kept_once_and_says_so(proxy: LosingProxy, key: ApiKey) -> None:
    """It is written outside of a transaction: what is lost is the answer to the INSERT."""
    kept = keeper(key.account_id, key.project_id)
    proxy.lose(b"INSERT")
    response = asyncio.run(kept.finished(finished().split(b'"response": ')[1][:-1]))
    assert proxy.lost == 1
    assert response["store"] is True
    assert StoredResponse.objects.get().public_id == response["id"]
