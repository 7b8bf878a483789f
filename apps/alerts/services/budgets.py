"""Compares what was spent with every budget that is set, and notes what is to be told.

Of a budget the highest threshold that is reached is told, if none as high was told in this period: so a raised budget
does not repeat itself, and one that is used up at once says so once. That a budget refuses calls is told apart, once a
period as well: it does so before it is spent, where what is left does not cover what a call may cost. Not where it was
raised meanwhile, or credit has come: who has just paid shall not read that calls are refused. Mails and webhooks go
out from what is noted here, in the same transaction, and so are not lost with a worker.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from apps.accounts.selectors import account_name
from apps.alerts.contracts import REFUSALS, TOTAL, BudgetStatus
from apps.alerts.models import BudgetAlert
from apps.alerts.selectors import budgets_of_everybody
from apps.alerts.services.deliveries import enqueue
from apps.billing.services import tell_of_end
from apps.common.errors import NotFound
from apps.common.redis import sync_redis

ACCOUNT = ("account", TOTAL)  # a refusal by its credit is one by what it may use in all


def check_budgets() -> int:
    """How many alerts were made. Whoever runs this at the same time tells nothing twice."""
    reached = [status for status in budgets_of_everybody() if status.crossed]
    told = _told(reached)
    return sum(_tell(status, status.crossed) for status in reached if status.crossed > told.get(_name(status), 0))


def check_refusals() -> int:
    """How many alerts were made of budgets, and of credit, that refuse calls. Raises RedisError."""
    store = sync_redis()
    marks: Any = store.smembers(REFUSALS)
    if not marks:
        return 0
    refused = {_refused(mark.decode()) for mark in marks}
    made = sum(
        _tell(status, 100, refused=True)
        for status in budgets_of_everybody()
        if status.is_hard and (*_name(status), status.budget) in refused
    )
    made += sum(
        _tell_of_credit(owner, credit) for scope, owner, period, credit in refused if (scope, period) == ACCOUNT
    )
    store.srem(REFUSALS, *marks)  # not before: what this process does not get to, the next one does
    return made


@transaction.atomic
def _tell_of_credit(account_id: int, credit: int) -> bool:
    try:
        _, slug = account_name(account_id=account_id)
    except NotFound:
        return False
    is_new = tell_of_end(account_id=account_id, credit=credit)
    if is_new:
        enqueue(account_id=account_id, kind="credit.calls_refused", data={"account": slug})
    return is_new


def _refused(mark: str) -> tuple[str, int, str, int]:
    """ "key:7 202611 5000" as the name of a budget and its sum; -1 is none's, of a gateway that did not say it yet."""
    owner, period, total = (*mark.split(" "), "-1")[:3]
    scope, _, identifier = owner.partition(":")
    return scope, int(identifier), period if period == TOTAL else f"{period[:4]}-{period[4:]}", int(total)


def _name(status: BudgetStatus) -> tuple[str, int, str]:
    return status.scope, status.id, status.period


def _told(reached: Sequence[BudgetStatus]) -> dict[tuple[str, int, str], int]:
    rows = BudgetAlert.objects.filter(
        refused=False, scope_id__in={status.id for status in reached}, period__in={status.period for status in reached}
    )
    highest = rows.order_by().values_list("scope", "scope_id", "period").annotate(threshold=Max("threshold"))
    return {(scope, scope_id, period): threshold for scope, scope_id, period, threshold in highest}


@transaction.atomic
def _tell(status: BudgetStatus, threshold: int, *, refused: bool = False) -> bool:
    try:
        _, slug = account_name(account_id=status.account_id)
    except NotFound:
        return False
    alert, is_new = BudgetAlert.objects.get_or_create(
        scope=status.scope,
        scope_id=status.id,
        period=status.period,
        threshold=threshold,
        refused=refused,
        defaults={
            "account_id": status.account_id,
            "reference": status.reference,
            "name": status.name,
            "spent": status.spent,
            "budget": status.budget,
            "is_hard": status.is_hard,
        },
    )
    if is_new:
        kind = "budget.calls_refused" if refused else "budget.threshold_reached"
        enqueue(account_id=status.account_id, kind=kind, data=_data(slug, alert), alert=alert)
    return is_new


def _data(slug: str, alert: BudgetAlert) -> dict[str, object]:
    reached = {} if alert.refused else {"threshold_percent": alert.threshold}
    return {
        "account": slug,
        "scope": alert.scope,
        "id": alert.reference,
        "name": alert.name,
        "period": alert.period,
        **reached,
        "spent_nano_usd": alert.spent,
        "budget_nano_usd": alert.budget,
        "budget_is_hard": alert.is_hard,
    }
