"""Reads budgets with what is spent of them, and what was told. What is owned is asked for by account."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

import httpx

from apps.accounts.contracts import BudgetRow
from apps.accounts.selectors import budgets_of_accounts, budgets_of_projects
from apps.alerts.contracts import TOTAL, AlertRow, BudgetStatus, DeliveryRow, WebhookRow
from apps.alerts.models import BudgetAlert, Webhook, WebhookDelivery
from apps.keys.selectors import budgets_of_keys
from apps.usage.selectors import spend_of_many

NEWEST = 10
Column = Literal["api_key", "project", "account"]
SCOPES: dict[str, tuple[Column, Callable[..., list[BudgetRow]]]] = {
    "account": ("account", budgets_of_accounts),
    "project": ("project", budgets_of_projects),
    "key": ("api_key", budgets_of_keys),
}


def budgets_of_account(*, account_id: int) -> list[BudgetStatus]:
    """Those of the account itself, the month's before the one over all months."""
    return list(_statuses(account_id, "account"))


def budgets_by_reference(*, account_id: int, scope: str) -> dict[str, list[BudgetStatus]]:
    """Those of the account's keys, or of its projects, by a key's id or a project's slug."""
    found: dict[str, list[BudgetStatus]] = {}
    for status in _statuses(account_id, scope):
        found.setdefault(status.reference, []).append(status)
    return found


def budgets_of_everybody() -> list[BudgetStatus]:
    """For the platform's own work. A few queries, however many keys there are."""
    return list(_statuses(None))


def _statuses(account_id: int | None, *scopes: str) -> Iterator[BudgetStatus]:
    now = datetime.now(UTC)
    for scope in scopes or SCOPES:
        column, budgets = SCOPES[scope]
        rows = budgets(account_id=account_id)
        month = spend_of_many(
            scope=column,
            since=now.date().replace(day=1),
            identifiers=[row.id for row in rows if row.monthly is not None],
        )
        ever = spend_of_many(scope=column, since=None, identifiers=[row.id for row in rows if row.total is not None])
        for row in rows:
            if row.monthly is not None:
                yield _status(row, f"{now:%Y-%m}", month.get(row.id, 0), row.monthly)
            if row.total is not None:
                yield _status(row, TOTAL, ever.get(row.id, 0), row.total)


def _status(row: BudgetRow, period: str, spent: int, budget: int) -> BudgetStatus:
    return BudgetStatus(
        scope=row.scope,
        id=row.id,
        account_id=row.account_id,
        reference=row.reference,
        name=row.name,
        period=period,
        spent=spent,
        budget=budget,
        is_hard=row.is_hard,
    )


def alerts_of_account(*, account_id: int) -> list[AlertRow]:
    """The newest few."""
    return [
        AlertRow(
            created_at=alert.created_at,
            scope=alert.scope,
            name=alert.name,
            period=alert.period,
            threshold=alert.threshold,
            spent=alert.spent,
            budget=alert.budget,
            is_hard=alert.is_hard,
            refused=alert.refused,
            mailed_at=alert.mailed_at,
        )
        for alert in BudgetAlert.objects.filter(account_id=account_id)[:NEWEST]
    ]


def webhook_of_account(*, account_id: int) -> WebhookRow | None:
    webhook = Webhook.objects.filter(account_id=account_id).first()
    if webhook is None:
        return None
    return WebhookRow(url=webhook.url, host=httpx.URL(webhook.url).host, created_at=webhook.created_at)


def deliveries_of_account(*, account_id: int) -> list[DeliveryRow]:
    """The newest few."""
    rows = (
        WebhookDelivery.objects.filter(webhook__account_id=account_id)
        .select_related("alert")
        .prefetch_related("attempts")
    )
    return [_delivery_row(delivery) for delivery in rows[:NEWEST]]


def _reached(alert: BudgetAlert) -> str:
    return "calls refused" if alert.refused else f"{alert.threshold} %"


def _delivery_row(delivery: WebhookDelivery) -> DeliveryRow:
    attempts = list(delivery.attempts.all())
    alert = delivery.alert
    waits = delivery.next_attempt_at is not None
    return DeliveryRow(
        message_id=delivery.message_id,
        kind=delivery.kind,
        about=f"{alert.scope.capitalize()} {alert.name}, {_reached(alert)}" if alert else "Test",
        created_at=delivery.created_at,
        state="delivered" if delivery.delivered_at else "waiting" if waits else "failed",
        attempts=len(attempts),
        outcome=str(attempts[-1]) if attempts else "",
        next_attempt_at=delivery.next_attempt_at,
    )
