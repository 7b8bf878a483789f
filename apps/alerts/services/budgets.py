"""Compares what was spent with every budget that is set, and notes what is to be told.

Of a budget the highest threshold that is reached is told, if none as high was told in this period: so a raised budget
does not repeat itself, and one that is used up at once says so once. Mails and webhooks go out from what is noted here,
in the same transaction, and so are not lost with a worker.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max

from apps.accounts.selectors import account_name
from apps.alerts.contracts import BudgetStatus
from apps.alerts.models import BudgetAlert
from apps.alerts.selectors import budgets_of_everybody
from apps.alerts.services.deliveries import enqueue
from apps.common.errors import NotFound


def check_budgets() -> int:
    """How many alerts were made. Whoever runs this at the same time tells nothing twice."""
    reached = [status for status in budgets_of_everybody() if status.crossed]
    told = _told(reached)
    return sum(_tell(status) for status in reached if status.crossed > told.get(_name(status), 0))


def _name(status: BudgetStatus) -> tuple[str, int, str]:
    return status.scope, status.id, status.period


def _told(reached: Sequence[BudgetStatus]) -> dict[tuple[str, int, str], int]:
    rows = BudgetAlert.objects.filter(
        scope_id__in={status.id for status in reached}, period__in={status.period for status in reached}
    )
    highest = rows.order_by().values_list("scope", "scope_id", "period").annotate(threshold=Max("threshold"))
    return {(scope, scope_id, period): threshold for scope, scope_id, period, threshold in highest}


@transaction.atomic
def _tell(status: BudgetStatus) -> bool:
    try:
        _, slug = account_name(account_id=status.account_id)
    except NotFound:
        return False
    alert, is_new = BudgetAlert.objects.get_or_create(
        scope=status.scope,
        scope_id=status.id,
        period=status.period,
        threshold=status.crossed,
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
        enqueue(account_id=status.account_id, kind="budget.threshold_reached", data=_data(slug, alert), alert=alert)
    return is_new


def _data(slug: str, alert: BudgetAlert) -> dict[str, object]:
    return {
        "account": slug,
        "scope": alert.scope,
        "id": alert.reference,
        "name": alert.name,
        "period": alert.period,
        "threshold_percent": alert.threshold,
        "spent_nano_usd": alert.spent,
        "budget_nano_usd": alert.budget,
        "budget_is_hard": alert.is_hard,
    }
