"""What gateways count in Redis against what is recorded, what waits to be, and what open requests hold.

By these counters calls are admitted: what an account may still use is what the ledger publishes, less what is counted
as spent and held (deploy/decisions/0012). What stands in a gateway's spool is in neither of the two, and comes into
both at once.
"""

import time
from collections.abc import Collection, Iterable
from itertools import accumulate

from redis.exceptions import RedisError

from apps.billing.contracts import Explained, Finding
from apps.billing.services.reconciliation.comparing import Found, Scope, rows_of
from apps.common.errors import Unavailable
from apps.usage.contracts import CountedHolds, CountedSpending
from apps.usage.selectors import doubtful_counters, holds_counted, spending_counted, spending_counters

ACCOUNT = "account:"
OWNERS = """
    SELECT 'key:' || k.id, concat_ws(' ', o.slug, 'key', k.public_id) FROM keys_apikey k
      JOIN accounts_account o ON o.id = k.account_id WHERE 'key:' || k.id = ANY(%s)
    UNION ALL
    SELECT 'project:' || p.id, concat_ws(' ', o.slug, 'project', p.slug) FROM accounts_project p
      JOIN accounts_account o ON o.id = p.account_id WHERE 'project:' || p.id = ANY(%s)
    UNION ALL
    SELECT 'account:' || o.id, concat_ws(' ', o.slug, 'account') FROM accounts_account o
      WHERE 'account:' || o.id = ANY(%s)"""


def counters_and_events(scope: Scope) -> Found:
    """All counters, whatever the days. Each is read in one moment with what it is compared with; one that differs is
    read again some time later: a Redis that came back without its last second is told it again within seconds.
    """
    try:
        spent, held, compared = _read()
        wrong = [one for one in spent if not _is_explained(one)], [one for one in held if one.counted != one.held]
        if any(wrong):
            time.sleep(scope.patience)
            spent, held = _read_again(spent, held, *wrong)
    except RedisError as error:
        raise Unavailable("Redis does not answer: what gateways count could not be read.") from error
    found = Found(compared=compared)
    owners = _owners([*(one.scope for one in spent), *(hold.scope for hold in held)])
    for one in spent:
        _compare_spent(found, one, owners)
    for hold in held:
        _compare_held(found, hold, owners)
    return found


def _read() -> tuple[list[CountedSpending], list[CountedHolds], int]:
    """What differs from what is recorded, or may; and how many counters there are."""
    counters, held = spending_counters(), holds_counted()
    apart = [one.scope for one in held if one.counted != one.held]  # a counter may have come between the two looks
    again = {one.scope: one for one in holds_counted(apart)}
    return (
        spending_counted(doubtful_counters(counters)),
        [again.get(one.scope, one) for one in held],
        len(counters) + len(held),
    )


def _read_again(
    spent: list[CountedSpending],
    held: list[CountedHolds],
    wrong_spent: Collection[CountedSpending],
    wrong_held: Collection[CountedHolds],
) -> tuple[list[CountedSpending], list[CountedHolds]]:
    """The same, with those that were wrong as they are now."""
    return (
        [one for one in spent if one not in wrong_spent]
        + spending_counted([(one.scope, one.period) for one in wrong_spent]),
        [one for one in held if one not in wrong_held] + holds_counted([one.scope for one in wrong_held]),
    )


def _owners(scopes: Iterable[str]) -> dict[str, str]:
    """Those that there are, in words."""
    return dict(rows_of(OWNERS, [sorted(set(scopes))] * 3))


def _difference(one: CountedSpending) -> int:
    return one.counted - one.recorded - one.waiting


def _is_explained(one: CountedSpending) -> bool:
    """Also by events that cannot be recorded, all or those since the counter was last begun: they have been spent."""
    return _difference(one) in (0, *accumulate(reversed(one.unrecordable)))


def _compare_spent(found: Found, one: CountedSpending, owners: dict[str, str]) -> None:
    owner = owners.get(one.scope)
    if owner is None:  # nobody can use it
        return
    where, difference = f"{owner} {one.period}", _difference(one)
    if not _is_explained(one):
        found.findings.append(Finding(what="spent_not_its_events", where=where, difference=difference))
    elif difference:
        why = "of events in art:usage:dead, which no worker could record: they were spent all the same"
        found.explained.append(Explained(what="spent_not_its_events", where=where, difference=difference, why=why))
    if one.waiting and one.scope.startswith(ACCOUNT):  # its keys and projects have the same
        why = "in flight: events that are in Redis and on their way to PostgreSQL, within seconds"
        found.explained.append(Explained(what="spent_and_not_recorded", where=where, difference=one.waiting, why=why))


def _compare_held(found: Found, one: CountedHolds, owners: dict[str, str]) -> None:
    owner = owners.get(one.scope)
    if owner is None:
        return
    if one.counted != one.held:
        difference = one.counted - one.held
        found.findings.append(Finding(what="held_not_its_requests", where=owner, difference=difference))
    elif one.held and one.scope.startswith(ACCOUNT):
        why = f"in flight: {one.requests} requests are open, and hold the most that they can cost until they end"
        found.explained.append(Explained(what="held_by_requests", where=owner, difference=one.held, why=why))
