"""Reads what was logged: always of one account, and never what has expired."""

import zlib
from collections.abc import Collection
from datetime import timedelta

import msgspec
from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from apps.common.sealing import unseal_bytes
from apps.prompts.contracts import Conversation, Kept, LoggedPrompt
from apps.prompts.models import Prompt

_conversation = msgspec.json.Decoder(Conversation).decode


def logged_prompt(*, account_id: int, request_id: str) -> LoggedPrompt | None:
    """What the account's request asked and was answered, where that was logged."""
    row = _kept(account_id).filter(request_id=request_id).first()
    if row is None:
        return None
    opened = unseal_bytes(bytes(row.sealed))
    return LoggedPrompt(
        request_id=row.request_id,
        conversation=_conversation(zlib.decompress(opened)) if opened is not None else None,
        expires_at=row.expires_at,
    )


def logged_among(*, account_id: int, request_ids: Collection[str]) -> set[str]:
    """Those of these requests of the account that were logged."""
    return set(_kept(account_id).filter(request_id__in=request_ids).values_list("request_id", flat=True))


def kept_of_account(*, account_id: int) -> Kept:
    found = _kept(account_id).aggregate(prompts=Count("pk"), oldest=Min("started_at"))
    return Kept(**found)


def _kept(account_id: int) -> QuerySet[Prompt]:
    now = timezone.now()
    oldest = now - timedelta(days=settings.PROMPT_LOG_MAX_DAYS)
    return Prompt.objects.filter(account_id=account_id, expires_at__gt=now, started_at__gt=oldest)
