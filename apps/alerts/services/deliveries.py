"""Messages for webhooks wait in PostgreSQL until they are delivered: at once, then after longer and longer pauses.

They do not wait in Celery's queue: what Redis holds back for longer than its visibility time-out it gives out again.
"""

import json
import logging
import random
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.alerts.delivery import Message, Outcome, post_all
from apps.alerts.models import BudgetAlert, DeliveryAttempt, Webhook, WebhookDelivery
from apps.common.sealing import unseal

logger = logging.getLogger(__name__)
TEST = "webhook.test"
# Eight retries over a day.
PAUSES = [timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 3600, 10_800, 21_600, 43_200)]
LEASE = timedelta(seconds=60)  # for whoever sends it now: longer than an attempt takes
MOST_AT_ONCE = 50


def enqueue(*, account_id: int, kind: str, data: dict[str, Any], alert: BudgetAlert | None = None) -> bool:
    """Lets a message wait for the account's webhook, to be called in the transaction of what it tells of.

    False for an account without one.
    """
    webhook = Webhook.objects.filter(account_id=account_id).first()
    if webhook is None:
        return False
    body = {"type": kind, "timestamp": datetime.now(UTC).isoformat(timespec="seconds"), "data": data}
    WebhookDelivery.objects.create(
        webhook=webhook,
        alert=alert,
        kind=kind,
        message_id=f"msg_{secrets.token_hex(12)}",
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    )
    return True


def deliver_waiting() -> int:
    """Attempts what is due, a batch at a time; how many messages were delivered."""
    deliveries = _claimed()
    if not deliveries:
        return 0
    outcomes = post_all([_message(delivery) for delivery in deliveries])
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        _note(delivery, outcome)
    return sum(outcome.is_delivered for outcome in outcomes)


def _claimed() -> list[WebhookDelivery]:
    """Nobody else takes them before the lease is over; they are due again should this process die."""
    now = timezone.now()
    with transaction.atomic():
        due = WebhookDelivery.objects.filter(next_attempt_at__lte=now).order_by("next_attempt_at")
        rows = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("webhook")[:MOST_AT_ONCE])
        WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows]).update(next_attempt_at=now + LEASE)
    return rows


def _message(delivery: WebhookDelivery) -> Message:
    webhook = delivery.webhook
    return Message(webhook.url, unseal(webhook.secret_sealed), delivery.message_id, delivery.body)


def _note(delivery: WebhookDelivery, outcome: Outcome) -> None:
    now = timezone.now()
    with transaction.atomic():
        # Its webhook may have been removed while this was under way.
        if not WebhookDelivery.objects.select_for_update().filter(pk=delivery.pk).exists():
            return
        DeliveryAttempt.objects.create(delivery_id=delivery.pk, status=outcome.status, error=outcome.error)
        tried = DeliveryAttempt.objects.filter(delivery_id=delivery.pk).count()
        WebhookDelivery.objects.filter(pk=delivery.pk).update(
            delivered_at=now if outcome.is_delivered else None,
            next_attempt_at=None if outcome.is_delivered else _next(delivery.kind, tried, now),
        )
    if not outcome.is_delivered:
        logger.info("%s was not delivered: %s", delivery.message_id, outcome.status or outcome.error)


def _next(kind: str, tried: int, now: datetime) -> datetime | None:
    """None: given up. A test is tried once; somebody looks at what comes of it."""
    if kind == TEST or tried > len(PAUSES):
        return None
    return now + PAUSES[tried - 1] * random.uniform(0.9, 1.1)
