"""What `make bench-billing` runs, in small: it proves the ledger and reads the usage page, whatever the timings."""

from collections.abc import Iterator

import pytest

from apps.common.redis import sync_redis
from benchmarks.billing import history, stream


@pytest.fixture
def _own_redis() -> Iterator[None]:
    sync_redis().flushdb()
    yield
    sync_redis().flushdb()


@pytest.mark.django_db(transaction=True)
def test_use_becomes_a_bill_and_a_year_of_it_is_shown(_own_redis: None) -> None:
    stream.found(3)
    stream.settle(250)
    stream.drain(250)
    stream.post(250)
    checked = stream.check(250)
    assert checked["events"] == 250 and checked["transactions"] > 3
    filled = history.fill(2000)
    assert filled["events"] == 2250 and filled["months"] >= 13
    pages = history.pages()["pages"]
    assert all(page["queries"] > 3 and page["first_ms"] > 0 for page in pages)
