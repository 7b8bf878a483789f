"""Reads what was logged: always of one account, and never what has expired."""

import zlib
from datetime import datetime, timedelta

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


def kept_of_account(*, account_id: int) -> Kept:
    found = _kept(account_id).aggregate(prompts=Count("pk"), oldest=Min("started_at"))
    return Kept(**found)


def oldest_allowed() -> datetime:
    """What was asked before, the platform does not let anybody keep."""
    return timezone.now() - timedelta(days=settings.PROMPT_LOG_MAX_DAYS)


def _kept(account_id: int) -> QuerySet[Prompt]:
    of_account = Prompt.objects.filter(account_id=account_id)
    return of_account.filter(expires_at__gt=timezone.now(), started_at__gt=oldest_allowed())
