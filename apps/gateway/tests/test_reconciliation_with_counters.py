"""What gateways count in Redis agrees with what is recorded; whatever is changed behind their back is found."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event, Thread, Timer
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from apps.billing import services
from apps.billing.contracts import NANO_USD, CheckResult, Reconciled
from apps.billing.services.reconciliation.comparing import Found, Scope
from apps.billing.services.reconciliation.counted import counters_and_events
from apps.common.redis import sync_redis
from apps.gateway.admission import month_of, script
from apps.gateway.counters import begin_counter
from apps.keys.models import ApiKey
from apps.usage.services import drain_events
from apps.usage.tests.test_record_events import event

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
LEASE_MS = 90_000


@pytest.fixture(autouse=True)
def _empty_redis() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    if names := sync_redis().keys("art:*"):
        sync_redis().delete(*names)


@pytest.fixture
def used(key: ApiKey) -> ApiKey:
    """A key of which all counters are there, with a request of 700 recorded, and another month's of 30."""
    for scope in scopes_of(key):
        for period in (MONTH, "total"):
            begin_counter(scope, period)
    settle(key, "new", 700)
    before = NOW.replace(day=1) - timedelta(days=1)
    settle(key, "old", 30, at=before)
    drain_events()
    begin_counter(f"key:{key.pk}", month_of(before))
    return key


def scopes_of(key: ApiKey) -> tuple[str, str, str]:
    return f"key:{key.pk}", f"project:{key.project_id}", f"account:{key.account_id}"


def run(name: str, *arguments: Any) -> Any:
    return sync_redis().eval(script(name)[1], 0, *map(str, arguments))


def settle(key: ApiKey, request_id: str, cost: int, *, at: datetime = NOW, **fields: Any) -> None:
    text = event(key, request_id, cost=cost, started_at=at.isoformat(), **fields)
    run("settle", request_id, cost, 15, text, *(word for scope in scopes_of(key) for word in (scope, month_of(at))))


def hold(key: ApiKey, request_id: str, amount: int) -> None:
    """As a gateway that renews its leases."""
    scopes = ",".join(scopes_of(key))
    run("renew", LEASE_MS, request_id, f"{amount} 100 {scopes} - {scopes}")


def compare() -> Found:
    return counters_and_events(Scope(NOW.date(), NOW.date(), patience=0))


def told(found: Found) -> set[tuple[str, str, int]]:
    return {(one.what, one.where, one.difference) for one in found.findings}


def result_of(reconciled: Reconciled) -> CheckResult:
    [result] = [check for check in reconciled.checks if check.name == "counters_and_events"]
    return result


def explained(found: Found) -> set[tuple[str, str, int]]:
    return {(one.what, one.where, one.difference) for one in found.explained}


def test_counters_agree_after_use(used: ApiKey) -> None:
    found = compare()
    assert (found.findings, found.explained, found.compared) == ([], [], 7)
    result = result_of(services.reconcile(patience=0))
    assert (result.state, result.compared, result.findings) == ("done", 7, 0)


@pytest.mark.parametrize("period", [MONTH, "total"])
def test_a_counter_that_was_changed_behind_its_back(used: ApiKey, period: str) -> None:
    sync_redis().incrby(f"art:spent:account:{used.account_id}:{period}", 9)
    sync_redis().decrby(f"art:spent:key:{used.pk}:{period}", 2)
    sync_redis().set(f"art:spent:project:{used.project_id}:{period}", 0)
    spent = 730 if period == "total" else 700
    found = compare()
    assert told(found) == {
        ("spent_not_its_events", f"northwind account {period}", 9),
        ("spent_not_its_events", f"northwind key {used.public_id} {period}", -2),
        ("spent_not_its_events", f"northwind project default {period}", -spent),
    }
    assert {finding.unit for finding in found.findings} == {NANO_USD}


def test_a_counter_made_anew_is_right_again(used: ApiKey) -> None:
    """Of a month that is over, too."""
    for name in map(bytes.decode, sync_redis().keys("art:spent:*")):
        sync_redis().set(name, 5)
    assert len(compare().findings) == 7
    for name in map(bytes.decode, sync_redis().keys("art:spent:*")):
        _, _, kind, identifier, period = name.split(":")
        begin_counter(f"{kind}:{identifier}", period, anew=True)
    assert compare().findings == []


