"""Keeps what calls were asked and answered, of accounts that want it, as long as they want it."""

import logging
import zlib
from collections.abc import Sequence
from datetime import timedelta
from math import inf
from time import monotonic
from typing import cast

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Least
from django.utils import timezone

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.common.errors import Invalid
from apps.common.redis import sync_redis
from apps.common.sealing import seal_bytes, unseal_bytes
from apps.prompts.contracts import STREAM, Conversation, Heard, Part
from apps.prompts.fitting import fitted
from apps.prompts.models import Prompt
from apps.prompts.reading import conversation_of
from apps.prompts.redaction import redacted

BATCH = 50
DELETED_AT_ONCE = 500
_heard = msgspec.msgpack.Decoder(Heard).decode
logger = logging.getLogger(__name__)


def sealed(heard: Heard) -> bytes:
    """As it goes through Redis, where nobody reads it."""
    return seal_bytes(zlib.compress(msgspec.msgpack.encode(heard), 1))


def log_for(*, account_id: int, days: int | None) -> None:
    """From now on the account's prompts are logged and kept so long; None: no more. What was logged for longer expires
    with the shorter time, and no log is kept longer than was said when it was written. Raises Invalid."""
    if days is not None and not 1 <= days <= settings.PROMPT_LOG_MAX_DAYS:
        raise Invalid("days", f"Give a number of days from 1 to {settings.PROMPT_LOG_MAX_DAYS}.")
    account_services.set_prompt_log_days(account_id=account_id, days=days)
    if days is not None:
        ends = ExpressionWrapper(F("started_at") + timedelta(days=days), output_field=DateTimeField())
        Prompt.objects.filter(account_id=account_id).update(expires_at=Least("expires_at", ends))


def delete_all(*, account_id: int) -> int:
    """All that was logged of the account, also what is on its way here; how many that were."""
    store_waiting()
    return Prompt.objects.filter(account_id=account_id).delete()[0]


def delete_expired() -> int:
    """In parts, so that no lock is held for long."""
    deleted = 0
    expired = Prompt.objects.filter(expires_at__lte=timezone.now()).order_by("expires_at")
    while oldest := list(expired.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        deleted += Prompt.objects.filter(pk__in=oldest).delete()[0]
    return deleted


def store_waiting(*, seconds: float = inf) -> int:
    """Moves what gateways heard from Redis into the database, redacted; how many there were."""
    end, moved, store = monotonic() + seconds, 0, sync_redis()
    while monotonic() < end:
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", store.xrange(STREAM, count=BATCH))
        if not entries:
            break
        _store([fields.get(b"sealed", b"") for _, fields in entries])
        store.xdel(STREAM, *(entry_id for entry_id, _ in entries))
        moved += len(entries)
    return moved


def _store(entries: Sequence[bytes]) -> None:
    """What an account does not want any more is not kept, and neither is what cannot be read."""
    heard = [one for one in map(_opened, entries) if one is not None]
    days = accounts.prompts_kept_days(account_ids={one.account for one in heard})
    rows = [row for one in heard if one.account in days and (row := _row(one, days[one.account])) is not None]
    try:
        with transaction.atomic():
            Prompt.objects.bulk_create(rows, ignore_conflicts=True)  # another worker may have had them, too
    except IntegrityError:  # an account was deleted just now
        logger.warning("%d prompts could not be logged", len(rows))


def _opened(entry: bytes) -> Heard | None:
    opened = unseal_bytes(entry)
    try:
        return _heard(zlib.decompress(opened)) if opened is not None else None
    except (msgspec.DecodeError, zlib.error):  # of another release, for one
        return None


def _row(heard: Heard, days: int) -> Prompt | None:
    try:
        conversation = conversation_of(heard)
    except Exception as error:  # its text would quote the prompt
        logger.warning("%s could not be logged: %s", heard.request_id, type(error).__name__)
        return None
    kept = Conversation(_kept(conversation.asked), _kept(conversation.answered))
    return Prompt(
        account_id=heard.account,
        request_id=heard.request_id,
        started_at=heard.started_at,
        expires_at=heard.started_at + timedelta(days=days),
        sealed=seal_bytes(zlib.compress(msgspec.json.encode(kept))),
    )


def _kept(parts: list[Part]) -> list[Part]:
    """Redacted before anything is cut: half a secret looks like none."""
    return fitted([Part(part.role, part.kind, redacted(part.text), part.name) for part in parts])
