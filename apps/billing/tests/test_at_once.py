"""Two workers that post the same hour at once, a worker that dies in the middle, a clock that jumps: the same bill."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from apps.billing import services
from apps.billing.models import LedgerAccount, LedgerKind, LedgerTransaction
from apps.billing.selectors import balance_of_account
from apps.billing.tests.use import NOON, use
from apps.keys.models import ApiKey

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOON + timedelta(hours=3)


@pytest.fixture
def used(key: ApiKey) -> ApiKey:
    for number in range(40):
        use(key, f"r{number}", 100 + number, at=NOON + timedelta(minutes=number), model=f"m{number % 4}")
    services.record_payment(account_id=key.account_id, amount=3000, key="paid", reason="paid")
    return key


COST = sum(100 + number for number in range(40))


def together(*works: Callable[[], object]) -> list[BaseException]:
    """Runs each in a thread and a connection of its own; what they raised."""
    barrier, raised = threading.Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def is_the_bill(key: ApiKey) -> bool:
    balance = balance_of_account(account_id=key.account_id)
    revenue = LedgerAccount.objects.filter(kind=LedgerKind.REVENUE).values_list("balance", flat=True)
    return (
        (balance.prepaid, balance.owed, balance.unposted) == (0, COST - 3000, 0)
        and sum(revenue) == COST
        and services.check_ledger() == []
    )


def test_two_workers_post_the_same_hour(used: ApiKey) -> None:
    assert together(*[lambda: services.post_usage(now=LATER)] * 4) == []
    assert is_the_bill(used)
    assert LedgerTransaction.objects.filter(kind="usage").count() == 1


def test_credit_comes_while_use_is_posted(used: ApiKey) -> None:
    def pay(name: str) -> object:
        return services.record_payment(account_id=used.account_id, amount=10, key=name, reason="paid")

    assert together(lambda: services.post_usage(now=LATER), *[lambda: pay("a")] * 3, lambda: pay("b")) == []
    assert services.check_ledger() == []
    assert balance_of_account(account_id=used.account_id).available == 3020 - COST


def test_a_worker_dies_in_the_middle(used: ApiKey) -> None:
    """Its connection is cut while it writes: it waits for a row that somebody else has locked."""
    services.post_usage(now=NOON + timedelta(minutes=30))  # nothing is over yet
    use(used, "elsewhere", 1, at=NOON - timedelta(hours=5), model="m3")
    services.post_usage(now=NOON)
    died: list[BaseException] = []

    def worker() -> None:
        try:
            with transaction.atomic():
                services.usage.post_account(account_id=used.account_id, before=LATER)
        except OperationalError as error:
            died.append(error)
        finally:
            connection.close()

    with transaction.atomic():
        LedgerAccount.objects.select_for_update().get(kind=LedgerKind.REVENUE, model="m3")
        thread = threading.Thread(target=worker)
        thread.start()
        killed = False
        deadline = time.monotonic() + 20
        while not killed and time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks "
                    "WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
                )
                killed = bool(cursor.fetchall())
            time.sleep(0.02)
        thread.join(20)
    assert killed and died
    assert LedgerTransaction.objects.filter(kind="usage").count() == 1, "what it had begun is undone"
    services.post_usage(now=LATER)
    assert services.check_ledger() == []
    assert balance_of_account(account_id=used.account_id).owed == COST + 1 - 3000


@pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(hours=-2)])
def test_a_clock_that_jumps(used: ApiKey, jump: timedelta) -> None:
    services.post_usage(now=NOON + timedelta(minutes=20) + jump)
    services.post_usage(now=NOON + timedelta(minutes=25))
    services.post_usage(now=LATER)
    services.post_usage(now=LATER + jump)
    assert is_the_bill(used)
