"""Keeps what calls were asked and answered, of accounts that want it, as long as they want it."""

import logging
import zlib
from datetime import timedelta
from math import inf
from time import monotonic
from typing import cast

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.functions import Least
from django.utils import timezone
from redis.exceptions import LockError

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.common.errors import Invalid
from apps.common.redis import sync_redis
from apps.common.sealing import seal_bytes, unseal_bytes
from apps.prompts.contracts import MOST_BYTES, QUEUE, Conversation, Heard, Part
from apps.prompts.fitting import fitted
from apps.prompts.models import Prompt
from apps.prompts.reading import conversation_of
from apps.prompts.redaction import redacted
from apps.prompts.selectors import oldest_allowed

LOCK, LOCK_SECONDS = "art:prompts:storing", 60
DELETED_AT_ONCE = 500
MOST_OPENED = 16 * 1024 * 1024  # bytes of one, inflated
_heard = msgspec.msgpack.Decoder(Heard).decode
logger = logging.getLogger(__name__)


def sealed(heard: Heard) -> bytes | None:
    """As it goes through Redis, where nobody reads it; None where it is too large for that."""
    deflated = zlib.compress(msgspec.msgpack.encode(heard), 1)
    return seal_bytes(deflated) if len(deflated) < MOST_BYTES * 3 // 4 else None


def log_for(*, account_id: int, days: int | None) -> None:
    """From now on the account's prompts are logged and kept so long; None: no more. What was logged for longer expires
    with the shorter time, and no log is kept longer than was said when it was written. Raises Invalid."""
    if days is not None and not 1 <= days <= settings.PROMPT_LOG_MAX_DAYS:
        raise Invalid("days", f"Give a number of days from 1 to {settings.PROMPT_LOG_MAX_DAYS}.")
    with transaction.atomic():
        account_services.set_prompt_log_days(account_id=account_id, days=days)
        if days is not None:
            ends = ExpressionWrapper(F("started_at") + timedelta(days=days), output_field=DateTimeField())
            Prompt.objects.filter(account_id=account_id).update(expires_at=Least("expires_at", ends))


@transaction.atomic
def delete_all(*, account_id: int) -> int:
    """All that was logged of the account; how many that were. What is on its way here is not kept either."""
    account_services.forget_prompts(account_id=account_id)
    return Prompt.objects.filter(account_id=account_id).delete()[0]


def delete_expired() -> int:
    """In parts, so that no lock is held for long."""
    over = Q(expires_at__lte=timezone.now()) | Q(started_at__lte=oldest_allowed())
    expired = Prompt.objects.filter(over).order_by("expires_at")
    deleted = 0
    while oldest := list(expired.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        deleted += Prompt.objects.filter(pk__in=oldest).delete()[0]
    return deleted


def store_waiting(*, seconds: float = inf) -> int:
    """Moves what gateways heard from Redis into the database, redacted, one after the other; how many there were.

    By one worker at a time, so that a full log takes no more than one of them. What is taken is gone from Redis: should
    one ever end its worker, it ends no other.
    """
    end, moved, store = monotonic() + seconds, 0, sync_redis()
    lock = store.lock(LOCK, timeout=LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        return 0
    try:
        while monotonic() < end and (entry := cast("bytes | None", store.lpop(QUEUE))) is not None:
            _store(entry)
            moved += 1
            lock.reacquire()
    except LockError:  # another worker goes on
        logger.warning("a prompt took longer than %d s to be logged", LOCK_SECONDS)
        return moved
    lock.release()
    return moved


def _store(entry: bytes) -> None:
    """What its account does not want any more is not kept, and neither is what cannot be read."""
    heard = _opened(entry)
    if heard is None:
        return
    try:
        conversation = conversation_of(heard)
    except Exception as error:  # its text would quote the prompt
        logger.warning("%s could not be logged: %s", heard.request_id, type(error).__name__)
        return
    kept = Conversation(_kept(conversation.asked), _kept(conversation.answered))
    sealed = seal_bytes(zlib.compress(msgspec.json.encode(kept)))
    with transaction.atomic():
        days = accounts.prompts_kept_days(account_id=heard.account, asked_at=heard.started_at)
        if days is not None:
            row = Prompt(
                account_id=heard.account,
                request_id=heard.request_id,
                started_at=heard.started_at,
                expires_at=heard.started_at + timedelta(days=days),
                sealed=sealed,
            )
            Prompt.objects.bulk_create([row], ignore_conflicts=True)  # of a request that was made twice


def _opened(entry: bytes) -> Heard | None:
    opened = unseal_bytes(entry)
    try:
        return _heard(zlib.decompressobj().decompress(opened, MOST_OPENED)) if opened is not None else None
    except (msgspec.DecodeError, zlib.error):  # of another release, for one
        return None


def _kept(parts: list[Part]) -> list[Part]:
    """Redacted before it is cut to what is kept, since half a secret looks like none; of much more, a part."""
    rough = fitted(parts, times=2)
    return fitted([msgspec.structs.replace(part, text=redacted(part.text)) for part in rough])