def test_events_on_their_way_are_explained(used: ApiKey) -> None:
    settle(used, "waits", 40)
    settle(used, "waits too", 2)
    found = compare()
    assert told(found) == set()
    assert explained(found) == {
        ("spent_and_not_recorded", f"northwind account {MONTH}", 42),
        ("spent_and_not_recorded", "northwind account total", 42),
    }
    sync_redis().decrby(f"art:spent:key:{used.pk}:total", 42)  # what is recorded, and yet not what was spent
    assert told(compare()) == {("spent_not_its_events", f"northwind key {used.public_id} total", -42)}


def test_an_event_that_is_recorded_and_still_in_the_stream_counts_once(used: ApiKey) -> None:
    """A worker that died between PostgreSQL's commit and Redis' deletion."""
    sync_redis().xadd("art:usage", {"event": event(used, "new", cost=700, started_at=NOW.isoformat())})
    found = compare()
    assert told(found) == set() and explained(found) == set()


def test_events_that_cannot_be_recorded_are_explained(used: ApiKey) -> None:
    settle(used, "dead", 5, outcome="x" * 99)
    settle(used, "dead too", 60, outcome="x" * 99)
    drain_events()
    assert sync_redis().xlen("art:usage:dead") == 2
    found = compare()
    assert told(found) == set()
    assert ("spent_not_its_events", "northwind account total", 65) in explained(found)
    begin_counter(f"key:{used.pk}", "total", anew=True)  # without them
    assert told(compare()) == set()
    sync_redis().incrby(f"art:spent:key:{used.pk}:total", 5)  # as if it had begun between the two, the other way round
    assert told(compare()) == {("spent_not_its_events", f"northwind key {used.public_id} total", 5)}


def test_open_requests_hold(used: ApiKey) -> None:
    hold(used, "open", 1000)
    hold(used, "open too", 500)
    found = compare()
    assert told(found) == set()
    assert explained(found) == {("held_by_requests", "northwind account", 1500)}
    sync_redis().incrby(f"art:held:account:{used.account_id}", 7)
    sync_redis().delete(f"art:held:key:{used.pk}")
    assert told(compare()) == {
        ("held_not_its_requests", "northwind account", 7),
        ("held_not_its_requests", f"northwind key {used.public_id}", -1500),
    }


def test_a_hold_that_nobody_will_release(used: ApiKey) -> None:
    hold(used, "lost", 1000)
    sync_redis().zrem("art:holds", "lost")
    assert ("held_not_its_requests", "northwind account", 1000) in told(compare())


def test_counters_of_nobody_are_left_alone(used: ApiKey) -> None:
    sync_redis().set("art:spent:key:2000000000:total", 5)
    sync_redis().set("art:held:account:2000000000", 5)
    sync_redis().set("art:spent:something:else", "anything")
    assert told(compare()) == set()


def test_redis_that_is_away(used: ApiKey) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        sync_redis.cache_clear()
        reconciled = services.reconcile(patience=0)
    sync_redis.cache_clear()
    result = result_of(reconciled)
    assert (result.state, result.note) == ("failed", "Redis does not answer: what gateways count could not be read.")
    assert not reconciled.is_clean


def test_what_is_put_right_while_it_waits_is_no_finding(used: ApiKey) -> None:
    """A gateway tells Redis again what it lost."""
    name = f"art:spent:account:{used.account_id}:total"
    sync_redis().decrby(name, 700)
    healing = Timer(0.5, sync_redis().incrby, [name, 700])
    healing.start()
    found = counters_and_events(Scope(NOW.date(), NOW.date(), patience=3))
    healing.join()
    assert found.findings == []


@pytest.mark.django_db(transaction=True)
def test_comparing_while_requests_are_settled_and_recorded(used: ApiKey) -> None:
    stop = Event()
    numbers = count()

    def use() -> None:
        while not stop.is_set():
            number = next(numbers)
            hold(used, f"busy {number}", 50)
            settle(used, f"busy {number}", 13)

    def drain() -> None:
        try:
            while not stop.is_set():
                drain_events()
        finally:
            connection.close()

    threads = [Thread(target=work) for work in (use, use, drain)]
    for thread in threads:
        thread.start()
    try:
        found = [compare() for _ in range(20)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [told(one) for one in found] == [set()] * 20
    assert next(numbers) > 20  # it was busy
    drain_events()
    assert compare().explained == []
